using Xstate.Hypervisors.Kvm;

namespace Xstate.Hypervisors.Conformance;

/// <summary>
/// Drives two implementations of the KVM calls through the same sequences and compares every error number and every byte. Each sequence has a fresh virtual CPU on either side. A virtual
/// machine serves several sequences, because extended state belongs to the virtual CPU and making a machine costs up to a hundred times as much as the calls.
/// </summary>
public sealed class KvmDifferential : IDisposable
{
    /// <summary>Tries on each of the two models, before what differs counts.</summary>
    internal const int MaxRepeats = 8;

    private const int SequencesPerMachine = 50;

    private readonly Func<IKvmMachine> _newLeft;
    private readonly Func<IKvmMachine> _newRight;
    private readonly Func<IKvmMachine>? _newAlternative;
    private IKvmMachine? _left;
    private IKvmMachine? _right;
    private IKvmMachine? _alternative;
    private readonly SortedDictionary<string, long> _byRequest = new(StringComparer.Ordinal);
    private int _nextVcpu;

    /// <summary>A comparison of the machines that the two functions make.</summary>
    /// <param name="newLeft">Makes the model's machine.</param>
    /// <param name="newRight">Makes the kernel's machine.</param>
    /// <param name="newAlternative">
    /// Makes a machine of the same model in which components drift into use (<see cref="Linux.LinuxHost.DriftingInUse"/>), for a processor that was seen to do so. It does it when it likes: a sequence
    /// agrees when a run of it agrees with either model.
    /// </param>
    public KvmDifferential(Func<IKvmMachine> newLeft, Func<IKvmMachine> newRight, Func<IKvmMachine>? newAlternative = null)
    {
        _newLeft = newLeft;
        _newRight = newRight;
        _newAlternative = newAlternative;
    }

    /// <summary>Sequences compared so far.</summary>
    public long Sequences { get; private set; }

    /// <summary>Calls compared so far.</summary>
    public long Calls { get; private set; }

    /// <summary>Calls compared so far, by request.</summary>
    public IReadOnlyDictionary<string, long> ByRequest => _byRequest;

    /// <summary>Sequences that agreed only with the alternative model, or only when run again.</summary>
    public long Undecided { get; private set; }

    /// <summary>Calls among them that both refused.</summary>
    public long Refusals { get; private set; }

    /// <summary>Bytes of answers compared so far.</summary>
    public long Bytes { get; private set; }

    /// <summary>The counts in one line.</summary>
    public override string ToString() => $"{Sequences} sequences, {Calls} calls ({Refusals} refused by both), {Bytes} bytes of answers compared";

    /// <summary>Compares one sequence; null when both agree. A disagreement comes with the shortest sequence that still shows it.</summary>
    /// <exception cref="InvalidOperationException">One side could not make a virtual CPU.</exception>
    public KvmDisagreement? Compare(KvmSequence sequence)
    {
        ArgumentNullException.ThrowIfNull(sequence);
        Sequences++;
        return Find(sequence, count: true) is { } found ? Shorten(found) : null;
    }

    /// <summary>Disposes the machines.</summary>
    public void Dispose()
    {
        _left?.Dispose();
        _right?.Dispose();
        _alternative?.Dispose();
        _left = null;
        _right = null;
        _alternative = null;
    }

    private KvmDisagreement Shorten(KvmDisagreement found)
    {
        // The call that differs stays last; each one before it is dropped if the difference survives without it.
        for (int i = found.Sequence.Calls.Length - 2; i >= 0; i--)
        {
            KvmSequence shorter = found.Sequence with { Calls = found.Sequence.Calls.RemoveAt(i) };
            if (Find(shorter, count: false) is { } still && still.Sequence.Calls.Length == shorter.Calls.Length)
            {
                found = still;
            }
        }

        return found;
    }

    private KvmDisagreement? Find(KvmSequence sequence, bool count)
    {
        KvmDisagreement? found = Run(sequence, asAlternative: false, count);
        for (int i = 0; found is not null && _newAlternative is not null && i < MaxRepeats; i++)
        {
            if (Run(sequence, asAlternative: true, count: false) is null || Run(sequence, asAlternative: false, count: false) is null)
            {
                Undecided += count ? 1 : 0;
                return null;
            }
        }

        return found;
    }

    private KvmDisagreement? Run(KvmSequence sequence, bool asAlternative, bool count)
    {
        if (_left is null || _right is null || _nextVcpu == SequencesPerMachine)
        {
            Dispose();
            _left = _newLeft();
            _right = _newRight();
            _alternative = _newAlternative?.Invoke();
            _nextVcpu = 0;
        }

        using IKvmVcpu left = Vcpu(asAlternative ? _alternative! : _left, _nextVcpu);
        using IKvmVcpu right = Vcpu(_right, _nextVcpu);
        _nextVcpu++;
        byte[] leftArea = [];
        byte[] rightArea = [];
        for (int i = 0; i < sequence.Calls.Length; i++)
        {
            KvmCall call = sequence.Calls[i];
            KvmAnswer leftAnswer = call.Perform(left, ref leftArea);
            KvmAnswer rightAnswer = call.Perform(right, ref rightArea);
            if (!leftAnswer.Equals(rightAnswer))
            {
                return new KvmDisagreement(sequence with { Calls = [.. sequence.Calls.Take(i + 1)] }, leftAnswer, rightAnswer);
            }

            if (count)
            {
                Calls++;
                _byRequest[call.Request] = _byRequest.GetValueOrDefault(call.Request) + 1;
                Refusals += leftAnswer.Errno == Errno.None ? 0 : 1;
                Bytes += leftAnswer.Bytes.Length;
            }
        }

        return null;
    }

    private static IKvmVcpu Vcpu(IKvmMachine machine, int id)
    {
        KvmReply reply = machine.CreateVcpu(id, out IKvmVcpu? vcpu);
        return vcpu ?? throw new InvalidOperationException($"KVM_CREATE_VCPU {id}: {reply.Errno}");
    }
}
