using System.Runtime.CompilerServices;
using Xstate.Architecture;

namespace Xstate.Lint;

/// <summary>One answer for each of the 64 component numbers.</summary>
[InlineArray(64)]
internal struct ComponentSubleaves
{
    private CpuidRegisters _first;
}

/// <summary>The answers that the rules read, other than the sub-leaves of components. Each has a place of its own.</summary>
internal enum LintLeaf
{
    Leaf0,
    Leaf1,
    Leaf6,
    Leaf7,
    Leaf7Sub1,
    Leaf7Sub2,
    LeafD,
    LeafDSub1,
    Leaf14,
    Leaf19,
    Leaf1C,
    Leaf1D,
    Leaf1DSub1,
    Leaf1E,
    Leaf1ESub1,
    Leaf24,
    Leaf29,
    Extended0,
    Extended1,
    Extended8,
    Extended21,
    Count,
}

/// <summary>One answer for each <see cref="LintLeaf"/>.</summary>
[InlineArray((int)LintLeaf.Count)]
internal struct LintLeaves
{
    private CpuidRegisters _first;
}

/// <summary>
/// A table decoded in one pass, so that a hundred rules do not search it. Leaves beyond the maximum count as zero: a processor answers them
/// with its highest basic leaf, which says nothing of them (SDM Vol. 2A, CPUID; 40 of 1,007 dumps hold such an answer for leaf 0xD).
/// </summary>
internal struct LintSubject
{
    private const uint ExtendedBase = 0x8000_0000;

    // Where each row of the catalogue of features is found. A feature of a leaf that no rule reads would be a fault of this file, found by
    // the first test.
    private static readonly int[] LeafOfRow = [.. CpuidFeatures.All.Select(static feature => (int)Find(feature.Leaf,
        feature.Subleaf)!.Value)];

    private LintLeaves _leaves;
    private ComponentSubleaves _components;
    private uint _recorded;

    public LintSubject(CpuidTable table, LintContext context)
    {
        Table = table;
        Context = context;
        Decode();
        Processor = ProcessorModel.From(table);
        Normalize();
    }

    /// <summary>The table as it was given.</summary>
    public CpuidTable Table { get; }

    /// <summary>What is known beside it.</summary>
    public LintContext Context { get; }

    /// <summary>Vendor, family and model.</summary>
    public ProcessorModel Processor { get; }

    /// <summary>Whether leaf 0 is there, so that the highest leaf is known.</summary>
    public readonly bool KnowsMaximum => Recorded(LintLeaf.Leaf0);

    /// <summary>The highest basic leaf; all leaves where leaf 0 is not recorded.</summary>
    public readonly uint MaxBasic => KnowsMaximum ? this[LintLeaf.Leaf0].Eax : uint.MaxValue;

    /// <summary>Component numbers whose sub-leaf of leaf 0xD has an entry.</summary>
    public ulong RecordedComponents { get; private set; }

    /// <summary>Component numbers whose sub-leaf has an entry that is not all zero.</summary>
    public ulong FilledComponents { get; private set; }

    /// <summary>
    /// Whether registers of leaf 1 and 8000_0001h were passed over, because the processor is older than they are (rule N38).
    /// </summary>
    public bool IsBeforeSse { get; private set; }

    /// <summary>Leaf 1 announces XSAVE.</summary>
    public readonly bool HasXsave => Has(CpuidFeatures.Xsave);

    /// <summary>XSAVE is announced, the leaf exists, and its first answer says something: rules about its contents can be asked.</summary>
    public readonly bool CanJudgeXsaveLeaf => HasXsave && MaxBasic >= CpuidTable.XsaveLeaf && !this[LintLeaf.LeafD].IsZero;

    /// <summary>Whether an answer that is not there reads as zeros; in a dump it was not recorded.</summary>
    public readonly bool MissingIsZero => Context.View != LintView.BareMetal;

