namespace Xstate.WorldSwitch;

/// <summary>Successors that may be new, gathered until there are enough of them to look them up together.</summary>
internal sealed class Candidates
{
    /// <summary>More than one state can add; a list that is half full is looked up.</summary>
    public const int Capacity = 1024;

    private readonly int _slots;
    private readonly ulong[] _states;
    private readonly uint[] _tags = new uint[Capacity];
    private readonly uint[] _parents = new uint[Capacity];
    private readonly byte[] _shards = new byte[Capacity];

    public Candidates(int slots)
    {
        _slots = slots;
        _states = new ulong[Capacity * slots];
    }

    public int Count { get; private set; }

    public bool IsFull => Count >= Capacity / 2;

    public void Clear() => Count = 0;

    public void Add(ulong hash, uint parent, ReadOnlySpan<ulong> state)
    {
        int at = Count++;
        _tags[at] = (uint)(hash >> 32);
        _shards[at] = (byte)(hash & (1 << StateShard.ShardBits) - 1);
        _parents[at] = parent;
        state.CopyTo(_states.AsSpan(at * _slots));
    }

    public uint Tag(int index) => _tags[index];

    public int Shard(int index) => _shards[index];

    public uint Parent(int index) => _parents[index];

    public ReadOnlySpan<ulong> State(int index) => _states.AsSpan(index * _slots, _slots);
}
