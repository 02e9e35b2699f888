using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using Xstate.Architecture;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;

namespace Xstate.Fleet;

/// <summary>Hosts that no outcome can tell apart. What is not known of their kernels can still be different among them.</summary>
/// <param name="Id">Its place among the classes.</param>
/// <param name="Hosts">The hosts, in the order in which they were given.</param>
/// <param name="Offer">What each of them can give a guest.</param>
internal sealed record HostClass(int Id, ImmutableArray<PoolHost> Hosts, OfferRange Offer)
{
    /// <summary>What hosts of this class, and no others, are called in every pool: twelve hexadecimal digits.</summary>
    public string Fingerprint => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(HostKey.Of(Host))))[..12];

    /// <summary>One that stands for all.</summary>
    public LinuxHost Host => Hosts[0].Host;

    /// <summary>The hosts' classes, by first appearance.</summary>
    public static ImmutableArray<HostClass> Of(IEnumerable<PoolHost> hosts)
    {
        ArgumentNullException.ThrowIfNull(hosts);
        Dictionary<string, int> ids = [];
        List<List<PoolHost>> members = [];
        foreach (PoolHost host in hosts)
        {
            string key = HostKey.Of(host.Host);
            if (!ids.TryGetValue(key, out int id))
            {
                id = members.Count;
                ids.Add(key, id);
                members.Add([]);
            }

            members[id].Add(host);
        }

        return OfGroups(members);
    }

    /// <summary>Classes whose hosts are known.</summary>
    internal static ImmutableArray<HostClass> OfGroups(IEnumerable<IReadOnlyList<PoolHost>> groups) =>
        [.. groups.Select((all, id) => new HostClass(id, [.. all], OfferOf(all[0].Host)))];

    private static OfferRange OfferOf(LinuxHost host)
    {
        ImmutableArray<GuestOffer> offers = KernelWorlds.Of(host, GuestOffer.Of, out bool isComplete);
        (GuestOffer lower, GuestOffer upper) = (offers[0], offers[0]);
        foreach (GuestOffer offer in offers.AsSpan(1..))
        {
            (lower, upper) = (lower.And(offer), upper.Or(offer));
        }

        // A record with holes does not say that its processor lacks what the hole would tell.
        CpuidTable told = host.Record.SupportedCpuid ?? host.Record.Cpuid;
        IEnumerable<CpuidFeature> open = CpuidFeatures.All.Where(feature => feature.Effect != FeatureEffect.None
            && KvmFeatureOffers.Knows(host, feature) && !GuestPromises.IsRecorded(feature, told));
        return new OfferRange(isComplete ? lower : GuestOffer.None, upper with { Features = upper.Features.Union(open) });
    }
}
