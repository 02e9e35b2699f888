using Xstate.Architecture;

namespace Xstate.Hypervisors.Linux;

/// <summary>How a Linux guest delivers its first signal.</summary>
/// <param name="Delivered">Whether the handler runs; otherwise the process is killed by SIGSEGV, at every signal.</param>
/// <param name="Xcr0">What the guest wrote to XCR0; empty when it turned XSAVE off.</param>
/// <param name="PkruOffset">Where the frame holds PKRU, or null when it has no such place.</param>
/// <param name="Explanation">Why.</param>
internal sealed record GuestSignal(bool Delivered, StateComponentSet Xcr0, int? PkruOffset, string Explanation);

/// <summary>A Linux kernel inside a virtual machine, as far as what CPUID shows decides whether it can deliver signals.</summary>
internal static class LinuxGuest
{
    /// <summary>Boots as far as the XSAVE layout and delivers one signal.</summary>
    /// <param name="kernel">The guest's kernel.</param>
    /// <param name="cpuid">CPUID as the guest sees it: leaf and sub-leaf to registers.</param>
    public static GuestSignal DeliverSignal(KernelBehavior kernel, Func<uint, uint, CpuidRegisters> cpuid)
    {
        ArgumentNullException.ThrowIfNull(kernel);
        ArgumentNullException.ThrowIfNull(cpuid);
        if (!CpuidFeatures.Xsave.IsIn(cpuid(1, 0)))
        {
            return new GuestSignal(true, StateComponentSet.Empty, null, "without XSAVE the frame is an FXSAVE image");
        }

        StateComponentSet offered = new(cpuid(CpuidTable.XsaveLeaf, 0).EdxEax);
        StateComponentSet enabled = WithFeatures(offered & LinuxHost.KnownTo(kernel, offered), cpuid);
        foreach (StateComponent component in enabled.Except(StateComponentSet.Legacy))
        {
            // Since 5.16 the kernel does without XSAVE when a sub-leaf has not the size of its own structure; before, it only warned.
            uint size = cpuid(CpuidTable.XsaveLeaf, (uint)component).Eax;
            if (size != StateComponents.Get(component).Size)
            {
                return new GuestSignal(true, StateComponentSet.Empty, null,
                    $"0xD.{(int)component} gives {size} bytes for {StateComponents.NameOf(component)}, not "
                    + $"{StateComponents.Get(component).Size}: the kernel turns XSAVE off and the frame is an FXSAVE image");
            }
        }

        // fpu__init_cpu_xstate writes all of it in one XSETBV.
        if (Xcr0Rules.FirstViolation(enabled, offered) is { } violation)
        {
            return new GuestSignal(false, StateComponentSet.Empty, null,
                $"the guest does not boot: its XSETBV of {enabled} takes #GP(0), because {violation.Reason}");
        }

        bool keys = CpuidFeatures.Pku.IsIn(cpuid(7, 0));
        if (enabled.Contains(StateComponent.Pkru))
        {
            int offset = (int)cpuid(CpuidTable.XsaveLeaf, (uint)StateComponent.Pkru).Ebx;
            return new GuestSignal(true, enabled, offset, $"PKRU is written to the frame at {offset}");
        }

        return keys && kernel.Has(KernelDifference.SignalPkuWithoutXcr0)
            ? new GuestSignal(false, enabled, null,
                $"{KernelDifference.SignalPkuWithoutXcr0.Id}: protection keys are on and 0xD.0 has no bit 9, so the kernel finds no "
                + "address for PKRU in the frame")
            : new GuestSignal(true, enabled, null, "the frame needs no place for PKRU");
    }

    // xsave_cpuid_features: a component without its CPUID feature is dropped, whatever 0xD.0 says.
    private static StateComponentSet WithFeatures(StateComponentSet offered, Func<uint, uint, CpuidRegisters> cpuid)
    {
        StateComponentSet kept = offered & StateComponentSet.Legacy;
        foreach (StateComponent component in offered.Except(StateComponentSet.Legacy))
        {
            StateComponentInfo info = StateComponents.Get(component);
            kept = info.Features.Any(feature => feature.IsIn(cpuid(feature.Leaf, feature.Subleaf))) ? kept | info.Bit : kept;
        }

        return kept;
    }
}
