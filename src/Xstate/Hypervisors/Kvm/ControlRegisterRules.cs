using Xstate.Architecture;
using Xstate.Findings;
using Xstate.Hypervisors.Linux;
using Xstate.Processor;

namespace Xstate.Hypervisors.Kvm;

/// <summary>
/// What KVM demands of CR0, CR3, CR4 and EFER: of KVM_SET_SREGS (<c>kvm_is_valid_sregs</c>), of the guest's MOV to CR4
/// (<c>kvm_set_cr4</c>) and of its WRMSR to EFER (<c>set_efer</c>). Each rule stands here
/// once. That CR4.CET without CR0.WP passes in KVM_SET_SREGS and is #GP for the guest was read in 7.2.
/// </summary>
internal static class ControlRegisterRules
{
    private const ulong LongMode = 1 << 8;
    private const ulong LongModeActive = 1 << 10;
    private const ulong NoExecute = 1 << 11;
    private const ulong SecureVirtualMachine = 1 << 12;
    private const ulong LongModeSegmentLimit = 1 << 13;
    private const ulong FastFxsave = 1 << 14;
    private const ulong AutomaticIbrs = 1 << 21;
    private const ulong AlwaysKnown = 1 | LongMode | LongModeActive;
    private const int DefaultAddressBits = 36;
    private const ulong ContextIdentifier = 0xFFF;

    // VME to PGE, PCE, OSFXSR and OSXMMEXCPT: KVM takes them whatever CPUID says.
    private const Cr4 Unconditional = (Cr4)0x7FF;

    // What kvm_pvm takes, whatever CPUID says (measured on 6.18): no PCIDE, no LA57.
    private const Cr4 OfPvm = Unconditional | Cr4.UserModeInstructionPrevention | Cr4.FsGsBase | Cr4.OsXsave | Cr4.ExecutionPrevention
        | Cr4.AccessPrevention | Cr4.ProtectionKeys;

    // The bits that need a feature; every other bit, SMXE and PKS among them, KVM offers to nobody.
    private static readonly (Cr4 Bit, CpuidFeature Feature)[] Conditional =
    [
        (Cr4.UserModeInstructionPrevention, CpuidFeatures.Umip),
        (Cr4.FiveLevelPaging, CpuidFeatures.La57),
        (Cr4.VirtualMachineExtensions, CpuidFeatures.Vmx),
        (Cr4.FsGsBase, CpuidFeatures.Fsgsbase),
        (Cr4.ProcessContextIdentifiers, CpuidFeatures.Pcid),
        (Cr4.OsXsave, CpuidFeatures.Xsave),
        (Cr4.ExecutionPrevention, CpuidFeatures.Smep),
        (Cr4.AccessPrevention, CpuidFeatures.Smap),
        (Cr4.ProtectionKeys, CpuidFeatures.Pku),
        (Cr4.ControlFlowEnforcement, CpuidFeatures.CetSs),
        (Cr4.ControlFlowEnforcement, CpuidFeatures.CetIbt),
        (Cr4.SupervisorAddressMasking, CpuidFeatures.Lam),
    ];

    private static readonly (ulong Bit, CpuidFeature Feature)[] OfEfer =
    [
        (LongMode | LongModeActive, CpuidFeatures.Lm),
        (NoExecute, CpuidFeatures.Nx),
        (SecureVirtualMachine, CpuidFeatures.Svm),
        (FastFxsave, CpuidFeatures.Ffxsr),
        (AutomaticIbrs, CpuidFeatures.Autoibrs),
    ];

    /// <summary>Why KVM_SET_SREGS refuses the registers, or null.</summary>
    /// <param name="registers">The registers.</param>
    /// <param name="host">The host.</param>
    /// <param name="cpuid">The guest's CPUID; null before KVM_SET_CPUID2.</param>
    /// <param name="has64BitCode">Whether CS.L is set: the guest ran 64-bit code.</param>
    public static Refusal? Check(KvmControlRegisters registers, LinuxHost host, CpuidTable? cpuid, bool has64BitCode)
    {
        CpuidTable guest = cpuid ?? CpuidTable.Empty;
        return CheckEfer(registers.Efer, host, guest)
            ?? CheckLongMode(registers, guest, has64BitCode)
            ?? CheckCr4(registers.Cr4, host, cpuid)
            ?? CheckCr0(registers.Cr0, host);
    }

