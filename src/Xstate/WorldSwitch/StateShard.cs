using System.Numerics;

namespace Xstate.WorldSwitch;

/// <summary>
/// The visited states whose hash falls into one shard. States lie in chunks in the order in which they were found, so a breadth-first level is a range of indices; an
/// open-addressing table of (hash, index) finds them. Reading is safe from many threads as long as nobody adds.
/// </summary>
internal sealed class StateShard
{
    private const int ChunkBits = 14;
    private const int ChunkStates = 1 << ChunkBits;
    private const int InitialTable = 1 << 10;

    private readonly int _slots;
    private readonly List<ulong[]> _states = [];
    private readonly List<uint[]> _parents = [];
    private ulong[] _table = new ulong[InitialTable];

    public StateShard(int slots)
    {
        _slots = slots;
    }

    public int Count { get; private set; }

    /// <summary>Bytes held by the arrays.</summary>
    public long MemoryBytes => (long)_table.Length * sizeof(ulong) + (long)_states.Count * ChunkStates * (_slots * sizeof(ulong) + sizeof(uint));

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

            if ((uint)(entry >> 32) == tag && this[(int)(uint)entry - 1].SequenceEqual(state))
            {
                return true;
            }
        }
    }

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
