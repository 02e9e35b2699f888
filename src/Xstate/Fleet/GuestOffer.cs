using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;

namespace Xstate.Fleet;

/// <summary>
/// What hosts can give a guest: state components, and features by which a program chooses instructions or state. Of several hosts, what all
/// of them can.
/// </summary>
/// <param name="Xcr0">Components for XCR0.</param>
/// <param name="Xss">Components for IA32_XSS.</param>
/// <param name="Features">Features by name.</param>
internal sealed record GuestOffer(StateComponentSet Xcr0, StateComponentSet Xss, ImmutableHashSet<CpuidFeature> Features)
{
    /// <summary>Nothing.</summary>
    public static GuestOffer None { get; } = new(StateComponentSet.Empty, StateComponentSet.Empty, []);

    /// <summary>What one host whose kernel is known can give.</summary>
    internal static GuestOffer Of(LinuxHost host)
    {
        CpuidTable cpuid = host.KvmCpuid;
        return new GuestOffer(host.KvmXcr0, host.KvmXss,
            [.. CpuidFeatures.All.Where(feature => feature.Effect != FeatureEffect.None && PromisedFeatures.IsPromised(feature, cpuid))]);
    }

    /// <summary>What both can give.</summary>
    public GuestOffer And(GuestOffer other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return new GuestOffer(Xcr0 & other.Xcr0, Xss & other.Xss, Features.Intersect(other.Features));
    }

    /// <summary>What either can give.</summary>
    public GuestOffer Or(GuestOffer other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return new GuestOffer(Xcr0 | other.Xcr0, Xss | other.Xss, Features.Union(other.Features));
    }

    /// <summary>What this has and another has not.</summary>
    public GuestOffer Except(GuestOffer other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return new GuestOffer(Xcr0.Except(other.Xcr0), Xss.Except(other.Xss), Features.Except(other.Features));
    }

    /// <summary>Whether another has all that this has.</summary>
    public bool IsWithin(GuestOffer other) => Except(other).IsEmpty;

    /// <summary>Whether it is nothing.</summary>
    public bool IsEmpty => Xcr0.IsEmpty && Xss.IsEmpty && Features.IsEmpty;

    /// <summary>The features by name, in the order of leaves.</summary>
    public IEnumerable<string> FeatureNames => Features.OrderBy(feature => feature.Leaf).ThenBy(feature => feature.Subleaf)
        .ThenBy(feature => feature.Register).ThenBy(feature => feature.Bit).Select(feature => feature.Name);
}
