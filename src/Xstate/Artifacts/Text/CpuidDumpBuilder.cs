using System.Collections.Immutable;
using System.Globalization;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Artifacts.Text;

/// <summary>
/// Collects the answers of a dump processor by processor and decides, the same for every format, which sub-leaf an answer belongs to.
/// </summary>
internal sealed class CpuidDumpBuilder
{
    private const StateComponent Avx = StateComponent.Avx;

    private readonly string _format;
    private readonly ArtifactLimits _limits;
    private readonly ImmutableArray<CpuidProcessor>.Builder _processors = ImmutableArray.CreateBuilder<CpuidProcessor>();
    private readonly List<CpuidRemark> _remarks = [];

    private readonly List<CpuidEntry> _entries = [];
    private readonly List<CpuidEntry> _unplaced = [];
    private readonly Dictionary<(uint Leaf, uint Subleaf), int> _places = [];
    private readonly Dictionary<uint, uint> _answersWithoutSubleaf = [];
    private string? _label;
    private long _start;

    public CpuidDumpBuilder(string format, ArtifactLimits limits)
    {
        _format = format;
        _limits = limits;
    }

    /// <summary>What the text has besides the dump.</summary>
    public SkippedText? Skipped { get; set; }

    /// <summary>Whether the tables are the logical processors of one machine, which ought to be alike.</summary>
    public bool AreProcessors { get; init; } = true;

    /// <summary>Whether the current processor already has this answer.</summary>
    public bool Has(uint leaf, uint subleaf) => _places.ContainsKey((leaf, subleaf));

    /// <summary>The answer that the current processor already has, if any.</summary>
    public bool TryFind(uint leaf, uint subleaf, out CpuidRegisters registers)
    {
        bool found = _places.TryGetValue((leaf, subleaf), out int place);
        registers = found ? _entries[place].Registers : default;
        return found;
    }

    /// <summary>Keeps an answer of the current processor apart, because nothing tells which sub-leaf it is.</summary>
    public void LeaveOut(uint leaf, CpuidRegisters registers, string why, long offset)
    {
        RequireRoom(offset);
        LeaveUnplaced(CpuidDefect.LeftOut, leaf, 0, registers, why);
    }

    /// <summary>Says of the current processor that something of a leaf was left out.</summary>
    public void Note(uint leaf, string message) => _remarks.Add(new CpuidRemark(CpuidDefect.LeftOut, Current, leaf, null, message));

    /// <summary>How many processors have been started.</summary>
    public int Count => _processors.Count + (_label is null ? 0 : 1);

    private int Current => _processors.Count;

    /// <summary>Ends the current processor and starts the next.</summary>
    public void StartProcessor(string label, long offset)
    {
        EndProcessor();
        if (_processors.Count == _limits.MaxProcessors)
        {
            throw new MalformedArtifactException(_format, offset, "one more processor", $"at most {_limits.MaxProcessors}");
        }

        _label = label;
        _start = offset;
    }

