using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Artifacts.ElfCore;

/// <summary>
/// Finds where the components of a core's areas are: from its layout note, or from everything that the core tells about the processor that
/// wrote it.
/// </summary>
internal sealed class CoreLayout
{
    private readonly CoreNotes _notes;
    private readonly ImmutableArray<XsaveNoteFacts> _areas;
    private readonly uint _mxcsrMask;
    private readonly Dictionary<(StateComponentSet Components, bool Told, int Length), Fact<XsaveLayout>?> _known = [];

    public CoreLayout(CoreNotes notes, ImmutableArray<XsaveNoteFacts> areas)
    {
        _notes = notes;
        _areas = areas;
        _mxcsrMask = areas.Select(area => area.MxcsrMask).FirstOrDefault(mask => mask != 0);
        Damage = notes.Layout is null ? GcoreDamage.Find(areas, notes) : null;
    }

    /// <summary>What gdb before 14 did to the core, if it did.</summary>
    public GcoreDamage? Damage { get; }

    /// <summary>The layout of one area; null when nothing places its components.</summary>
    public Fact<XsaveLayout>? Of(XsaveNoteFacts area)
    {
        if (_notes.Layout is { } noted)
        {
            return new Fact<XsaveLayout>(noted, FactSource.Note, "NT_X86_XSAVE_LAYOUT");
        }

        if (Damage is { } damage)
        {
            return damage.Layout;
        }

        bool told = !area.Written.IsEmpty;
        (StateComponentSet, bool, int) key = (told ? area.Written : area.XstateBv, told, area.Bytes.Length);
        if (!_known.TryGetValue(key, out Fact<XsaveLayout>? layout))
        {
            layout = Infer(key.Item1, told, area.Bytes.Length);
            _known.Add(key, layout);
        }

        return layout;
    }

    /// <summary>What has to be said about the layout.</summary>
    public IEnumerable<Finding> Findings(Capture capture)
    {
        if (Damage is not null)
        {
            yield return Damage.Describe(capture);
        }

        if (_notes.Layout is { } noted)
        {
            foreach (Finding finding in Contradictions(noted))
            {
                yield return finding;
            }
        }

        foreach (CapturedState state in capture.States.Where(state => state.Layout is null or { Provenance.Source: FactSource.Guess })
            .DistinctBy(state => state.Layout?.Provenance.Detail))
        {
            string message = state.Layout is { } guess
                ? $"the layout is a guess, {guess.Provenance.Detail}"
                : $"no known processor writes an area of {state.Area.Length} bytes with XSTATE_BV "
                    + $"{new XsaveArea(state.Area.Span).XstateBv}; components from 2 up are not shown";
            yield return Of(Rules.CoreLayoutUnknown, message) with { Mend = Rules.CoreLayoutUnknown.Mend };
        }
    }

    private Fact<XsaveLayout>? Infer(StateComponentSet components, bool told, int length)
    {
        LayoutEvidence evidence = new(components)
        {
            ExactLength = length,
            MxcsrMask = _mxcsrMask,
            Hwcap = _notes.Hwcap,
            SignalStack = _notes.SignalStack
        };
        ImmutableArray<LayoutFamily> candidates = told
            ? LayoutInference.Candidates(evidence) : LayoutInference.CandidatesByLength(evidence);
        if (candidates.IsEmpty && told)
        {
            // A writer may pad; what it placed inside is still in one of these ways.
            candidates = [.. LayoutInference.Candidates(evidence with { ExactLength = null })
                .Where(family => family.Layout.StandardLength <= length)];
        }

        if (!told && candidates.Length > 1 && Common(candidates, length) is { } common && common.UserComponents.ContainsAll(components))
        {
            // They differ only in components that nothing says the writer had.
            return new Fact<XsaveLayout>(common, FactSource.Inferred,
                $"{string.Join(" and ", candidates.Select(family => family.Family))} agree on what ends with the area at {length}");
        }

        string area = $"{components} in {length} bytes";
        return candidates switch
        {
            [] when components == StateComponentSet.Legacy || length == XsaveFormat.ExtendedOffset =>
                new Fact<XsaveLayout>(XsaveLayout.LegacyOnly, FactSource.Inferred, "x87 and SSE have one place on every processor"),
            [] => null,
            [var only] => new Fact<XsaveLayout>(only.Layout, FactSource.Inferred, told
                ? $"{Agreeing(evidence, only)} this way" : $"{only.Family}: a component of its ends with the area at {length}"),
            [var first, ..] => new Fact<XsaveLayout>(first.Layout, FactSource.Guess,
                $"{area} could be of {string.Join(" or ", candidates.Select(family => family.Family))}; {first.Family} is taken"),
        };
    }

    // The components that all place alike, if the area ends with one of them.
    private static XsaveLayout? Common(ImmutableArray<LayoutFamily> candidates, int length)
    {
        XsaveLayout common = XsaveLayout.FromSlots(candidates[0].Layout.Slots.Where(slot =>
            candidates.All(other => other.Layout.TryGetSlot(slot.Component, out XsaveSlot same) && same == slot)));
        return common.StandardLength == length ? common : null;
    }

    private static string Agreeing(LayoutEvidence evidence, LayoutFamily only)
    {
        string[] same = [.. LayoutFamily.All.Where(family => family.Layout.UserComponents.ContainsAll(evidence.Components)
            && family.Layout.Restrict(evidence.Components).Equals(only.Layout)).Select(family => family.Family)];
        bool all = LayoutFamily.All.All(family => !family.Layout.UserComponents.ContainsAll(evidence.Components)
            || same.Contains(family.Family));
        return all && same.Length > 1 ? $"every known processor with {evidence.Components} places it"
            : $"{string.Join(" and ", same)} place{(same.Length == 1 ? "s" : "")} {evidence.Components}";
    }

    // A layout that leaves out a component in use, or places one outside the area, was not written together with it.
    private IEnumerable<Finding> Contradictions(XsaveLayout noted)
    {
        StateComponentSet used = StateComponentSet.Empty;
        int shortest = int.MaxValue;
        foreach (XsaveNoteFacts area in _areas)
        {
            used |= area.Written | area.XstateBv;
            shortest = Math.Min(shortest, area.Bytes.Length);
        }

        StateComponentSet unplaced = used.Except(noted.UserComponents);
        if (!unplaced.IsEmpty)
        {
            yield return Of(Rules.LayoutNoteMisfit, $"the areas have {unplaced.Describe()}, the layout note does not", _notes.LayoutOffset);
        }

        foreach (XsaveSlot slot in noted.Slots.Where(slot => _areas.Length > 0 && slot.End > shortest))
        {
            yield return Of(Rules.LayoutNoteMisfit,
                $"the layout note places {StateComponents.NameOf(slot.Component)} at {slot.Offset} to {slot.End}, an area has {shortest} "
                + "bytes", _notes.LayoutOffset);
        }
    }

    private static Finding Of(Rule rule, string message, long? offset = null) =>
        new(rule, rule.Severity, message) { Where = new FindingLocation(Offset: offset) };
}