    /// <summary>Components of leaf 0xD.0.</summary>
    public readonly ulong User => this[LintLeaf.LeafD].EdxEax;

    /// <summary>Components of leaf 0xD.1.</summary>
    public readonly ulong Supervisor => this[LintLeaf.LeafDSub1].EdxEcx;

    /// <summary>An answer, zero when it is not there.</summary>
    public readonly CpuidRegisters this[LintLeaf leaf] => _leaves[(int)leaf];

    /// <summary>The sub-leaf of leaf 0xD of a component, zero when it is not there.</summary>
    public readonly CpuidRegisters Component(int number) => _components[number];

    /// <summary>Whether an answer is there.</summary>
    public readonly bool Recorded(LintLeaf leaf) => (_recorded >> (int)leaf & 1) != 0;

    /// <summary>Whether nothing can be said of an answer: it is not there, and this is a dump.</summary>
    public readonly bool IsUnknown(LintLeaf leaf) => !MissingIsZero && !Recorded(leaf);

    /// <summary>Whether a component is announced for XCR0.</summary>
    public readonly bool HasUser(StateComponent component) => (User >> (int)component & 1) != 0;

    /// <summary>Whether a component is announced for IA32_XSS.</summary>
    public readonly bool HasSupervisor(StateComponent component) => (Supervisor >> (int)component & 1) != 0;

    /// <summary>Whether a feature's bit is set.</summary>
    public readonly bool Has(CpuidFeature feature) => feature.IsIn(_leaves[LeafOfRow[feature.Row]]);

    /// <summary>Whether a component's place is told: a size, and for a user component an offset behind the header.</summary>
    public readonly bool IsPlaced(int component)
    {
        CpuidRegisters leaf = Component(component);
        return leaf.Eax is > 0 and <= XsaveLayout.MaxAreaLength
            && ((leaf.Ecx & 1) != 0 || leaf.Ebx is >= XsaveFormat.ExtendedOffset and <= XsaveLayout.MaxAreaLength);
    }

    /// <summary>Whether every announced component has a place, so that sizes can be computed.</summary>
    public readonly bool IsWhollyPlaced
    {
        get
        {
            for (ulong rest = (User | Supervisor) & ~(XsaveFormat.CompactedFlag | 3); rest != 0; rest &= rest - 1)
            {
                if (!IsPlaced(System.Numerics.BitOperations.TrailingZeroCount(rest)))
                {
                    return false;
                }
            }

            return true;
        }
    }

    private static LintLeaf? Find(uint leaf, uint subleaf) => (leaf, subleaf) switch
    {
        (0, _) => LintLeaf.Leaf0,
        (1, _) => LintLeaf.Leaf1,
        (6, _) => LintLeaf.Leaf6,
        (7, 0) => LintLeaf.Leaf7,
        (7, 1) => LintLeaf.Leaf7Sub1,
        (7, 2) => LintLeaf.Leaf7Sub2,
        (CpuidTable.XsaveLeaf, 0) => LintLeaf.LeafD,
        (CpuidTable.XsaveLeaf, 1) => LintLeaf.LeafDSub1,
        (0x14, 0) => LintLeaf.Leaf14,
        (0x19, _) => LintLeaf.Leaf19,
        (0x1C, _) => LintLeaf.Leaf1C,
        (0x1D, 0) => LintLeaf.Leaf1D,
        (0x1D, 1) => LintLeaf.Leaf1DSub1,
        (0x1E, 0) => LintLeaf.Leaf1E,
        (0x1E, 1) => LintLeaf.Leaf1ESub1,
        (0x24, 0) => LintLeaf.Leaf24,
        (0x29, 0) => LintLeaf.Leaf29,
        (ExtendedBase, _) => LintLeaf.Extended0,
        (0x8000_0001, _) => LintLeaf.Extended1,
        (0x8000_0008, _) => LintLeaf.Extended8,
        (0x8000_0021, _) => LintLeaf.Extended21,
        _ => null,
    };

