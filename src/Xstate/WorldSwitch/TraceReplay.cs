using System.Collections.Immutable;
using System.Text;

namespace Xstate.WorldSwitch;

/// <summary>
/// Turns a path of stored states into a trace. Reduced states are renumbered from step to step and have forgotten dead values; the replay
/// runs the protocol once more on vCPUs and processors that keep their names and values, and takes at every step the choice that leads to
/// the next stored state.
/// </summary>
internal sealed class TraceReplay
{
    private readonly Machine _stored;
    private readonly Machine _named;
    private readonly SuccessorList _successors = new();

    public TraceReplay(Machine machine)
    {
        _stored = machine;
        _named = machine.WithoutReduction();
    }

    public ImmutableArray<TraceStep> Run(List<MachineState> path, Invariant invariant)
    {
        ImmutableArray<TraceStep>.Builder trace = ImmutableArray.CreateBuilder<TraceStep>();
        MachineState state = _named.Initial();
        for (int i = 1; i < path.Count; i++)
        {
            int taken = FindSuccessor(state, path[i]);
            MachineState next = _successors.State(taken);
            trace.Add(Describe(state, next, _successors.Choice(taken), violated: null));
            state = next;
        }

        int last = FindViolation(state, invariant);
        trace.Add(Describe(state, _successors.State(last), _successors.Choice(last), invariant));
        return trace.ToImmutable();
    }

    private int FindSuccessor(in MachineState state, in MachineState stored)
    {
        _named.Expand(state, _successors);
        for (int i = 0; i < _successors.Count; i++)
        {
            MachineState next = _successors.State(i);
            if (_stored.Reduced)
            {
                _stored.MakeCanonical(ref next);
            }

            if (((ReadOnlySpan<ulong>)next).SequenceEqual(stored))
            {
                return i;
            }
        }

        throw new InvalidOperationException("the path of an exploration cannot be replayed");
    }

    private int FindViolation(in MachineState state, Invariant invariant)
    {
        _named.Expand(state, _successors);
        for (int i = 0; i < _successors.Count; i++)
        {
            if (_successors.Violated(i).Contains(invariant))
            {
                return i;
            }
        }

        throw new InvalidOperationException("the violation that an exploration found cannot be replayed");
    }

    private TraceStep Describe(in MachineState before, in MachineState after, Choice choice, Invariant? violated)
    {
        (string name, string thought) = _named.Describe(before, choice);
        int vcpu = choice.Vcpu;
        int cpu = choice.Cpu;
        StringBuilder note = new();
        StateChanges.Append(note, before.Vcpu(vcpu), after.Vcpu(vcpu), before.Cpu(cpu), after.Cpu(cpu),
            _named.Protocol.Instructions.HasXfd);
        if (violated is { } invariant)
        {
            note.Append(note.Length == 0 ? "" : "; ").Append(Invariants.Of(invariant).Id).Append(": ")
                .Append(Invariants.Of(invariant).Violated);
            StateChanges.AppendEvidence(note, before.Vcpu(vcpu), before.Cpu(cpu), invariant);
        }

        string actor = choice.IsEvent ? $"cpu{cpu}" : $"vcpu{vcpu}";
        return new TraceStep(actor, vcpu, cpu, before.Cpu(cpu).World, name, note.ToString(), thought);
    }
}
