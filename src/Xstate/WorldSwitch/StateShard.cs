using System.Numerics;

namespace Xstate.WorldSwitch;

/// <summary>
/// The visited states whose hash falls into one shard. States lie in chunks in the order in which they were found, so a breadth-first level
/// is a range of indices; an open-addressing table of (hash, index) finds them. Reading is safe from many threads as long as nobody adds.
/// </summary>
internal sealed class StateShard
{
    /// <summary>How many low bits of a hash choose the shard.</summary>
    public const int ShardBits = 4;

    private const int ChunkBits = 14;
    private const int ChunkStates = 1 << ChunkBits;
    private const int InitialTable = 1 << 10;
    private const int BlockRecords = 64;

    private readonly int _slots;
    private readonly List<ulong[]> _states = [];
    private readonly List<uint[]> _parents = [];
    private readonly ulong[] _probed = new ulong[BlockRecords];
    private ulong[] _table = new ulong[InitialTable];

    public StateShard(int slots)
    {
        _slots = slots;
    }

    public int Count { get; private set; }

    /// <summary>Bytes held by the arrays.</summary>
    public long MemoryBytes => (long)_table.Length * sizeof(ulong)
        + (long)_states.Count * ChunkStates * (_slots * sizeof(ulong) + sizeof(uint));

    public static ulong Hash(ReadOnlySpan<ulong> slots)
    {
        ulong hash = 0x9E37_79B9_7F4A_7C15;
        foreach (ulong slot in slots)
        {
            hash = BitOperations.RotateLeft(hash, 27) ^ slot;
            hash *= 0xBF58_476D_1CE4_E5B9;
            hash ^= hash >> 29;
        }

        hash *= 0x94D0_49BB_1331_11EB;
        return hash ^ hash >> 32;
    }

    public ReadOnlySpan<ulong> this[int index] => _states[index >> ChunkBits].AsSpan((index & ChunkStates - 1) * _slots, _slots);

    public uint ParentOf(int index) => _parents[index >> ChunkBits][index & ChunkStates - 1];

    /// <summary>
    /// The first table entry where a state with this tag would be. Asking for many of them before any is looked at lets the processor wait
    /// for all the memory at once.
    /// </summary>
    public ulong Probe(uint tag) => _table[(int)tag & _table.Length - 1];

    /// <summary>The state behind an entry.</summary>
    public ReadOnlySpan<ulong> StateOf(ulong entry) => this[(int)(uint)entry - 1];

    /// <summary>The first slot of the state behind an entry, likewise to have its memory under way.</summary>
    public ulong FirstSlot(ulong entry)
    {
        int index = (int)(uint)entry - 1;
        return _states[index >> ChunkBits][(index & ChunkStates - 1) * _slots];
    }

    public bool Contains(uint tag, ReadOnlySpan<ulong> state)
    {
        ulong[] table = _table;
        int mask = table.Length - 1;
        for (int at = (int)tag & mask; ; at = at + 1 & mask)
        {
            ulong entry = table[at];
            if (entry == 0)
            {
                return false;
            }

            if (Matches(entry, tag) && this[(int)(uint)entry - 1].SequenceEqual(state))
            {
                return true;
            }
        }
    }

    /// <summary>Whether an entry is of a state with this tag.</summary>
    public static bool Matches(ulong entry, uint tag) => entry != 0 && (uint)(entry >> 32) == tag;

    /// <summary>Adds a state unless it is there already.</summary>
    public bool Add(uint tag, ReadOnlySpan<ulong> state, uint parent)
    {
        if (Contains(tag, state))
        {
            return false;
        }

        if (Count * 3L > _table.Length * 2L)
        {
            Grow();
        }

        int index = Count++;
        if (index >> ChunkBits == _states.Count)
        {
            _states.Add(new ulong[ChunkStates * _slots]);
            _parents.Add(new uint[ChunkStates]);
        }

        state.CopyTo(_states[index >> ChunkBits].AsSpan((index & ChunkStates - 1) * _slots));
        _parents[index >> ChunkBits][index & ChunkStates - 1] = parent;
        Place(_table, (ulong)tag << 32 | (uint)(index + 1));
        return true;
    }

    /// <summary>Adds what is new of records of (tag, parent) and state, in their order.</summary>
    public void AddAll(ReadOnlySpan<ulong> records)
    {
        int length = _slots + 1;
        while (!records.IsEmpty)
        {
            ReadOnlySpan<ulong> block = records[..Math.Min(records.Length, BlockRecords * length)];
            records = records[block.Length..];
            for (int at = 0, i = 0; at < block.Length; at += length, i++)
            {
                _probed[i] = Probe((uint)(block[at] >> 32));
            }

            for (int at = 0; at < block.Length; at += length)
            {
                Add((uint)(block[at] >> 32), block.Slice(at + 1, _slots), (uint)block[at]);
            }
        }
    }

    private static void Place(ulong[] table, ulong entry)
    {
        int mask = table.Length - 1;
        int at = (int)(entry >> 32) & mask;
        while (table[at] != 0)
        {
            at = at + 1 & mask;
        }

        table[at] = entry;
    }

    private void Grow()
    {
        ulong[] larger = new ulong[_table.Length * 2];
        foreach (ulong entry in _table)
        {
            if (entry != 0)
            {
                Place(larger, entry);
            }
        }

        _table = larger;
    }
}