    /// <summary>Adds an answer of the current processor. A null sub-leaf means that the dump does not tell it.</summary>
    public void Add(uint leaf, uint? subleaf, CpuidRegisters registers, long offset)
    {
        RequireRoom(offset);
        if (subleaf is { } told)
        {
            Place(leaf, told, registers);
            return;
        }

        uint position = _answersWithoutSubleaf.GetValueOrDefault(leaf);
        _answersWithoutSubleaf[leaf] = position + 1;
        if (position == 0)
        {
            Place(leaf, 0, registers);
        }
        else if (CpuidLeaves.SubleavesAreContiguous(leaf))
        {
            _remarks.Add(new CpuidRemark(CpuidDefect.PlacedByInference, Current, leaf, position,
                $"the dump does not tell the sub-leaf of this answer of leaf 0x{leaf:x}; by its order it is "
                + $"{CpuidLeaves.PlaceOf(leaf, position)}"));
            Place(leaf, position, registers);
        }
        else if (leaf == CpuidTable.XsaveLeaf && IsAvxComponent(registers))
        {
            _remarks.Add(new CpuidRemark(
                CpuidDefect.PlacedByInference, Current, leaf, (uint)Avx,
                "the dump does not tell the sub-leaf of this answer of leaf 0xd; 256 bytes at 576 are AVX on every processor"));
            Place(leaf, (uint)Avx, registers);
        }
        else if (leaf == CpuidTable.XsaveLeaf && position == 1 && IsXsaveFeatures(registers))
        {
            _remarks.Add(new CpuidRemark(
                CpuidDefect.PlacedByInference, Current, leaf, 1,
                "the dump does not tell the sub-leaf of this answer of leaf 0xd; no component has a size that is odd or below 8, so it "
                + "is 1"));
            Place(leaf, 1, registers);
        }
        else if (leaf == CpuidTable.XsaveLeaf && ComponentAt(registers) is { } component)
        {
            string name = StateComponents.NameOf(component);
            _remarks.Add(new CpuidRemark(
                CpuidDefect.PlacedByInference, Current, leaf, (uint)component,
                string.Create(CultureInfo.InvariantCulture,
                    $"the dump does not tell the sub-leaf of this answer of leaf 0xd; {registers.Eax} bytes at {registers.Ebx} are "
                    + $"{name} on processors of this family")));
            Place(leaf, (uint)component, registers);
        }
        else
        {
            LeaveUnplaced(CpuidDefect.LeftOut, leaf, position, registers,
                "the dump does not tell its sub-leaf and dump programs skip empty ones");
        }
    }

    /// <summary>The dump.</summary>
    /// <exception cref="MalformedArtifactException">There is no processor.</exception>
    public CpuidDump Build()
    {
        EndProcessor();
        return _processors.Count == 0
            ? throw new MalformedArtifactException(_format, 0, "no CPUID answer", "at least one")
            : CpuidDump.Create(_format, _processors.ToImmutable(), _remarks, AreProcessors) with { Skipped = Skipped };
    }

    private void RequireRoom(long offset)
    {
        if (_entries.Count + _unplaced.Count == _limits.MaxCpuidEntries)
        {
            throw new MalformedArtifactException(_format, offset, "one more answer",
                $"at most {_limits.MaxCpuidEntries} for one processor");
        }
    }

    // SDM Vol. 1, 13.5.2 fixes size and offset of AVX state for all processors; sub-leaf 1 cannot look so because EAX[31:5] are reserved
    // there.
    private bool IsAvxComponent(CpuidRegisters registers) =>
        registers is { Eax: 0x100, Ebx: XsaveFormat.ExtendedOffset, Ecx: 0, Edx: 0 }
        && _places.TryGetValue((CpuidTable.XsaveLeaf, 0), out int first)
        && new StateComponentSet(_entries[first].Registers.EdxEax).Contains(Avx);

    // SDM Vol. 1, 13.2: sub-leaf 1 EAX has features in bits 0 to 4. Every component has at least 8 bytes and an even number of them.
    private static bool IsXsaveFeatures(CpuidRegisters registers) => registers.Eax is > 0 and < 32
        && (registers.Eax < 8 || (registers.Eax & 1) != 0);

    // What size and offset mean is a matter of vendor and family, without an exception in a survey of 1,007 dumps (LayoutFamily). A
    // component that the mask lacks is none.
    private StateComponent? ComponentAt(CpuidRegisters registers)
    {
        if (!TryFind(0, 0, out CpuidRegisters vendor) || !TryFind(1, 0, out CpuidRegisters signature)
            || !TryFind(CpuidTable.XsaveLeaf, 0, out CpuidRegisters mask))
        {
            return null;
        }

        ProcessorModel model = ProcessorModel.From(CpuidTable.Empty.With(0, 0, vendor).With(1, 0, signature));
        foreach (XsaveSlot slot in LayoutFamily.Of(model)?.Layout.Slots ?? [])
        {
            if (slot.ToCpuid() == registers && new StateComponentSet(mask.EdxEax).Contains(slot.Component)
                && !Has(CpuidTable.XsaveLeaf, (uint)slot.Component))
            {
                return slot.Component;
            }
        }

        return null;
    }

