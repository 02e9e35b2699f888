using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;

namespace Xstate.Fleet;

/// <summary>Rehearses moves: one call of the same rehearsal that <c>check</c> makes.</summary>
/// <param name="options">What is assumed of every move.</param>
/// <param name="already">Moves that were rehearsed before, elsewhere.</param>
internal sealed class Moves(RehearsalOptions options, long already = 0)
{
    private static readonly MoveOutcome TooMany = new(Verdict.Unknown, ["kernel-difference"]);

    private long _count = already;

    /// <summary>Moves are rehearsed so often, for statistics.</summary>
    public long Count => Interlocked.Read(ref _count);

    /// <summary>
    /// What becomes of each guest on each host. Hosts are asked at the same time, each by one thread: what was worked out of a host is
    /// kept in it.
    /// </summary>
    public ImmutableArray<ImmutableArray<MoveOutcome>> Of(ImmutableArray<GuestClass> guests, ImmutableArray<LinuxHost> hosts)
    {
        MoveOutcome[][] columns = new MoveOutcome[hosts.Length][];
        Parallel.For(0, hosts.Length, i => columns[i] = [.. guests.Select(guest => Of(guest, hosts[i]))]);
        return [.. guests.Select((_, guest) => columns.Select(column => column[guest]).ToImmutableArray())];
    }

    /// <summary>What becomes of a guest on a host. Of several captures one is the guest, and nobody knows which.</summary>
    public MoveOutcome Of(GuestClass guest, LinuxHost host)
    {
        MoveOutcome? sum = guest.IsComplete ? null : TooMany;
        foreach (Capture capture in guest.Captures)
        {
            Interlocked.Increment(ref _count);
            MoveOutcome one = ToMove(RestoreRehearsal.Perform(capture, host, options), capture, host);
            sum = sum is null ? one : sum.Or(one);
        }

        return sum!;
    }

    private static MoveOutcome ToMove(TargetOutcome outcome, Capture capture, LinuxHost host)
    {
        if (outcome.Verdict == Verdict.Same)
        {
            return new MoveOutcome(Verdict.Same, []);
        }

        Rule[] rules = [.. outcome.Findings.Where(finding => finding.Severity == Severity.Error).Select(finding => finding.Rule)
            .Distinct()];
        IEnumerable<string> facts = outcome.DependsOn.Select(dependency => dependency.Id ?? dependency.Fact);
        IEnumerable<string> differences = rules.SelectMany(KernelDifference.Deciding)
            .Where(difference => host.Behavior.Knows(difference) != Knowledge.Absent).Select(difference => difference.Id);
        CapturedState[] states = [.. capture.States.Where(state => state.GuestCpuid is { Provenance.Source: not FactSource.Guess })];
        return new MoveOutcome(outcome.Verdict, Sorted(outcome.Verdict == Verdict.Unknown ? facts : rules.Select(rule => rule.Id)))
        {
            Components = states.Aggregate(StateComponentSet.Empty, (all, state) => all | state.GuestCpuid!.Value.UserComponents)
                .Except(GivenBy(host)),
            Features = Sorted(rules.Contains(Rules.PromisedInstructionsLacking)
                ? states.SelectMany(state => Lacking(state.GuestCpuid!.Value, host)) : []),
            Differences = Sorted(outcome.DependsOn.Where(dependency => dependency.Fact == OpenFact.KernelDifference)
                .Select(dependency => dependency.Id!).Concat(differences)),
        };
    }

    private static StateComponentSet GivenBy(LinuxHost host) =>
        KernelWorlds.Of(host, world => world.KvmXcr0, out _).Aggregate((one, other) => one | other);

    private static IEnumerable<string> Lacking(CpuidTable guest, LinuxHost host)
    {
        ImmutableArray<LinuxHost> worlds = KernelWorlds.Of(host, static world => (_ = world.KvmCpuid, world).world, out _);
        return CpuidFeatures.All
            .Where(feature => feature.Effect != FeatureEffect.None && PromisedFeatures.IsPromised(feature, guest)
                && GuestPromises.IsRecorded(feature, host.Record.Cpuid)
                && !PromisedFeatures.IsThere(feature, worlds[0]))
            .Select(feature => feature.Name);
    }

    private static ImmutableArray<string> Sorted(IEnumerable<string> texts) => [.. texts.Distinct().Order(StringComparer.Ordinal)];
}
