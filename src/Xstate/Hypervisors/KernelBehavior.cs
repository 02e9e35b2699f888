using Xstate.Captures;

namespace Xstate.Hypervisors;

/// <summary>One kernel, as the set of named differences that it has.</summary>
public sealed class KernelBehavior
{
    private readonly ulong _present;

    private KernelBehavior(string name, ulong present, KernelRelease? release)
    {
        Name = name;
        _present = present;
        Release = release;
    }

    /// <summary>How the set was looked up: <c>linux-6.1.40</c>.</summary>
    public string Name { get; }

    /// <summary>The release it was looked up by, if any.</summary>
    public KernelRelease? Release { get; }

    /// <summary>The differences that this kernel has.</summary>
    public IEnumerable<KernelDifference> Differences => Enum.GetValues<KernelDifference>().Where(Has);

    /// <summary>The mainline or stable kernel of a release.</summary>
    public static KernelBehavior Of(KernelRelease release)
    {
        ulong present = 0;
        foreach (KernelDifferenceInfo info in KernelDifferences.All)
        {
            present |= info.AppliesTo(release) ? Bit(info.Difference) : 0;
        }

        return new KernelBehavior($"linux-{release}", present, release);
    }

    /// <summary>
    /// The kernel of a recorded host: its release, the flavour of its KVM, and over both what was probed there. Null when the record names no kernel.
    /// </summary>
    public static KernelBehavior? Of(HostRecord host)
    {
        ArgumentNullException.ThrowIfNull(host);
        if (host.Kernel is not { } release)
        {
            return null;
        }

        KernelBehavior behavior = Of(release).Set(KernelDifference.KvmPvmHostCpuid, host.Flavour == KvmFlavour.Pvm);
        foreach (ProbedBehavior probe in host.Probes)
        {
            if (KernelDifferences.Find(probe.Id) is { } info)
            {
                behavior = behavior.Set(info.Difference, probe.Present);
            }
        }

        return behavior;
    }

    /// <summary>Whether this kernel has the difference.</summary>
    public bool Has(KernelDifference difference) => (_present & Bit(difference)) != 0;

    /// <summary>The same kernel with one difference set or cleared.</summary>
    public KernelBehavior Set(KernelDifference difference, bool present) =>
        new(Name, present ? _present | Bit(difference) : _present & ~Bit(difference), Release);

    /// <inheritdoc/>
    public override string ToString() => Name;

    private static ulong Bit(KernelDifference difference) => 1UL << (int)difference;
}
