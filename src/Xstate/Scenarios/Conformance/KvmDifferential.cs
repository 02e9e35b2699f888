using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Scenarios.Calls;

namespace Xstate.Scenarios.Conformance;

/// <summary>
/// Drives two implementations of the KVM calls through the same sequences and compares every error number and every byte. Each sequence has
/// a fresh virtual CPU on either side. A virtual machine serves several sequences, because extended state belongs to the virtual CPU and
/// making a machine costs up to a hundred times as much as the calls.
/// </summary>
internal sealed class KvmDifferential : IDisposable
{
    /// <summary>Runs of a kernel on a processor with components that drift into use, before what differs counts.</summary>
    internal const int MaxRepeats = 8;

    /// <summary>Models that each such run is compared with, every one of which drifts at other moments.</summary>
    internal const int Alternatives = 12;

    private const int VcpusPerMachine = 100;

    private readonly Func<IKvmMachine> _newLeft;
    private readonly Func<IKvmMachine> _newRight;
    private readonly Func<int, IKvmMachine>? _newAlternative;
    private IKvmMachine? _left;
    private IKvmMachine? _right;
    private readonly SortedSet<string> _rules = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, long> _byRequest = new(StringComparer.Ordinal);
    private int _nextVcpu;

    /// <summary>A comparison of the machines that the two functions make.</summary>
    /// <param name="newLeft">Makes the model's machine.</param>
    /// <param name="newRight">Makes the kernel's machine.</param>
    /// <param name="newAlternative">
    /// Makes a machine of the same model in which components drift into use (<see cref="Hypervisors.Linux.LinuxHost.Drifting"/>), by
    /// number, for a processor that was seen to do so. It does it when it likes: a sequence agrees when a run of it agrees with one of
    /// these models.
    /// </param>
    public KvmDifferential(Func<IKvmMachine> newLeft, Func<IKvmMachine> newRight, Func<int, IKvmMachine>? newAlternative = null)
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

    /// <summary>Ids of the rules by which the model refused calls that both refused.</summary>
    public IReadOnlySet<string> Rules => _rules;

    /// <summary>Sequences that agreed only with an alternative model, or only when run again.</summary>
    public long Undecided { get; private set; }

    /// <summary>Calls among them that both refused.</summary>
    public long Refusals { get; private set; }

    /// <summary>Bytes of answers compared so far.</summary>
    public long Bytes { get; private set; }

    /// <summary>The counts in one line.</summary>
    public override string ToString() =>
        $"{Sequences} sequences, {Calls} calls ({Refusals} refused by both), {Bytes} bytes of answers compared";

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
        _left = null;
        _right = null;
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
        List<KvmAnswer> left = OnLeft(sequence);
        List<KvmAnswer> right = OnRight(sequence);
        KvmDisagreement? found = Difference(sequence, left, right);
        if (count)
        {
            Count(sequence, left, found?.Sequence.Calls.Length - 1 ?? left.Count);
        }

        for (int run = 0; found is not null && _newAlternative is not null && run < MaxRepeats; run++)
        {
            if (AgreesWithAlternative(sequence, right) || Difference(sequence, left, right = OnRight(sequence)) is null)
            {
                Undecided += count ? 1 : 0;
                return null;
            }
        }

        return found;
    }

    private List<KvmAnswer> OnLeft(KvmSequence sequence)
    {
        MakeMachines();
        return Answers(sequence, _left!, _nextVcpu++);
    }

    private List<KvmAnswer> OnRight(KvmSequence sequence)
    {
        MakeMachines();
        return Answers(sequence, _right!, _nextVcpu++);
    }

    private void MakeMachines()
    {
        if (_left is null || _right is null || _nextVcpu >= VcpusPerMachine)
        {
            Dispose();
            _left = _newLeft();
            _right = _newRight();
            _nextVcpu = 0;
        }
    }

    private bool AgreesWithAlternative(KvmSequence sequence, List<KvmAnswer> right)
    {
        for (int number = 0; number < Alternatives; number++)
        {
            using IKvmMachine machine = _newAlternative!(number);
            if (Difference(sequence, Answers(sequence, machine, 0), right) is null)
            {
                return true;
            }
        }

        return false;
    }

    private void Count(KvmSequence sequence, List<KvmAnswer> answers, int equal)
    {
        for (int i = 0; i < equal; i++)
        {
            Calls++;
            string request = sequence.Calls[i].Request;
            _byRequest[request] = _byRequest.GetValueOrDefault(request) + 1;
            Refusals += answers[i].Errno == Errno.None ? 0 : 1;
            Bytes += answers[i].Bytes.Length;
            if (answers[i].Why is { } why)
            {
                _rules.Add(why.Rule.Id);
            }
        }
    }

    private static KvmDisagreement? Difference(KvmSequence sequence, List<KvmAnswer> left, List<KvmAnswer> right)
    {
        for (int i = 0; i < left.Count; i++)
        {
            if (!left[i].Equals(right[i]))
            {
                return new KvmDisagreement(sequence with { Calls = [.. sequence.Calls.Take(i + 1)] }, left[i], right[i]);
            }
        }

        return null;
    }

    /// <summary>The answers of a machine to a sequence on a fresh virtual CPU.</summary>
    internal static List<KvmAnswer> Answers(KvmSequence sequence, IKvmMachine machine, int id)
    {
        KernelReply reply = machine.CreateVcpu(id, out IKvmVcpu? created);
        using IKvmVcpu vcpu = created ?? throw new InvalidOperationException($"KVM_CREATE_VCPU {id}: {reply.Errno}");
        byte[] lastArea = [];
        List<KvmAnswer> answers = [];
        foreach (KvmCall call in sequence.Calls)
        {
            answers.Add(call.Perform(vcpu, ref lastArea));
        }

        return answers;
    }
}
