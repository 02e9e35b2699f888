namespace Xstate.WorldSwitch;

/// <summary>
/// Tries every interleaving of a protocol's steps and of the events between them, breadth first, so that the first way found to break an
/// invariant is a shortest one. It goes on behind a violation: the number of states is that of the protocol, whatever is wrong with it.
/// States, verdicts and traces do not depend on the number of threads: work is cut into pieces of fixed size, and their finds are stored in
/// the order of the pieces.
/// </summary>
internal sealed class Explorer
{
    private const int ShardBits = StateShard.ShardBits;
    private const int ShardCount = 1 << ShardBits;
    private const int StatesPerPiece = 512;
    private const int PiecesPerRound = 64;

    private readonly ExplorationOptions _options;
    private readonly Machine _machine;
    private readonly StateShard[] _shards;
    private readonly Piece[] _pieces;
    private readonly (uint State, Choice Choice)?[] _found = new (uint, Choice)?[Invariants.All.Length];
    private InvariantSet _foundSet;
    private long _transitions;

    private Explorer(SwitchProtocol protocol, ExplorationOptions options)
    {
        _options = options;
        _machine = new Machine(protocol, options.Vcpus, options.Cpus, options.Events, options.Reduction);
        _shards = [.. Enumerable.Range(0, ShardCount).Select(_ => new StateShard(_machine.Slots))];
        _pieces = [.. Enumerable.Range(0, PiecesPerRound).Select(_ => new Piece(_machine, _shards))];
    }

