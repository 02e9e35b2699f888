using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Hypervisors.Conformance;
using Xstate.Hypervisors.Linux;

namespace Xstate.Scenarios.Conformance;

/// <summary>What a comparison can reach on a host, and what it cannot.</summary>
public static class ConformanceScope
{
    private static readonly StateComponentSet Cet = StateComponentSet.Of(StateComponent.CetU, StateComponent.CetS);

    /// <summary>What a comparison on this host leaves out, with the reason.</summary>
    /// <param name="host">The model of the host.</param>
    /// <param name="facts">What sequences of KVM's calls are built around; null to leave KVM out.</param>
    /// <param name="whyNoKvm">Why KVM is left out, where <paramref name="facts"/> is null.</param>
    /// <param name="drifting">Components that the processor counts as in use by itself.</param>
    public static ImmutableArray<LeftOut> LeftOut(LinuxHost host, KvmSequenceFacts? facts, string whyNoKvm, StateComponentSet drifting)
    {
        ArgumentNullException.ThrowIfNull(host);
        ImmutableArray<LeftOut>.Builder left = ImmutableArray.CreateBuilder<LeftOut>();
        if (facts is null)
        {
            left.Add(new LeftOut("kvm", whyNoKvm));
        }
        else
        {
            AddOfKvm(left, host, facts);
        }

        foreach (StateComponentInfo info in StateComponents.All.Where(info => info.EnabledBy == EnabledBy.Xcr0))
        {
            if (WhyWithout(info, host) is { } why)
            {
                left.Add(new LeftOut(info.Name, why));
            }
        }

        foreach (StateComponent component in drifting)
        {
            left.Add(new LeftOut("in-use", $"this processor comes to count an initial {StateComponents.NameOf(component)} as in use by itself: either XSTATE_BV is right"));
        }

        return left.ToImmutable();
    }

    private static void AddOfKvm(ImmutableArray<LeftOut>.Builder left, LinuxHost host, KvmSequenceFacts facts)
    {
        if (!facts.MovesThroughProcessor)
        {
            left.Add(new LeftOut("kvm-run", "XSAVES and XSAVEOPT may leave out what was not modified since the XRSTOR: bytes that no register holds stay or go, and both are right"));
        }

        if (facts.ComparedLeaf is { } leaf)
        {
            left.Add(new LeftOut("cpuid", $"this KVM rewrites leaves other than 0x{leaf:x} by what its host has"));
        }

        foreach (StateComponent component in Cet.Except(host.KvmXss))
        {
            left.Add(new LeftOut(StateComponents.NameOf(component), "this KVM does not offer it to guests"));
        }
    }

    private static string? WhyWithout(StateComponentInfo info, LinuxHost host)
    {
        if (host.UserFeatures.Contains(info.Component))
        {
            // Kernels before 6.19-rc6 can be harmed by it.
            return info.Component == StateComponent.TileData ? "no sequence asks for the permission to use it" : null;
        }

        return host.Layout.UserComponents.Contains(info.Component) ? "the kernel does not enable it in XCR0" : "the processor does not enumerate it";
    }
}
