using System.Buffers.Binary;
using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Artifacts.ElfCore;

/// <summary>
/// What gdb before 14 does to the areas of an AMD processor. It takes every area for Intel's: it reads AMD's bytes into registers at
/// Intel's offsets and writes the same registers back at the same offsets, in a note of Intel's length. Bytes that are a register to it
/// survive, whatever they really are; those in its gaps become zeros. Measured with gdb 13.1 on Zen 4 with 0xe7.
/// </summary>
internal sealed class GcoreDamage
{
    private readonly LayoutFamily _real;
    private readonly LayoutFamily _assumed;
    private readonly StateComponentSet _components;
    private readonly int _length;
    private readonly bool _certain;

    private GcoreDamage(LayoutFamily real, LayoutFamily assumed, StateComponentSet components, int length, bool certain, string evidence)
    {
        _real = real;
        _assumed = assumed;
        _components = components;
        _length = length;
        _certain = certain;
        Lost = LostBytes(real.Layout, assumed.Layout);
        Layout = new Fact<XsaveLayout>(real.Layout, certain ? FactSource.Inferred : FactSource.Guess, evidence);
    }

    /// <summary>Bytes of every area that gdb wrote zeros over, at the real processor's offsets.</summary>
    public ImmutableArray<AreaRange> Lost { get; }

    /// <summary>Where the rest is: at the real processor's offsets.</summary>
    public Fact<XsaveLayout> Layout { get; }

    /// <summary>The damage, or null where gdb did none or nothing tells that it did.</summary>
    public static GcoreDamage? Find(ImmutableArray<XsaveNoteFacts> areas, CoreNotes notes)
    {
        if (areas.IsEmpty || !areas.All(area => area.HasGcoreMarks && area.Written == areas[0].Written
            && area.Bytes.Length == areas[0].Bytes.Length))
        {
            return null;
        }

        StateComponentSet components = areas[0].Written;
        int length = areas[0].Bytes.Length;
        LayoutEvidence evidence = new(components) { Hwcap = notes.Hwcap, SignalStack = notes.SignalStack };
        LayoutFamily? assumed = Families(components, Mxcsr.IntelMask).FirstOrDefault(family => family.Layout.StandardLength == length);
        if (assumed is null || evidence.HasIntelFeatures || evidence.FitsSignalFrame(length) == true)
        {
            return null;
        }

        foreach (LayoutFamily real in Families(components, Mxcsr.AmdMask).Where(family => family.Layout.StandardLength < length
            && !family.Layout.Equals(assumed.Layout)))
        {
            GcoreDamage? damage = Find(real, assumed, evidence, notes, length);
            if (damage is not null && areas.All(damage.Fits))
            {
                return damage;
            }
        }

        return null;
    }

    /// <summary>
    /// The capture with everything that survived at the offsets at which gdb, whatever its version, and everyone else who trusts mask and
    /// length looks for it.
    /// </summary>
    public Capture? Repair(Capture capture)
    {
        if (!_certain)
        {
            return null;
        }

        ImmutableArray<AreaRange> lost = LostAfterRepair();
        Fact<XsaveLayout> layout = new(_assumed.Layout, FactSource.Inferred,
            $"moved to the offsets of {_assumed.Family}, for which gdb made the note");
        return capture with
        {
            States = [.. capture.States.Select(state => IsDamaged(state)
            ? state with { Area = Moved(state.Area.Span), Layout = layout, Lost = lost } : state)]
        };
    }

    /// <summary>The finding: which registers are lost and which are not.</summary>
    public Finding Describe(Capture capture)
    {
        ImmutableArray<RegisterValue> registers = RegisterDump.Of(capture.States.First(IsDamaged), _components);
        string lost = RegisterNames.Compress(registers.Where(register => register.Text.Contains('?', StringComparison.Ordinal)));
        string kept = RegisterNames.Compress(registers.Where(register => IsMoved(register.Component)
            && !register.Text.Contains('?', StringComparison.Ordinal)));
        string bytes = string.Join(", ", Lost.Select(range => $"{range.Offset} to {range.End - 1}"));
        string text = $"gdb before 14 wrote this core of {_real.Family} as if it were of {_assumed.Family}: bytes {bytes} of every area "
            + $"are lost ({lost}, whole or in part)"
            + (kept.Length > 0 ? $"; {kept} are whole, at {_real.Family}'s offsets" : "");
        Rule rule = Rules.GcoreDamage;
        return new Finding(rule, _certain ? rule.Severity : Severity.Warning, _certain
            ? text : $"perhaps {text}: nothing in the core tells for sure which processor wrote it")
        {
            Found = $"{_length} bytes",
            Expected = $"{_real.Layout.StandardLength} bytes",
            Mend = _certain ? rule.Mend : "give the CPUID of the processor that wrote it with --layout",
        };
    }