    /// <summary>Explores a protocol.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A number of vCPUs, processors or threads, or a bound, is out of range.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static ExplorationResult Explore(SwitchProtocol protocol, ExplorationOptions? options = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(protocol);
        options ??= new ExplorationOptions();
        options.ThrowIfInvalid();
        return new Explorer(protocol, options).Run(cancellation);
    }

    private ExplorationResult Run(CancellationToken cancellation)
    {
        MachineState initial = _machine.Initial();
        ReadOnlySpan<ulong> slots = ((ReadOnlySpan<ulong>)initial)[.._machine.Slots];
        ulong hash = StateShard.Hash(slots);
        _shards[hash % ShardCount].Add((uint)(hash >> 32), slots, parent: uint.MaxValue);

        int[] from = new int[ShardCount];
        int depth = 0;
        bool complete = false;
        while (!complete)
        {
            int[] to = [.. _shards.Select(shard => shard.Count)];
            if (!ExploreLevel(from, to, depth, cancellation))
            {
                break;
            }

            from = to;
            complete = _shards.Select(shard => shard.Count).SequenceEqual(to);
            depth += complete ? 0 : 1;
        }

        return new ExplorationResult(
            _machine.Protocol,
            _options.Vcpus,
            _options.Cpus,
            _options.Events,
            complete,
            StateCount,
            _transitions,
            depth,
            MemoryBytes,
            [.. Violations()]);
    }

    private long StateCount => _shards.Sum(shard => (long)shard.Count);

    private long MemoryBytes => _shards.Sum(shard => shard.MemoryBytes);

    /// <summary>Expands the states of a level, which are a range of every shard; false when a bound stopped it.</summary>
    private bool ExploreLevel(int[] from, int[] to, int depth, CancellationToken cancellation)
    {
        int used = 0;
        for (int shard = 0; shard < ShardCount; shard++)
        {
            for (int start = from[shard]; start < to[shard]; start += StatesPerPiece)
            {
                _pieces[used++].Assign(shard, start, Math.Min(to[shard], start + StatesPerPiece), _foundSet);
                if (used == PiecesPerRound)
                {
                    ExploreRound(used, depth, cancellation);
                    used = 0;
                    if (StateCount >= _options.MaxStates || MemoryBytes >= _options.MaxMemoryBytes)
                    {
                        return false;
                    }
                }
            }
        }

        ExploreRound(used, depth, cancellation);
        return StateCount < _options.MaxStates && MemoryBytes < _options.MaxMemoryBytes;
    }

    private void ExploreRound(int used, int depth, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        if (_options.Threads == 1 || used == 1)
        {
            for (int i = 0; i < used; i++)
            {
                _pieces[i].Expand();
            }

            for (int shard = 0; shard < ShardCount; shard++)
            {
                Store(shard, used);
            }
        }
        else
        {
            ParallelOptions parallel = new() { MaxDegreeOfParallelism = _options.Threads };
            Parallel.For(0, used, parallel, i => _pieces[i].Expand());
            Parallel.For(0, ShardCount, parallel, shard => Store(shard, used));
        }

        for (int i = 0; i < used; i++)
        {
            Piece piece = _pieces[i];
            _transitions += piece.Transitions;
            for (int invariant = 0; invariant < _found.Length; invariant++)
            {
                if (_found[invariant] is null && piece.Found[invariant] is { } found)
                {
                    _found[invariant] = found;
                    _foundSet = _foundSet.With((Invariant)invariant);
                }
            }
        }

        _options.Progress?.Report(new ExplorationProgress(StateCount, depth, MemoryBytes));
    }

    private void Store(int shard, int used)
    {
        for (int i = 0; i < used; i++)
        {
            _pieces[i].StoreInto(shard);
        }
    }

    private IEnumerable<InvariantViolation> Violations()
    {
        TraceReplay replay = new(_machine);
        for (int i = 0; i < _found.Length; i++)
        {
            if (_found[i] is { } found)
            {
                yield return new InvariantViolation((Invariant)i, replay.Run(PathTo(found.State), (Invariant)i));
            }
        }
    }

    /// <summary>The stored states from the start to the given one.</summary>
    private List<MachineState> PathTo(uint id)
    {
        List<MachineState> path = [];
        while (id != uint.MaxValue)
        {
            StateShard shard = _shards[id & ShardCount - 1];
            int index = (int)(id >> ShardBits);
            MachineState state = default;
            shard[index].CopyTo(state);
            path.Add(state);
            id = shard.ParentOf(index);
        }

        path.Reverse();
        return path;
    }

    /// <summary>
    /// A run of states of one shard, the successors that were not known when they were found, and the violations met on the way.
    /// </summary>
    private sealed class Piece
    {
        private readonly Machine _machine;
        private readonly StateShard[] _shards;
        private readonly SuccessorList _successors = new();
        private readonly Candidates _candidates;
        private readonly ulong[] _entries = new ulong[Candidates.Capacity];
        private readonly ulong[] _firstSlots = new ulong[Candidates.Capacity];
        private readonly ulong[][] _new = new ulong[ShardCount][];
        private readonly int[] _newLength = new int[ShardCount];
        private int _shard;
        private int _from;
        private int _to;
        private InvariantSet _alreadyFound;

        public Piece(Machine machine, StateShard[] shards)
        {
            _machine = machine;
            _shards = shards;
            _candidates = new Candidates(machine.Slots);
            Array.Fill(_new, []);
        }

        public long Transitions { get; private set; }

        public (uint State, Choice Choice)?[] Found { get; } = new (uint, Choice)?[Invariants.All.Length];

        public void Assign(int shard, int from, int to, InvariantSet alreadyFound)
        {
            _shard = shard;
            _from = from;
            _to = to;
            _alreadyFound = alreadyFound;
        }

        public void Expand()
        {
            Array.Clear(_newLength);
            Array.Clear(Found);
            Transitions = 0;
            MachineState state = default;
            Span<ulong> slots = state;
            slots = slots[.._machine.Slots];
            for (int index = _from; index < _to; index++)
            {
                _shards[_shard][index].CopyTo(slots);
                _machine.Expand(state, _successors);
                Transitions += _successors.Count;
                uint id = (uint)(index << ShardBits | _shard);
                for (int i = 0; i < _successors.Count; i++)
                {
                    if (!_successors.Violated(i).Except(_alreadyFound).IsEmpty)
                    {
                        Note(id, i);
                    }

                    ReadOnlySpan<ulong> next = _successors.State(i);
                    next = next[..slots.Length];
                    if (!next.SequenceEqual(slots))
                    {
                        _candidates.Add(StateShard.Hash(next), id, next);
                    }
                }

                if (_candidates.IsFull || index == _to - 1)
                {
                    KeepUnknown();
                }
            }
        }

        public void StoreInto(int shard) => _shards[shard].AddAll(_new[shard].AsSpan(0, _newLength[shard]));

        private void Note(uint id, int successor)
        {
            InvariantSet violated = _successors.Violated(successor).Except(_alreadyFound);
            for (int invariant = 0; invariant < Found.Length; invariant++)
            {
                if (violated.Contains((Invariant)invariant))
                {
                    Found[invariant] = (id, _successors.Choice(successor));
                    _alreadyFound = _alreadyFound.With((Invariant)invariant);
                }
            }
        }

        /// <summary>Keeps those of the candidates that no shard has yet.</summary>
        private void KeepUnknown()
        {
            // Three passes over the same list, so that the processor fetches the memory of many look-ups at once instead of waiting for
            // each.
            int count = _candidates.Count;
            for (int i = 0; i < count; i++)
            {
                _entries[i] = _shards[_candidates.Shard(i)].Probe(_candidates.Tag(i));
            }

            for (int i = 0; i < count; i++)
            {
                _firstSlots[i] = StateShard.Matches(_entries[i], _candidates.Tag(i)) ? _shards[_candidates.Shard(i)]
                    .FirstSlot(_entries[i]) : 0;
            }

            for (int i = 0; i < count; i++)
            {
                ReadOnlySpan<ulong> state = _candidates.State(i);
                int shard = _candidates.Shard(i);
                bool known = _entries[i] != 0
                    && (IsBehind(_entries[i], _firstSlots[i], i) || _shards[shard].Contains(_candidates.Tag(i), state));
                if (!known)
                {
                    Keep(shard, _candidates.Tag(i), _candidates.Parent(i), state);
                }
            }

            _candidates.Clear();
        }

        private bool IsBehind(ulong entry, ulong firstSlot, int candidate)
        {
            ReadOnlySpan<ulong> state = _candidates.State(candidate);
            return firstSlot == state[0]
                && StateShard.Matches(entry, _candidates.Tag(candidate))
                && _shards[_candidates.Shard(candidate)].StateOf(entry).SequenceEqual(state);
        }

        private void Keep(int shard, uint tag, uint parent, ReadOnlySpan<ulong> state)
        {
            int length = _newLength[shard];
            if (length + state.Length >= _new[shard].Length)
            {
                Array.Resize(ref _new[shard], Math.Max(512, _new[shard].Length * 2));
            }

            Span<ulong> record = _new[shard].AsSpan(length, state.Length + 1);
            record[0] = (ulong)tag << 32 | parent;
            state.CopyTo(record[1..]);
            _newLength[shard] = length + record.Length;
        }
    }
}
