using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Lint;

namespace Xstate.Fleet;

/// <summary>The CPUID with which a guest can run on every host of a pool, as the hosts of one class have to be told it.</summary>
/// <param name="Class">The class.</param>
/// <param name="Offered">What KVM offers there.</param>
/// <param name="Made">The guest's CPUID.</param>
internal sealed record PoolCpuid(HostClass Class, CpuidTable Offered, MadeCpuid Made)
{
    /// <summary>The CPUIDs of all classes. What is not known of kernels counts as missing.</summary>
    public static ImmutableArray<PoolCpuid> Of(Pool pool)
    {
        ArgumentNullException.ThrowIfNull(pool);
        ImmutableHashSet<CpuidFeature>? common = null;
        foreach (HostClass one in pool.Classes)
        {
            foreach (ImmutableHashSet<CpuidFeature> features in KernelWorlds.Of(one.Host,
                world => CpuidFeatures.All.Where(world.KvmCpuid.Has).ToImmutableHashSet(), out _))
            {
                common = common?.Intersect(features) ?? features;
            }
        }

        return [.. pool.Classes.Select(one => Of(pool, one, common!))];
    }

    private static PoolCpuid Of(Pool pool, HostClass one, ImmutableHashSet<CpuidFeature> common)
    {
        // Whichever world it is, what not all of them have is taken away.
        CpuidTable offered = KernelWorlds.Of(one.Host, static (LinuxHost world) => world.KvmCpuid, out _)[0];
        StateComponentSet kept = pool.Common.Lower.Xcr0 | pool.Common.Lower.Xss;
        CpuidWish wish = new()
        {
            Components = kept,
            Without = [.. CpuidFeatures.All.Where(feature => offered.Has(feature) && !common.Contains(feature))],
        };
        return new PoolCpuid(one, offered, CpuidMaker.Make(offered, wish));
    }
}
