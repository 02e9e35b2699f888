using Xstate.Hypervisors.Kvm;

namespace Xstate.Hypervisors.Conformance;

/// <summary>Drives two implementations of the KVM calls through the same sequences and compares every error number and every byte.</summary>
public sealed class KvmDifferential
{
    private readonly Func<IKvmMachine> _left;
    private readonly Func<IKvmMachine> _right;

    /// <summary>A comparison of machines that are made afresh for every sequence.</summary>
    public KvmDifferential(Func<IKvmMachine> left, Func<IKvmMachine> right)
    {
        _left = left;
        _right = right;
    }

    /// <summary>Sequences compared so far.</summary>
    public long Sequences { get; private set; }

    /// <summary>Calls compared so far.</summary>
    public long Calls { get; private set; }

    /// <summary>Calls among them that both refused.</summary>
    public long Refusals { get; private set; }

    /// <summary>Bytes of answers compared so far.</summary>
    public long Bytes { get; private set; }

    /// <summary>The counts in one line.</summary>
    public override string ToString() => $"{Sequences} sequences, {Calls} calls ({Refusals} refused by both), {Bytes} bytes of answers compared";

    /// <summary>Compares one sequence; null when both agree. A disagreement comes with the shortest sequence that still shows it.</summary>
    public KvmDisagreement? Compare(KvmSequence sequence)
    {
        ArgumentNullException.ThrowIfNull(sequence);
        Sequences++;
        return Run(sequence, count: true) is { } found ? Shorten(found) : null;
    }

    private KvmDisagreement Shorten(KvmDisagreement found)
    {
        // The call that differs stays last; each one before it is dropped if the difference survives without it.
        for (int i = found.Sequence.Calls.Length - 2; i >= 0; i--)
        {
            KvmSequence shorter = found.Sequence with { Calls = found.Sequence.Calls.RemoveAt(i) };
            if (Run(shorter, count: false) is { } still && still.Sequence.Calls.Length == shorter.Calls.Length)
            {
                found = still;
            }
        }

        return found;
    }

    private KvmDisagreement? Run(KvmSequence sequence, bool count)
    {
        using IKvmMachine left = _left();
        using IKvmMachine right = _right();
        using IKvmVcpu leftVcpu = Vcpu(left);
        using IKvmVcpu rightVcpu = Vcpu(right);
        byte[] leftArea = [];
        byte[] rightArea = [];
        for (int i = 0; i < sequence.Calls.Length; i++)
        {
            KvmCall call = sequence.Calls[i];
            KvmAnswer leftAnswer = call.Perform(leftVcpu, ref leftArea);
            KvmAnswer rightAnswer = call.Perform(rightVcpu, ref rightArea);
            if (!leftAnswer.Equals(rightAnswer))
            {
                return new KvmDisagreement(sequence with { Calls = [.. sequence.Calls.Take(i + 1)] }, leftAnswer, rightAnswer);
            }

            if (count)
            {
                Calls++;
                Refusals += leftAnswer.Errno == Errno.None ? 0 : 1;
                Bytes += leftAnswer.Bytes.Length;
            }
        }

        return null;
    }

    private static IKvmVcpu Vcpu(IKvmMachine machine)
    {
        KvmReply reply = machine.CreateVcpu(0, out IKvmVcpu? vcpu);
        return vcpu ?? throw new InvalidOperationException($"KVM_CREATE_VCPU: {reply.Errno}");
    }
}
