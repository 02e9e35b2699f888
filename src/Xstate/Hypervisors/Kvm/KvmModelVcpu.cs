using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Findings;
using Xstate.Hypervisors.Linux;
using Xstate.Processor;

namespace Xstate.Hypervisors.Kvm;

/// <summary>One modelled virtual CPU: its CPUID and XCR0, and the other extended-state calls by way of those who know them.</summary>
internal sealed partial class KvmModelVcpu : IKvmVcpu
{
    /// <summary>KVM_MAX_CPUID_ENTRIES (80 before 5.11).</summary>
    public const int MaxCpuidEntries = 256;

    // Before 5.10 (KVM-CPUID-80).
    private const int OldMaxCpuidEntries = 80;

    /// <summary>KVM_MAX_XCRS.</summary>
    public const int MaxXcrs = 16;

    /// <summary>IA32_XFD.</summary>
    public const uint MsrXfd = 0x1C4;

    /// <summary>IA32_XFD_ERR.</summary>
    public const uint MsrXfdErr = 0x1C5;

    /// <summary>IA32_XSS.</summary>
    public const uint MsrXss = 0xDA0;

    /// <summary>IA32_EFER.</summary>
    public const uint MsrEfer = 0xC000_0080;

    /// <summary>IA32_PKRS, which KVM gives to no guest.</summary>
    public const uint MsrPkrs = 0x6E1;

    /// <summary>IA32_U_CET.</summary>
    public const uint MsrUserCet = 0x6A0;

    /// <summary>IA32_S_CET, which is no part of the component CET_S.</summary>
    public const uint MsrSupervisorCet = 0x6A2;

    /// <summary>IA32_PL0_SSP; those of CPL 1 and 2 follow.</summary>
    public const uint MsrPl0Ssp = 0x6A4;

    /// <summary>IA32_PL3_SSP.</summary>
    public const uint MsrPl3Ssp = 0x6A7;

    /// <summary>IA32_INTERRUPT_SSP_TABLE_ADDR.</summary>
    public const uint MsrSspTable = 0x6A8;

    /// <summary>
    /// The number under which KVM keeps the guest's SSP, which no processor has as an MSR (MSR_KVM_INTERNAL_GUEST_SSP, 6.18).
    /// </summary>
    public const uint GuestSsp = 0x4B56_4DFF;

    /// <summary>MAX_IO_MSRS: KVM_SET_MSRS and KVM_GET_MSRS take fewer.</summary>
    public const int MaxMsrs = 256;

    private const Cr0 PowerUpCr0 = Cr0.CacheDisable | Cr0.NotWriteThrough | Cr0.ExtensionType;

    private readonly KvmModelMachine _machine;
    private readonly LinuxHost _host;
    private readonly GuestXsave _xsave;
    private readonly GuestMsrs _msrs;
    private CpuidTable _cpuid = CpuidTable.Empty;
    private bool _hasCpuid;
    private bool _hasRun;
    private bool _has64BitCode;
    private HostProcessor? _processor;
    private KvmControlRegisters _control = new((ulong)PowerUpCr0, 0, 0, 0);

    internal KvmModelVcpu(KvmModelMachine machine)
    {
        _machine = machine;
        _host = machine.Host;
        _xsave = new GuestXsave(_host, machine.Protection);
        _msrs = new GuestMsrs(_host, _xsave);
    }

    /// <summary>The kernel's buffer.</summary>
    public FpState State => _xsave.State;

    /// <summary>XCR0 of the guest.</summary>
    public StateComponentSet Xcr0 { get; private set; } = StateComponentSet.Of(StateComponent.X87);

    /// <summary>IA32_XSS of the guest.</summary>
    public StateComponentSet Xss => _msrs.Xss;

    /// <summary>The guest's PKRU, which KVM keeps outside the buffer.</summary>
    public uint Pkru => _xsave.Pkru;

    /// <summary>Components that the guest's CPUID and the host allow in XCR0 (<c>guest_supported_xcr0</c>).</summary>
    public StateComponentSet GuestXcr0 => _xsave.GuestXcr0;

    /// <summary>Bytes that KVM_GET_XSAVE2 writes and KVM_SET_XSAVE reads (<c>uabi_size</c>).</summary>
    public int UabiLength => _xsave.UabiLength;

    /// <summary>The guest's CPUID as last set, with the fields that the kernel keeps up to date.</summary>
    public CpuidTable Cpuid => AsSeen(_cpuid);

    private KernelBehavior Behavior => _host.Behavior;