    private void Place(uint leaf, uint subleaf, CpuidRegisters registers)
    {
        if (_places.TryGetValue((leaf, subleaf), out int earlier))
        {
            string difference = _entries[earlier].Registers == registers ? "the same" : "another";
            LeaveUnplaced(CpuidDefect.LeftOut, leaf, subleaf, registers,
                $"the dump has {difference} answer for {CpuidLeaves.PlaceOf(leaf, subleaf)} before");
            return;
        }

        bool significant = CpuidLeaves.HasSubleaves(leaf) || subleaf != 0;
        if (significant && subleaf != 0 && _places.TryGetValue((leaf, 0), out int first))
        {
            // A leaf that the manuals list without sub-leaves, yet the dump has several: sub-leaf 0 must not answer for the others.
            _entries[first] = _entries[first] with { SubleafSignificant = true };
        }

        _places.Add((leaf, subleaf), _entries.Count);
        _entries.Add(new CpuidEntry(leaf, subleaf, significant, registers));
    }

    private void LeaveUnplaced(CpuidDefect defect, uint leaf, uint position, CpuidRegisters registers, string why)
    {
        _remarks.Add(new CpuidRemark(defect, Current, leaf, null, $"an answer of leaf 0x{leaf:x} is left out: {why}"));
        _unplaced.Add(new CpuidEntry(leaf, position, SubleafSignificant: false, registers));
    }

    // SDM Vol. 2A, CPUID: beyond the last basic or extended leaf Intel's processors, and hypervisors that imitate them, answer with the
    // data of the last basic leaf. Taken for leaf 0xD it would announce components that do not exist. Zeros, which AMD's answer there, say
    // nothing and stay.
    private void LeaveOutBeyondLastLeaf()
    {
        const uint ExtendedLeaves = 0x8000_0000;
        const uint Range = 0xFFFF_0000;
        uint? lastBasic = Has(0, 0) ? _entries[_places[(0, 0)]].Registers.Eax : null;
        uint? lastExtended = Has(ExtendedLeaves, 0) ? _entries[_places[(ExtendedLeaves, 0)]].Registers.Eax : null;
        List<CpuidEntry> existing = new(_entries.Count);
        foreach (CpuidEntry entry in _entries)
        {
            uint? last = (entry.Leaf & Range) switch
            {
                0 => lastBasic,
                ExtendedLeaves when lastExtended is { } told && (told & Range) == ExtendedLeaves => told,
                _ => null,
            };
            if (entry.Leaf > last && !entry.Registers.IsZero)
            {
                LeaveUnplaced(CpuidDefect.BeyondLastLeaf, entry.Leaf, entry.Subleaf, entry.Registers,
                    $"the last leaf of the processor is 0x{last:x}");
            }
            else
            {
                existing.Add(entry);
            }
        }

        if (existing.Count < _entries.Count)
        {
            _entries.Clear();
            _entries.AddRange(existing);
        }
    }

    private void EndProcessor()
    {
        if (_label is null)
        {
            return;
        }

        if (_entries.Count == 0)
        {
            throw new MalformedArtifactException(_format, _start, $"{_label} without an answer", "at least one");
        }

        LeaveOutBeyondLastLeaf();
        _processors.Add(new CpuidProcessor(_label, new CpuidTable([.. _entries])) { Unplaced = [.. _unplaced] });
        _label = null;
        _entries.Clear();
        _unplaced.Clear();
        _places.Clear();
        _answersWithoutSubleaf.Clear();
    }
}
