using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Xstate.Captures;
using Xstate.Hypervisors.Kernels;

namespace Xstate.Hypervisors;

/// <summary>
/// One kernel, as what is known of it and each named difference: present, absent or unknown. The model asks <see cref="Has"/>; where the
/// answer is unknown, the decider that
/// <see cref="Asking"/> gave answers, and without one <see cref="UnknownDifferenceException"/> is thrown. So no guess decides an outcome
/// without being named.
/// </summary>
/// <remarks>
/// For an engine of alternatives: <see cref="Knows"/> and <see cref="Fact"/> look without asking; <see cref="Unknown"/> lists what is open;
/// <c>behavior.Asking(decider)</c> is the kernel of one run, whose decider sees which unknown differences that run needs;
/// <c>behavior.Set(difference, present)</c> settles one for good.
/// </remarks>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed class KernelBehavior
{
    private readonly ImmutableArray<DifferenceFact> _facts;
    private readonly IUnknownDifferences? _decider;

    private KernelBehavior(string name, ImmutableArray<DifferenceFact> facts, KernelRelease? release, IUnknownDifferences? decider,
        KernelReading reading)
    {
        Reading = reading;
        Name = name;
        _facts = facts;
        Release = release;
        _decider = decider;
    }

    /// <summary>How its name was read.</summary>
    internal KernelReading Reading { get; }

    /// <summary>How the set was looked up: <c>linux-6.1.40</c>, or what <c>uname -r</c> prints.</summary>
    public string Name { get; }

    /// <summary>The release it was looked up by, if any.</summary>
    public KernelRelease? Release { get; }

    /// <summary>
    /// The first and the last release that it can be, where it is a span of them; with backports the last is the newest that they can come
    /// from.
    /// </summary>
    internal (KernelRelease First, KernelRelease Last)? Span { get; private init; }

    /// <summary>
    /// The release by whose list of features its KVM is taken: of a span the first, because features come with series; with backports the
    /// last, and
    /// <see cref="WithoutBackports"/> tells what hangs on them. Null, the newest, for a kernel made by behaviours alone.
    /// </summary>
    internal KernelRelease? OfferedBy => Release ?? (Reading.HasBackports ? Span?.Last : Span?.First);

    /// <summary>The same kernel as if no feature had been added to its base; null where the release tells what there is.</summary>
    internal KernelBehavior? WithoutBackports => Release is null && Reading.HasBackports && Span is { } span
        ? new KernelBehavior(Name, _facts, span.First, _decider, Reading) { Span = Span } : null;

    /// <summary>The differences that this kernel is known to have.</summary>
    public IEnumerable<KernelDifference> Differences => KernelDifference.All.Where(difference => Knows(difference) == Knowledge.Present);

    /// <summary>The differences of which nothing is known.</summary>
    public IEnumerable<KernelDifference> Unknown => KernelDifference.All.Where(difference => Knows(difference) == Knowledge.Unknown);

    /// <summary>The mainline or stable kernel of a release.</summary>
    public static KernelBehavior Of(KernelRelease release) =>
        new($"linux-{release}",
            [.. KernelDifference.All.Select(difference => OfReleases(difference, difference.Releases.Of(release), $"release {release}"))],
            release, null,
            new KernelReading($"linux-{release}", "mainline", "", release.ToString(), "named") { Remark = KernelNames.RemarkOn(release) });

    /// <summary>
    /// Reads a kernel as its users name it: <c>linux-6.12</c>, what <c>uname -r</c> prints, or the text of /proc/version or
    /// /proc/version_signature; behind it <c>,ID=yes</c> or <c>,ID=no</c> settles a difference.
    /// </summary>
    /// <param name="text">The name, at most 1,024 characters.</param>
    /// <param name="kernel">The kernel. What its name does not tell of it is unknown.</param>
    /// <param name="error">What is wrong with the text.</param>
    public static bool TryParse(string text, [NotNullWhen(true)] out KernelBehavior? kernel, out string error) =>
        TryParse(text, isPvm: false, out kernel, out error);

    /// <summary>Reads a kernel of which it is known whether its KVM is kvm_pvm.</summary>
    internal static bool TryParse(string text, bool isPvm, [NotNullWhen(true)] out KernelBehavior? kernel, out string error)
    {
        ArgumentNullException.ThrowIfNull(text);

        // The text of /proc/version has commas of its own; what is set comes last and has an equals sign.
        string[] parts = text.Split(',');
        int names = parts.Length;
        while (names > 1 && parts[names - 1].Contains('=', StringComparison.Ordinal))
        {
            names--;
        }

        string name = string.Join(',', parts[..names]);
        if (!KernelNames.TryRead(name, KernelEvidence.None, out kernel, out error))
        {
            error = $"{Quotation.Cut(name)} is not a kernel: {error}";
            return false;
        }

        kernel = kernel.Set(KernelDifference.KvmPvmHostCpuid, isPvm);
        foreach (string setting in parts[names..])
        {
            if (setting.Split('=') is not [var id, "yes" or "no"])
            {
                error = $"{Quotation.Cut(setting)} is not ID=yes or ID=no";
            }
            else if (KernelDifference.Find(id) is { } difference)
            {
                kernel = kernel.Set(difference, setting.EndsWith("yes", StringComparison.Ordinal));
                continue;
            }
            else
            {
                error = $"there is no behaviour {Quotation.Cut(id)}; xstate rules lists them";
            }

            kernel = null;
            return false;
        }

        return true;
    }

    /// <summary>
    /// A kernel that is some release from <paramref name="first"/> to <paramref name="last"/>: what changed between them is unknown.
    /// </summary>
    /// <param name="first">The earliest that it can be.</param>
    /// <param name="last">The latest.</param>
    /// <param name="why">What it is, for the facts.</param>
    /// <param name="reading">How its name was read.</param>
    internal static KernelBehavior Over(KernelRelease first, KernelRelease last, string why, KernelReading reading) =>
        new(reading.Name,
            [.. KernelDifference.All.Select(difference => OfReleases(difference, difference.Releases.Over(first, last), why))],
            first == last ? first : null, null, reading)
        { Span = (first, last) };

    /// <summary>
    /// The kernel of a recorded host: its name and what the host told beside it, the flavour of its KVM, and over both what was probed
    /// there. Null when the record names no kernel, or
    /// one that is no Linux.
    /// </summary>
    public static KernelBehavior? Of(HostRecord host)
    {
        ArgumentNullException.ThrowIfNull(host);
        KernelBehavior? kernel = host.KernelName is null
            ? host.Kernel is { } release ? Of(release) : null
            : KernelNames.TryRead(host.KernelName, new KernelEvidence(host.KernelVersion, host.KernelSignature, host.OsId),
                out KernelBehavior? read, out _) ? read : null;
        return kernel?.On(host);
    }

    /// <summary>
    /// The same kernel on a host: the flavour of its KVM, the microcode that it looks at, and what was probed there, which wins.
    /// </summary>
    private KernelBehavior On(HostRecord host)
    {
        KernelBehavior behavior = Set(KernelDifference.KvmPvmHostCpuid, host.Flavour == KvmFlavour.Pvm);
        foreach (ProbedBehavior probe in host.Probes)
        {
            if (KernelDifference.Find(probe.Id) is { } difference)
            {
                behavior = behavior.Set(difference, new DifferenceFact(probe.Present ? Knowledge.Present : Knowledge.Absent,
                    $"probed: {probe.Evidence}"));
            }
        }

        return behavior;
    }

    /// <summary>A kernel as it was written down: what is known of each difference, in their order.</summary>
    internal static KernelBehavior Recorded(
        KernelReading reading, ImmutableArray<DifferenceFact> facts, KernelRelease? release,
        (KernelRelease First, KernelRelease Last)? span) =>
        new(reading.Name, facts, release, null, reading) { Span = span };

    /// <summary>The same kernel under the name by which it was looked up.</summary>
    internal KernelBehavior Named(KernelReading reading) => new(reading.Name, _facts, Release, _decider, reading) { Span = Span };

    /// <summary>What is known of a difference, without asking anybody.</summary>
    public Knowledge Knows(KernelDifference difference) => Fact(difference).Knowledge;

    /// <summary>What is known of a difference and from where, without asking anybody.</summary>
    internal DifferenceFact Fact(KernelDifference difference)
    {
        ArgumentNullException.ThrowIfNull(difference);
        return _facts[difference.Index];
    }

    /// <summary>Whether this kernel has the difference.</summary>
    /// <exception cref="UnknownDifferenceException">It is not known, and there is nobody to decide.</exception>
    public bool Has(KernelDifference difference)
    {
        DifferenceFact fact = Fact(difference);
        return fact.Knowledge switch
        {
            Knowledge.Present => true,
            Knowledge.Absent => false,
            _ => _decider?.Decide(difference, fact) ?? throw new UnknownDifferenceException(difference, Name, fact.Why),
        };
    }

    /// <summary>The same kernel with one difference settled.</summary>
    public KernelBehavior Set(KernelDifference difference, bool present) =>
        Set(difference, new DifferenceFact(present ? Knowledge.Present : Knowledge.Absent, "set by hand"));

    /// <summary>The same kernel with other knowledge of one difference.</summary>
    internal KernelBehavior Set(KernelDifference difference, DifferenceFact fact)
    {
        ArgumentNullException.ThrowIfNull(difference);
        return new KernelBehavior(Name, _facts.SetItem(difference.Index, fact), Release, _decider, Reading) { Span = Span };
    }

    /// <summary>The same kernel with somebody who decides what is not known of it.</summary>
    internal KernelBehavior Asking(IUnknownDifferences decider) => new(Name, _facts, Release, decider, Reading) { Span = Span };

    /// <summary>Whether microcode that is not recorded has the fix of AMD's erratum 1386.</summary>
    /// <exception cref="UnknownDifferenceException">There is nobody to decide.</exception>
    internal bool IsMicrocodeFixed() => _decider?.DecideMicrocode()
        ?? throw new UnknownDifferenceException(KernelDifference.X86Erratum1386, Name,
            "it hangs on the processor's microcode, which is not recorded");

    // A release tells that the code is there; whether it was built in tells only the kernel itself.
    private static DifferenceFact OfReleases(KernelDifference difference, Knowledge knowledge, string why) =>
        knowledge == Knowledge.Present && difference.Configuration is { } option
            ? new DifferenceFact(Knowledge.Unknown, $"{option} decides, and a release number does not tell it")
            : new DifferenceFact(knowledge, why);

    /// <inheritdoc/>
    public override string ToString() => Name;
}
