using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Hypervisors.OpenBsd;

/// <summary>What became of an emulated XSETBV.</summary>
/// <param name="Fault">The fault that the guest takes, or none.</param>
/// <param name="EntryFails">Whether the value is kept although the processor refuses it: the next entry fails with EINVAL and vmd ends the
/// guest.</param>
/// <param name="Why">What decided it, when the guest does not simply go on.</param>
internal readonly record struct VmmXsetbv(Fault Fault, bool EntryFails = false, string? Why = null);

/// <summary>One virtual CPU of OpenBSD's vmm: the exits that concern extended state.</summary>
internal sealed class VmmVcpu
{
    // XSAVEOPT and XGETBV with ECX=1; XSAVEC, XSAVES and XFD are hidden.
    private const uint VisibleXsaveFeatures = 0b101;

    private readonly VmmHost _host;

    /// <summary>A virtual CPU after its reset.</summary>
    public VmmVcpu(VmmHost host)
    {
        ArgumentNullException.ThrowIfNull(host);
        _host = host;
    }

    /// <summary>The host.</summary>
    public VmmHost Host => _host;

    /// <summary>XCR0 of the guest (<c>vg_xcr0</c>).</summary>
    public StateComponentSet Xcr0 { get; private set; } = StateComponentSet.Of(StateComponent.X87);

    /// <summary>CR4 of the guest.</summary>
    public Cr4 Cr4 { get; set; }

    /// <summary>
    /// The CPUID exit for leaves 1, 7 and 0xD; every other leaf reads as the processor's. Of leaves 1 and 7 only the bits of extended state
    /// are modelled.
    /// </summary>
    public CpuidRegisters Cpuid(uint leaf, uint subleaf = 0)
    {
        CpuidRegisters processor = _host.Cpuid.Read(leaf, subleaf);
        return leaf switch
        {
            1 => CpuidFeatures.Osxsave.SetIn(processor, (Cr4 & Cr4.OsXsave) != Cr4.None),
            7 => subleaf == 0 ? ProtectionKeys(processor) : default,
            CpuidTable.XsaveLeaf => Xsave(processor, subleaf),
            _ => processor,
        };
    }

    /// <summary>The XSETBV exit. The instruction's own #UD without CR4.OSXSAVE comes from the processor and never gets here.</summary>
    /// <param name="rax">RAX, all of it.</param>
    /// <param name="rcx">RCX, all of it.</param>
    /// <param name="rdx">RDX, all of it.</param>
    /// <param name="cpl">Current privilege level.</param>
    public VmmXsetbv Xsetbv(ulong rax, ulong rcx, ulong rdx, int cpl)
    {
        bool wide = _host.Behavior.Has(VmmDifference.XsetbvWide);
        if (cpl != 0)
        {
            return Refuse($"CPL is {cpl}");
        }

        if ((wide ? rcx : (uint)rcx) != 0)
        {
            return Refuse($"RCX is 0x{rcx:x}");
        }

        StateComponentSet value = new((wide ? rax : (uint)rax) + (rdx << 32));
        StateComponentSet foreign = value.Except(_host.GuestComponents);
        if (!foreign.IsEmpty)
        {
            return Refuse($"XCR0 {value} has {foreign.Describe()}; the mask is {_host.GuestComponents}");
        }

        Xcr0Violation? violation = Xcr0Rules.FirstViolation(value, _host.Layout.UserComponents);
        if (violation is { } broken && !_host.Behavior.Has(VmmDifference.XsetbvUnchecked))
        {
            return Refuse($"XCR0 {value}: {broken.Reason}");
        }

        Xcr0 = value;
        return violation is { } kept
            ? new VmmXsetbv(Fault.None, EntryFails: true,
                $"{VmmDifferences.Get(VmmDifference.XsetbvUnchecked).Id}: XCR0 {value} is kept although {kept.Reason}; the next entry "
                + "answers EINVAL")
            : new VmmXsetbv(Fault.None);
    }

    private static VmmXsetbv Refuse(string why) => new(Fault.GeneralProtection, EntryFails: false, why);

    private CpuidRegisters ProtectionKeys(CpuidRegisters processor)
    {
        // EAX 0: no further sub-leaf. OSPKE is not emulated; Linux sets the flag for itself when it sets CR4.PKE.
        CpuidRegisters features = CpuidFeatures.Ospke.SetIn(processor with { Eax = 0 }, present: false);
        return CpuidFeatures.Pku.SetIn(features, _host.HasProtectionKeys);
    }

    private CpuidRegisters Xsave(CpuidRegisters processor, uint subleaf)
    {
        StateComponentSet guest = _host.GuestComponents;
        if (subleaf == 0)
        {
            (int current, int maximum) = Sizes(guest);
            return new CpuidRegisters((uint)guest.Bits, (uint)current, (uint)maximum, (uint)(guest.Bits >> 32));
        }

        if (subleaf == 1)
        {
            return new CpuidRegisters(processor.Eax & VisibleXsaveFeatures, 0, 0, 0);
        }

        StateComponentSet described = _host.Behavior.Has(VmmDifference.PkruSubleafZero) ? _host.SaveMask : guest;
        return subleaf < 63 && described.Contains((StateComponent)subleaf) ? processor with { Ecx = 0, Edx = 0 } : default;
    }

    private (int Current, int Maximum) Sizes(StateComponentSet guest)
    {
        int current = _host.Layout.StandardLengthFor(Xcr0);
        if (!_host.Behavior.Has(VmmDifference.PkruSizeFixed) || !guest.Contains(StateComponent.Pkru))
        {
            return (current, _host.Layout.StandardLengthFor(guest));
        }

        const int WithPkru = VmmHost.SavefpuLength + 64;
        return (Xcr0.Contains(StateComponent.Pkru) ? WithPkru : current, WithPkru);
    }
}