    /// <inheritdoc/>
    public KernelReply SetCpuid2(ReadOnlySpan<CpuidEntry> entries)
    {
        if (entries.Length > OldMaxCpuidEntries)
        {
            bool isOld = Behavior.Has(KernelDifference.KvmCpuid80);
            int most = isOld ? OldMaxCpuidEntries : MaxCpuidEntries;
            if (entries.Length > most)
            {
                return new KernelReply(Errno.E2BIG, new Refusal(Rules.TooManyCpuidEntries, isOld ? KernelDifference.KvmCpuid80 : null,
                    $"{entries.Length} CPUID entries; the kernel takes {most}"));
            }
        }

        ImmutableArray<CpuidEntry> copied = [.. entries];
        CpuidTable asked = new(copied);
        if (_hasRun && Behavior.Has(KernelDifference.KvmCpuidAfterRun))
        {
            // kvm_pvm too compares with what user space gives, although it rewrote that when it took it over.
            return CheckUnchanged(asked);
        }

        if (asked.TryRead(0x8000_0008, 0, out CpuidRegisters widths) && (widths.Eax >> 8 & 0xFF) is not (0 or 48 or 57))
        {
            return new KernelReply(Errno.EINVAL,
                new Refusal(Rules.ImpossibleAddressWidth, null, $"leaf 0x80000008 gives {widths.Eax >> 8 & 0xFF} linear-address bits")
                {
                    Leaf = "0x80000008.0.eax",
                    Found = $"0x{widths.Eax:x}",
                    Expected = "48 or 57 in bits 8 to 15",
                });
        }

        if (_xsave.EnableDynamic(asked, _machine.Permitted) is { } refusal)
        {
            return refusal;
        }

        if (Behavior.Has(KernelDifference.KvmPvmHostCpuid))
        {
            asked = new CpuidTable(PvmCpuid.Rewrite(copied, _host));
        }

        _cpuid = asked;
        _hasCpuid = true;
        _msrs.Cpuid = asked;
        _xsave.Limit(asked);
        return KernelReply.Success;
    }

    /// <summary>
    /// KVM_SEV_LAUNCH_UPDATE_VMSA of a SEV-ES guest of the type KVM_X86_SEV_ES_VM. PKRU, XCR0 and IA32_XSS go into the VMSA as well; from
    /// now on the state is protected. Read in Linux 6.10 to 6.18, not measured.
    /// </summary>
    /// <exception cref="InvalidOperationException">The machine's guests are of another kind.</exception>
    public void LaunchEncrypted()
    {
        if (_machine.Protection != GuestProtection.SevEsBeforeLaunch)
        {
            throw new InvalidOperationException($"{_machine.Protection} has no launch");
        }

        _xsave.Launch();
    }

    /// <inheritdoc/>
    public KernelReply GetCpuid2(out ImmutableArray<CpuidEntry> entries, int room = MaxCpuidEntries)
    {
        entries = Cpuid.Entries;
        if (room >= entries.Length)
        {
            return KernelReply.Success;
        }

        KernelReply refused = new(Errno.E2BIG,
            new Refusal(Rules.TooManyCpuidEntries, null, $"room for {room} CPUID entries; the vCPU has {entries.Length}"));
        entries = [];
        return refused;
    }

    /// <inheritdoc/>
    public KernelReply SetXsave(ReadOnlySpan<byte> image) => _xsave.Set(image);

    /// <inheritdoc/>
    public KernelReply GetXsave(out byte[] area) => _xsave.Get(out area);

    /// <inheritdoc/>
    public KernelReply GetXsave2(out byte[] area) => _xsave.Get2(out area);

    /// <inheritdoc/>
    public KernelReply SetXcrs(uint count, uint flags, ReadOnlySpan<XcrEntry> entries)
    {
        if (!_host.HasXsave)
        {
            return new KernelReply(Errno.EINVAL, new Refusal(Rules.NoXsave, null, "the host has no XSAVE, so the guest has no XCR0"));
        }

        if (count > MaxXcrs || flags != 0)
        {
            return new KernelReply(Errno.EINVAL, new Refusal(Rules.MalformedXcrs, null, $"nr_xcrs {count} and flags 0x{flags:x}")
            {
                Offset = count > MaxXcrs ? 0 : sizeof(uint),
                Found = count > MaxXcrs ? $"{count}" : $"0x{flags:x}",
                Expected = count > MaxXcrs ? $"at most {MaxXcrs}" : "0x0",
            });
        }

        for (int i = 0; i < count; i++)
        {
            // Entries that the caller did not fill are zeros in the structure.
            XcrEntry entry = i < entries.Length ? entries[i] : default;
            if (entry.Index == 0)
            {
                return SetXcr0(new StateComponentSet(entry.Value));
            }
        }

        return KernelReply.Success;
    }

    /// <inheritdoc/>
    public KernelReply GetXcrs(out ImmutableArray<XcrEntry> entries)
    {
        entries = _host.HasXsave ? [new XcrEntry(0, Xcr0.Bits)] : [];
        return KernelReply.Success;
    }

    /// <inheritdoc/>
    public KernelReply SetMsr(uint index, ulong value, out int count) => _msrs.Set(index, value, out count);

    /// <inheritdoc/>
    public KernelReply GetMsr(uint index, out int count, out ulong value) => _msrs.Get(index, out count, out value);

