using System.Collections.Immutable;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Scenarios.Calls;

namespace Xstate.Scenarios.Conformance;

/// <summary>
/// Finds out which named differences of kernels the sequences of a comparison can show on a host: those which, turned round in the model,
/// change one of its answers. A difference that no sequence shows was not compared, whatever the kernel does. Some show only beside others:
/// so the model is that of the compared kernel and, after it, that of kernels of all eras.
/// </summary>
internal sealed class DifferenceReach
{
    // What is reached at all is reached by one sequence in some dozens.
    private const int MaxSequences = 300;

    private static readonly ImmutableArray<KernelRelease> Eras = [new(5, 10), new(5, 15), new(5, 16), new(5, 17), new(6, 1, 40),
        new(6, 12), new(6, 18)];

    private readonly ImmutableArray<LinuxHost> _bases;
    private readonly SortedSet<string> _left;
    private readonly SortedSet<string> _reached = new(StringComparer.Ordinal);
    private int _sequences;

    /// <summary>Begins with nothing reached.</summary>
    /// <param name="host">The modelled host.</param>
    /// <param name="ids">The differences to look for.</param>
    public DifferenceReach(LinuxHost host, IEnumerable<string> ids)
    {
        bool isPvm = host.Behavior.Knows(KernelDifference.KvmPvmHostCpuid) == Knowledge.Present;
        _bases = [host,
            .. Eras.Select(era => new LinuxHost(host.Record, Supposed(era).Set(KernelDifference.KvmPvmHostCpuid, isPvm)))];
        _left = new SortedSet<string>(ids, StringComparer.Ordinal);
    }

    /// <summary>The differences that were reached, by id.</summary>
    public IReadOnlySet<string> Reached => _reached;

    /// <summary>Looks what a pair of sequences shows.</summary>
    /// <param name="calls">Calls on a virtual CPU, or null without KVM.</param>
    /// <param name="steps">Steps of a process.</param>
    public void Look(KvmSequence? calls, string steps)
    {
        if (_left.Count == 0 || _sequences++ >= MaxSequences)
        {
            return;
        }

        using StringReader reader = new(steps);
        Scenario scenario = ScenarioReader.Read(reader).Single();
        foreach (LinuxHost host in _bases)
        {
            List<KvmAnswer> ofCalls = Answers(calls, host);
            List<(string, string)> ofSteps = ScenarioDifferential.Answers(scenario, new ModelBackend(host));
            _reached.UnionWith(_left.Where(id =>
            {
                LinuxHost turned = TurnedRound(host, id);
                return !Answers(calls, turned).SequenceEqual(ofCalls) || !ScenarioDifferential.Answers(scenario, new ModelBackend(turned))
                    .SequenceEqual(ofSteps);
            }));
            _left.ExceptWith(_reached);
        }
    }

    // A kernel to turn differences round on, of which nothing else is said: what is not known of it is taken for absent.
    private static KernelBehavior Supposed(KernelRelease era)
    {
        KernelBehavior kernel = KernelBehavior.Of(era);
        return kernel.Unknown.Aggregate(kernel, (settled, difference) => settled.Set(difference, false));
    }

    private static LinuxHost TurnedRound(LinuxHost host, string id)
    {
        KernelDifference difference = KernelDifference.Find(id)!;
        return new LinuxHost(host.Record, host.Behavior.Set(difference, host.Behavior.Knows(difference) != Knowledge.Present));
    }

    private static List<KvmAnswer> Answers(KvmSequence? calls, LinuxHost host)
    {
        if (calls is null)
        {
            return [];
        }

        using KvmModelMachine machine = new(host);
        return KvmDifferential.Answers(calls, machine, 0);
    }
}