    private void Decode()
    {
        foreach (ref readonly CpuidEntry entry in Table.Entries.AsSpan())
        {
            // An entry without a significant index answers for every sub-leaf; rule N08 speaks of it.
            if (entry.Leaf == CpuidTable.XsaveLeaf && entry.Subleaf is > 1 and < 64 && entry.SubleafSignificant)
            {
                ulong bit = 1UL << (int)entry.Subleaf;
                if ((RecordedComponents & bit) == 0)
                {
                    RecordedComponents |= bit;
                    _components[(int)entry.Subleaf] = entry.Registers;
                    FilledComponents |= entry.Registers.IsZero ? 0 : bit;
                }

                continue;
            }

            if (Find(entry.Leaf, entry.SubleafSignificant ? entry.Subleaf : 0) is { } leaf && !Recorded(leaf))
            {
                _recorded |= 1u << (int)leaf;
                _leaves[(int)leaf] = entry.Registers;
            }
        }
    }

    private void Normalize()
    {
        uint max = MaxBasic;
        if (max < CpuidTable.XsaveLeaf)
        {
            _components = default;
            RecordedComponents = 0;
            FilledComponents = 0;
        }

        for (int i = 0; i < (int)LintLeaf.Extended0; i++)
        {
            if (LeafNumber((LintLeaf)i) > max)
            {
                _leaves[i] = default;
                _recorded &= ~(1u << i);
            }
        }

        uint extended = this[LintLeaf.Extended0].Eax;
        for (int i = (int)LintLeaf.Extended1; Recorded(LintLeaf.Extended0) && i < (int)LintLeaf.Count; i++)
        {
            if (extended < ExtendedBase || LeafNumber((LintLeaf)i) > extended)
            {
                _leaves[i] = default;
                _recorded &= ~(1u << i);
            }
        }

        // The processors of the nineties leave whatever was in ECX (WinChip C6, VIA Samuel): with SSE came the first bits of it.
        IsBeforeSse = Context.View == LintView.BareMetal && Recorded(LintLeaf.Leaf1)
            && (this[LintLeaf.Leaf1].Edx >> CpuidFeatures.Sse.Bit & 1) == 0
            && (this[LintLeaf.Leaf1].Ecx | this[LintLeaf.Extended1].Ecx) != 0;
        if (IsBeforeSse)
        {
            _leaves[(int)LintLeaf.Leaf1] = _leaves[(int)LintLeaf.Leaf1].With(CpuidRegister.Ecx, 0);
            _leaves[(int)LintLeaf.Extended1] = _leaves[(int)LintLeaf.Extended1].With(CpuidRegister.Ecx, 0);
        }
    }

    private static uint LeafNumber(LintLeaf leaf) => leaf switch
    {
        LintLeaf.Leaf0 => 0,
        LintLeaf.Leaf1 => 1,
        LintLeaf.Leaf6 => 6,
        LintLeaf.Leaf7 or LintLeaf.Leaf7Sub1 or LintLeaf.Leaf7Sub2 => 7,
        LintLeaf.LeafD or LintLeaf.LeafDSub1 => CpuidTable.XsaveLeaf,
        LintLeaf.Leaf14 => 0x14,
        LintLeaf.Leaf19 => 0x19,
        LintLeaf.Leaf1C => 0x1C,
        LintLeaf.Leaf1D or LintLeaf.Leaf1DSub1 => 0x1D,
        LintLeaf.Leaf1E or LintLeaf.Leaf1ESub1 => 0x1E,
        LintLeaf.Leaf24 => 0x24,
        LintLeaf.Leaf29 => 0x29,
        LintLeaf.Extended0 => ExtendedBase,
        LintLeaf.Extended1 => 0x8000_0001,
        LintLeaf.Extended8 => 0x8000_0008,
        LintLeaf.Extended21 => 0x8000_0021,
        _ => throw new ArgumentOutOfRangeException(nameof(leaf)),
    };
}