    /// <inheritdoc/>
    public KernelReply SetMsrs(ReadOnlySpan<MsrEntry> entries, out int count)
    {
        count = 0;
        if (TooMany(entries.Length) is { } refused)
        {
            return refused;
        }

        foreach (MsrEntry entry in entries)
        {
            // What came before the first refused one stays written.
            KernelReply reply = _msrs.Set(entry.Index, entry.Value, out int taken);
            if (taken == 0)
            {
                return reply;
            }

            count++;
        }

        return KernelReply.Success;
    }

    /// <inheritdoc/>
    public KernelReply GetMsrs(ReadOnlySpan<uint> indices, out ImmutableArray<ulong> values)
    {
        values = [];
        if (TooMany(indices.Length) is { } refused)
        {
            return refused;
        }

        ImmutableArray<ulong>.Builder read = ImmutableArray.CreateBuilder<ulong>(indices.Length);
        foreach (uint index in indices)
        {
            _msrs.Get(index, out int taken, out ulong value);
            if (taken == 0)
            {
                break;
            }

            read.Add(value);
        }

        values = read.ToImmutable();
        return KernelReply.Success;
    }

    /// <inheritdoc/>
    public KernelReply SetOneRegister(ulong id, ulong value) => OneRegister.Set(_host, _msrs, id, value);

    /// <inheritdoc/>
    public KernelReply GetOneRegister(ulong id, out ulong value) => OneRegister.Get(_host, _msrs, id, out value);

    /// <inheritdoc/>
    public KernelReply GetRegisterList(out ImmutableArray<ulong> ids) => OneRegister.List(_host, _msrs, out ids);

    /// <inheritdoc/>
    public KernelReply SetControlRegisters(KvmControlRegisters registers) => SetControlRegisters(registers, _has64BitCode);

    /// <summary>KVM_SET_SREGS with a code segment as well.</summary>
    /// <param name="registers">The registers.</param>
    /// <param name="has64BitCode">CS.L.</param>
    internal KernelReply SetControlRegisters(KvmControlRegisters registers, bool has64BitCode)
    {
        if (ControlRegisterRules.Check(registers, _host, _hasCpuid ? _cpuid : null, has64BitCode) is { } refusal)
        {
            return new KernelReply(Errno.EINVAL, refusal);
        }

        _control = registers;
        _has64BitCode = has64BitCode;
        return KernelReply.Success;
    }

    /// <summary>MOV to CR4 of the guest, as far as its CPUID decides.</summary>
    internal KernelReply SetCr4AsGuest(ulong value)
    {
        if (ControlRegisterRules.CheckCr4(value, _host, _hasCpuid ? _cpuid : null) is { } refusal)
        {
            return new KernelReply(Errno.EINVAL, refusal);
        }

        _control = _control with { Cr4 = value };
        return KernelReply.Success;
    }

    /// <summary>WRMSR to EFER of the guest; what it becomes, or null for #GP.</summary>
    internal ulong? WriteEferAsGuest(ulong value, ProcessorState cpu) => ControlRegisterRules.WriteEferAsGuest(value, cpu, _host, _cpuid);

    /// <inheritdoc/>
    public KernelReply GetControlRegisters(out KvmControlRegisters registers)
    {
        registers = _control;
        return KernelReply.Success;
    }

    /// <inheritdoc/>
    public KernelReply SetFpu(KvmFpu fpu)
    {
        ArgumentNullException.ThrowIfNull(fpu);
        return _xsave.SetFpu(fpu);
    }

    /// <inheritdoc/>
    public KernelReply GetFpu(out KvmFpu fpu) => _xsave.GetFpu(out fpu);

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    // 5.17: equal to what is in force, both with the fields that KVM keeps up to date.
    private KernelReply CheckUnchanged(CpuidTable asked)
    {
        bool isSame = !Behavior.Has(KernelDifference.KvmCpuidNoRepeat) && AsSeen(asked).Entries.SequenceEqual(Cpuid.Entries);
        KernelDifference difference = Behavior.Has(KernelDifference.KvmCpuidNoRepeat)
            ? KernelDifference.KvmCpuidNoRepeat : KernelDifference.KvmCpuidAfterRun;
        return isSame
            ? KernelReply.Success
            : new KernelReply(Errno.EINVAL, new Refusal(Rules.CpuidFixed, difference, "the guest has run, so that its CPUID is fixed"));
    }

    private static KernelReply? TooMany(int count) =>
        count < MaxMsrs ? null : new KernelReply(Errno.E2BIG,
            new Refusal(Rules.TooManyMsrs, null, $"{count} MSRs in one call; the kernel takes {MaxMsrs - 1}"));

    private CpuidTable AsSeen(CpuidTable table) => RuntimeCpuid.Of(table, (Cr4)_control.Cr4, Xcr0, Xss, _host);

    private KernelReply SetXcr0(StateComponentSet value)
    {
        if (KvmXcr0Rules.Check(value, GuestXcr0.With(StateComponent.X87)) is { } refusal)
        {
            return new KernelReply(Errno.EINVAL, refusal);
        }

        Xcr0 = value;
        return KernelReply.Success;
    }
}