    /// <summary>Why CR4 is refused, or null.</summary>
    public static Refusal? CheckCr4(ulong value, LinuxHost host, CpuidTable? cpuid)
    {
        Cr4 foreign = (Cr4)value & ~Allowed(host, cpuid);
        string message = $"CR4 0x{value:x} has {Names(foreign)}, which the guest's CPUID does not offer";
        return foreign == Cr4.None ? null : new Refusal(Rules.ControlRegisterRefused, null, message)
        {
            Found = $"0x{value:x}",
            Expected = $"no bit of 0x{(ulong)foreign:x}",
        };
    }

    /// <summary>
    /// Whether the guest's own MOV to CR4 is #GP(0) for what the mode forbids: leaving PAE or changing LA57 in long mode, PCIDE outside
    /// it or with a CR3 that has a PCID, CET without CR0.WP.
    /// </summary>
    public static bool BreaksMode(Cr4 value, ProcessorState cpu, ulong cr3)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        bool longMode = (cpu.Efer & LongModeActive) != 0;
        Cr4 changed = value ^ cpu.Cr4;
        bool startsContexts = (value & changed & Cr4.ProcessContextIdentifiers) != Cr4.None;
        return (longMode && ((value & Cr4.PhysicalAddressExtension) == Cr4.None || (changed & Cr4.FiveLevelPaging) != Cr4.None))
            || (startsContexts && (!longMode || (cr3 & ContextIdentifier) != 0))
            || ((value & Cr4.ControlFlowEnforcement) != Cr4.None && (cpu.Cr0 & Cr0.WriteProtect) == Cr0.None);
    }

    /// <summary>
    /// The guest's WRMSR to EFER: #GP for bits that KVM or its CPUID does not know and for a change of LME under paging. LMA cannot be
    /// written.
    /// </summary>
    /// <param name="value">The value.</param>
    /// <param name="cpu">The processor.</param>
    /// <param name="host">The host.</param>
    /// <param name="guest">The guest's CPUID.</param>
    /// <returns>What EFER becomes, or null for #GP.</returns>
    public static ulong? WriteEferAsGuest(ulong value, ProcessorState cpu, LinuxHost host, CpuidTable guest)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        bool changesPaging = (cpu.Cr0 & Cr0.Paging) != Cr0.None && ((value ^ cpu.Efer) & LongMode) != 0;
        bool bad = changesPaging || ForeignEfer(value, host, guest) != 0;
        return bad ? null : value & ~LongModeActive | cpu.Efer & LongModeActive;
    }

    /// <summary>LM in leaf 0x80000001.</summary>
    internal static bool HasLongMode(CpuidTable cpuid) => CpuidFeatures.Lm.IsIn(cpuid);

    private static Cr4 Allowed(LinuxHost host, CpuidTable? cpuid)
    {
        if (host.Behavior.Has(KernelDifference.KvmPvmHostCpuid))
        {
            return host.HasXsave ? OfPvm : OfPvm & ~Cr4.OsXsave;
        }

        // What KVM itself offers binds every guest; a guest without CPUID has either all of that or nothing.
        bool hostDecides = cpuid is null && host.Behavior.Has(KernelDifference.KvmCr4NoCpuid);
        CpuidTable guest = cpuid ?? CpuidTable.Empty;
        Cr4 allowed = Unconditional;
        foreach ((Cr4 bit, CpuidFeature feature) in Conditional)
        {
            allowed |= feature.IsIn(host.KvmCpuid) && (hostDecides || feature.IsIn(guest)) ? bit : Cr4.None;
        }

        return host.HasXsave ? allowed : allowed & ~Cr4.OsXsave;
    }

    private static string Names(Cr4 bits) =>
        Enum.IsDefined(bits) || bits.ToString().Contains(',', StringComparison.Ordinal) ? bits.ToString() : $"0x{(ulong)bits:x}";

    // 184bd464bdb6.
    private static Refusal? CheckEfer(ulong value, LinuxHost host, CpuidTable guest)
    {
        ulong foreign = ForeignEfer(value, host, guest);
        string message = $"EFER 0x{value:x} has 0x{foreign:x}, which KVM or the guest's CPUID does not offer";
        return foreign == 0 || !host.Behavior.Has(KernelDifference.KvmEferNeedsCpuid)
            ? null
            : new Refusal(Rules.ControlRegisterRefused, KernelDifference.KvmEferNeedsCpuid, message)
            {
                Found = $"0x{value:x}",
                Expected = $"no bit of 0x{foreign:x}",
            };
    }

    // efer_reserved_bits and __kvm_valid_efer. A record of a host without the extended leaves says nothing of these features, and kvm_pvm
    // does not ask.
    private static ulong ForeignEfer(ulong value, LinuxHost host, CpuidTable guest)
    {
        if (!HasLongMode(host.KvmCpuid) || host.Behavior.Has(KernelDifference.KvmPvmHostCpuid))
        {
            return 0;
        }

        ulong foreign = value & ~(AlwaysKnown | (host.UsesSvm && CpuidFeatures.Svm.IsIn(host.Record.Cpuid) ? LongModeSegmentLimit : 0));
        foreach ((ulong bit, CpuidFeature feature) in OfEfer)
        {
            // FFXSR, SVME and AUTOIBRS are AMD's; kvm_intel enables none of them.
            bool ofVendor = host.UsesSvm || bit is NoExecute or (LongMode | LongModeActive);
            bool offered = ofVendor && feature.IsIn(host.KvmCpuid) && feature.IsIn(guest);
            foreign = offered ? foreign & ~bit : foreign | value & bit;
        }

        return foreign;
    }

    private static Refusal? CheckLongMode(KvmControlRegisters registers, CpuidTable guest, bool has64BitCode)
    {
        bool active = (registers.Efer & LongModeActive) != 0;
        bool wanted = (registers.Efer & LongMode) != 0 && ((Cr0)registers.Cr0 & Cr0.Paging) != Cr0.None;
        string? wrong = wanted
            ? ((Cr4)registers.Cr4 & Cr4.PhysicalAddressExtension) == Cr4.None ? "CR4.PAE is clear in long mode"
                : !active ? "EFER.LMA is clear in long mode"
                : null
            : active ? "EFER.LMA is set outside long mode" : has64BitCode ? "CS.L is set outside long mode" : null;
        if (wrong is not null)
        {
            string values = $"CR0 0x{registers.Cr0:x}, CR4 0x{registers.Cr4:x}, EFER 0x{registers.Efer:x}";
            return new Refusal(Rules.LongModeInconsistent, null, $"{values}: {wrong}")
            {
                Found = wrong,
                Expected = "EFER.LMA exactly where EFER.LME and CR0.PG are set, with CR4.PAE, and 64-bit code nowhere else",
            };
        }

        int bits = AddressBits(guest);
        ulong beyond = bits > 63 ? 0 : registers.Cr3 & ~((1UL << bits) - 1);
        string above = $"CR3 0x{registers.Cr3:x} has 0x{beyond:x}, above the guest's {bits} physical-address bits";
        return wanted && beyond != 0
            ? new Refusal(Rules.LongModeInconsistent, null, above)
            {
                Found = $"0x{registers.Cr3:x}",
                Expected = $"no bit from {bits} on",
            }
            : null;
    }

    // cpuid_query_maxphyaddr: 36 for a guest that is told nothing.
    private static int AddressBits(CpuidTable guest)
    {
        bool told = guest.Read(0x8000_0000).Eax >= 0x8000_0008;
        return told && guest.TryRead(0x8000_0008, 0, out CpuidRegisters widths) ? (int)(widths.Eax & 0xFF) : DefaultAddressBits;
    }

    private static Refusal? CheckCr0(ulong value, LinuxHost host)
    {
        string? wrong = Cr0Rules.FirstViolation(value);
        return wrong is null || host.Behavior.Has(KernelDifference.KvmCr0Unchecked)
            ? null
            : new Refusal(Rules.Cr0Refused, KernelDifference.KvmCr0Unchecked, $"CR0 0x{value:x} has {wrong}")
            {
                Found = $"0x{value:x}",
                Expected = "bits 32 to 63 clear, NW only with CD, PG only with PE",
                Since = "all but those that KVM-CR0-UNCHECKED names",
            };
    }
}
