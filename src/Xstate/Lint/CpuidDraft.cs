using System.Collections.Immutable;
using Xstate.Architecture;

namespace Xstate.Lint;

/// <summary>A table that is being changed: each answer once, in its order.</summary>
internal sealed class CpuidDraft
{
    private const uint ExtendedBase = 0x8000_0000;
    private const uint NextRange = 0x8100_0000;

    private readonly List<(uint Leaf, uint Subleaf)> _order = [];
    private readonly Dictionary<(uint Leaf, uint Subleaf), CpuidRegisters> _answers = [];

    /// <summary>A draft of a table. Later entries for the same input, which nobody reads, fall away.</summary>
    public CpuidDraft(CpuidTable table)
    {
        // An extended leaf beyond the told maximum is not there for anybody who asks as the manual says.
        uint lastExtended = table.TryRead(ExtendedBase, 0, out CpuidRegisters extended) ? extended.Eax : uint.MaxValue;
        foreach (CpuidEntry entry in table.Entries)
        {
            if (entry.Leaf > ExtendedBase && entry.Leaf < NextRange && entry.Leaf > lastExtended)
            {
                continue;
            }

            (uint, uint) key = (entry.Leaf, CpuidLeaves.HasSubleaves(entry.Leaf) ? entry.Subleaf : 0);
            if (_answers.TryAdd(key, entry.Registers))
            {
                _order.Add(key);
            }
        }
    }

    /// <summary>The answer, zero when there is none.</summary>
    public CpuidRegisters this[uint leaf, uint subleaf]
    {
        get => _answers.GetValueOrDefault((leaf, subleaf));
        set
        {
            if (!_answers.ContainsKey((leaf, subleaf)))
            {
                if (value.IsZero)
                {
                    return;
                }

                _order.Add((leaf, subleaf));
            }

            _answers[(leaf, subleaf)] = value;
        }
    }

    /// <summary>The highest basic leaf that leaf 0 tells.</summary>
    public uint MaxBasic => this[0, 0].Eax;

    /// <summary>Components of leaf 0xD.0.</summary>
    public ulong User
    {
        get => this[CpuidTable.XsaveLeaf, 0].EdxEax;
        set => this[CpuidTable.XsaveLeaf, 0] = this[CpuidTable.XsaveLeaf, 0] with { Eax = (uint)value, Edx = (uint)(value >> 32) };
    }

    /// <summary>Components of leaf 0xD.1.</summary>
    public ulong Supervisor
    {
        get => this[CpuidTable.XsaveLeaf, 1].EdxEcx;
        set => this[CpuidTable.XsaveLeaf, 1] = this[CpuidTable.XsaveLeaf, 1] with { Ecx = (uint)value, Edx = (uint)(value >> 32) };
    }

    /// <summary>Whether there is an answer with contents.</summary>
    public bool IsFilled(uint leaf, uint subleaf = 0) => !this[leaf, subleaf].IsZero;

    /// <summary>Whether a feature's bit is set.</summary>
    public bool Has(CpuidFeature feature) => feature.IsIn(this[feature.Leaf, feature.Subleaf]);

    /// <summary>Sets or clears a feature's bit.</summary>
    public void Set(CpuidFeature feature, bool value)
    {
        this[feature.Leaf, feature.Subleaf] = feature.SetIn(this[feature.Leaf, feature.Subleaf], value);
    }

    /// <summary>Clears features.</summary>
    public void Clear(params ReadOnlySpan<CpuidFeature> features)
    {
        foreach (CpuidFeature feature in features)
        {
            Set(feature, value: false);
        }
    }

    /// <summary>Empties an answer.</summary>
    public void Empty(uint leaf, uint subleaf) => this[leaf, subleaf] = default;

    /// <summary>The table, with the flag that its leaves have sub-leaves where they do.</summary>
    public CpuidTable ToTable() => new(
        [.. _order.Select(key => new CpuidEntry(key.Leaf, key.Subleaf, CpuidLeaves.HasSubleaves(key.Leaf), _answers[key]))
            .ToImmutableArray()]);
}