    private static IEnumerable<LayoutFamily> Families(StateComponentSet components, uint mxcsrMask) =>
        LayoutFamily.All.Where(family => family.MxcsrMask == mxcsrMask && family.Layout.UserComponents.ContainsAll(components))
            .Select(family => family with { Layout = family.Layout.Restrict(components) });

    private static GcoreDamage? Find(LayoutFamily real, LayoutFamily assumed, LayoutEvidence evidence, CoreNotes notes, int length)
    {
        int realLength = real.Layout.StandardLength;
        if (evidence.FitsSignalFrame(realLength) is { } fits)
        {
            string told = $"{real.Family}: AT_MINSIGSTKSZ {evidence.SignalStack} has room for its {realLength} bytes, not for the note's "
                + $"{length}";
            return fits ? new GcoreDamage(real, assumed, evidence.Components, length, certain: true, told) : null;
        }

        // Before 5.14 the signal frame is not known. AT_HWCAP without any of Intel's features makes AMD likely, no more.
        return notes.HasGdbNote && evidence.Hwcap is { } features
            ? new GcoreDamage(real, assumed, evidence.Components, length, certain: false,
                $"{real.Family}, because AT_HWCAP 0x{features:x} has none of Intel's features; {assumed.Family} is possible")
            : null;
    }

    // The bytes of the real layout that are in no register of the assumed one.
    private static ImmutableArray<AreaRange> LostBytes(XsaveLayout real, XsaveLayout assumed)
    {
        ImmutableArray<AreaRange>.Builder lost = ImmutableArray.CreateBuilder<AreaRange>();
        foreach (XsaveSlot slot in real.Slots.OrderBy(slot => slot.Offset))
        {
            int at = slot.Offset;
            foreach (XsaveSlot kept in assumed.Slots.OrderBy(kept => kept.Offset).Where(kept => kept.Offset < slot.End
                && kept.End > slot.Offset))
            {
                Add(lost, at, kept.Offset);
                at = Math.Max(at, kept.End);
            }

            Add(lost, at, slot.End);
        }

        return lost.ToImmutable();
    }

    private static void Add(ImmutableArray<AreaRange>.Builder ranges, int from, int to)
    {
        if (from >= to)
        {
            return;
        }

        if (ranges.Count > 0 && ranges[^1].End == from)
        {
            ranges[^1] = ranges[^1] with { Length = to - ranges[^1].Offset };
        }
        else
        {
            ranges.Add(new AreaRange(from, to - from));
        }
    }

    // Zeros in every gap, and zeros behind the real end, which only Intel's last registers fill.
    private bool Fits(XsaveNoteFacts area) =>
        Lost.All(range => !area.Bytes.AsSpan(range.Offset, range.Length).ContainsAnyExcept((byte)0))
        && !area.Bytes.AsSpan(_real.Layout.StandardLength).ContainsAnyExcept((byte)0);

    // A thread of which only its FXSAVE note is left has no AVX-512 state to lose.
    private bool IsDamaged(CapturedState state) => state.Area.Length == _length;

    private bool IsMoved(StateComponent component) =>
        _real.Layout.TryGetSlot(component, out XsaveSlot real) && _assumed.Layout.TryGetSlot(component, out XsaveSlot assumed)
        && real.Offset != assumed.Offset;

    private ImmutableArray<AreaRange> LostAfterRepair()
    {
        ImmutableArray<AreaRange>.Builder lost = ImmutableArray.CreateBuilder<AreaRange>();
        foreach (XsaveSlot to in _assumed.Layout.Slots.OrderBy(slot => slot.Offset))
        {
            _real.Layout.TryGetSlot(to.Component, out XsaveSlot from);
            foreach (AreaRange range in Lost.Where(range => range.Offset < from.End && range.End > from.Offset))
            {
                Add(lost, to.Offset + Math.Max(range.Offset, from.Offset) - from.Offset,
                    to.Offset + Math.Min(range.End, from.End) - from.Offset);
            }
        }

        return lost.ToImmutable();
    }

    private byte[] Moved(ReadOnlySpan<byte> damaged)
    {
        byte[] area = new byte[damaged.Length];
        damaged[..XsaveFormat.ExtendedOffset].CopyTo(area);
        BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(XsaveFormat.MxcsrMaskOffset), _real.MxcsrMask);
        foreach (XsaveSlot to in _assumed.Layout.Slots)
        {
            _real.Layout.TryGetSlot(to.Component, out XsaveSlot from);
            damaged.Slice(from.Offset, Math.Min(from.Size, to.Size)).CopyTo(area.AsSpan(to.Offset));
        }

        return area;
    }
}
