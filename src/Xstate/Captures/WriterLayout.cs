using System.Collections.Immutable;
using Xstate.Architecture;

namespace Xstate.Captures;

/// <summary>
/// Whose layout an area has: one that is known, or the families of processors that could have written it. This is the only place that
/// decides it for artifacts whose own format does not tell. A target is never asked: what it would like to read says nothing about who
/// wrote.
/// </summary>
/// <param name="Layout">The layout, from the artifact, from the user, or inferred because only one fits; null when it is open.</param>
/// <param name="Families">While it is open, the families that fit; empty when no known processor places the components.</param>
internal sealed record WriterLayout(Fact<XsaveLayout>? Layout, ImmutableArray<LayoutFamily> Families)
{
    /// <summary>
    /// Whose layout the areas of a capture have, in the order of its states. One processor wrote them all, so what one state tells counts
    /// for those that do not tell.
    /// </summary>
    /// <param name="capture">The capture. A layout that a state has counts unless it is a guess.</param>
    public static ImmutableArray<WriterLayout> Of(Capture capture)
    {
        ArgumentNullException.ThrowIfNull(capture);
        WriterLayout?[] known = [.. capture.States.Select(Told)];
        CapturedState[] open = [.. capture.States.Where((_, i) => known[i] is null)];
        if (open.Length == 0)
        {
            return [.. known.OfType<WriterLayout>()];
        }

        WriterLayout joint = Joint(open, lengthIsExact: capture.Kind == CaptureKind.Process);
        return [.. capture.States.Select((state, i) => known[i] ?? (state.Layout is { } guess ? WithGuess(joint, guess) : joint))];
    }

    /// <summary>
    /// The layout that a guest's CPUID tells of the processor that its area was saved on; null when it does not tell. KVM passes the host's
    /// sub-leaves of 0xD on. Two things make the area's layout another one: a CPUID template that hides a component takes its sub-leaf
    /// along, though the area may still hold it; and a relocated area keeps the guest's CPUID, but carries the MXCSR_MASK of the processor
    /// that it now fits.
    /// </summary>
    /// <param name="area">The area.</param>
    /// <param name="cpuid">The guest's CPUID.</param>
    /// <param name="name">What to call it, such as "the snapshot's CPUID".</param>
    public static Fact<XsaveLayout>? OfGuestCpuid(XsaveArea area, CpuidTable cpuid, string name)
    {
        ArgumentNullException.ThrowIfNull(cpuid);
        XsaveLayout told = XsaveLayout.FromCpuid(cpuid);
        StateComponentSet needed = (area.XstateBv & StateComponents.UserComponents).Except(StateComponentSet.Legacy);
        if (IsForeign(told, area.MxcsrMask))
        {
            ImmutableArray<LayoutFamily> fitting = LayoutInference.Candidates(needed | told.UserComponents, null, area.MxcsrMask);
            if (fitting is [var other] && other.MxcsrMask == area.MxcsrMask)
            {
                return Inferred(other.Layout, $"{other.Family}, by MXCSR_MASK 0x{area.MxcsrMask:x}; leaf 0xd of {name} has other offsets");
            }
        }

        bool tells = !cpuid.UserComponents.IsEmpty;
        if (tells && told.Components.ContainsAll(needed))
        {
            return new Fact<XsaveLayout>(told, FactSource.Cpuid, $"leaf 0xd of {name}");
        }

        StateComponentSet all = needed | told.UserComponents;
        LayoutFamily[] candidates = [.. LayoutInference.Candidates(all, null, area.MxcsrMask)
            .Where(candidate => Fits(told, candidate.Layout))];
        return candidates switch
        {
            [var only] => Inferred(only.Layout, $"{name}, and for what it hides: only {only.Family} places {all} like this"),
            _ => tells ? new Fact<XsaveLayout>(told, FactSource.Cpuid, $"leaf 0xd of {name}, which hides a component that the area has")
                : null,
        };
    }

    /// <summary>
    /// Whether the offsets that a CPUID tells are those of processors with another MXCSR_MASK than the area carries, and of none with the
    /// same.
    /// </summary>
    public static bool IsForeign(XsaveLayout told, uint mxcsrMask)
    {
        ArgumentNullException.ThrowIfNull(told);
        return mxcsrMask != 0
            && LayoutFamily.All.Any(family => family.MxcsrMask != mxcsrMask && Fits(told, family.Layout))
            && LayoutFamily.All.Any(family => family.MxcsrMask == mxcsrMask)
            && !LayoutFamily.All.Any(family => family.MxcsrMask == mxcsrMask && Fits(told, family.Layout));
    }

    /// <summary>
    /// The components that the writer had, as far as the area itself names them: its software mask where that is plausible, else those in
    /// use.
    /// </summary>
    internal static StateComponentSet Named(XsaveArea area)
    {
        StateComponentSet written = new(area.SoftwareMask);
        bool isPlausible = !written.IsEmpty && StateComponents.UserComponents.ContainsAll(written) && written.ContainsAll(area.XstateBv);
        return isPlausible ? written : area.XstateBv;
    }

    private static bool Fits(XsaveLayout told, XsaveLayout family) =>
        told.Slots.All(slot => slot.IsSupervisor || (family.TryGetSlot(slot.Component, out XsaveSlot same) && same.Offset == slot.Offset
            && same.Size == slot.Size));

    private static bool IsPackedAlike(XsaveLayout one, XsaveLayout other) =>
        one.Components == other.Components && one.Slots.Zip(other.Slots)
        .All(pair => pair.First.Size == pair.Second.Size && pair.First.IsAligned64 == pair.Second.IsAligned64);

    // What is known of one state without looking at others; null when it is open.
    private static WriterLayout? Told(CapturedState state)
    {
        if (state.Layout is { Provenance.Source: not FactSource.Guess } known)
        {
            return new WriterLayout(known, []);
        }

        XsaveArea area = state.ReadArea();
        return StateComponentSet.Legacy.ContainsAll(Named(area))
            ? Known(XsaveLayout.LegacyOnly, "x87 and SSE have one place on every processor")
            : state.GuestCpuid is { } cpuid && OfGuestCpuid(area, cpuid.Value, "the guest's CPUID") is { } told ? new WriterLayout(told, [])
            : null;
    }

    private static WriterLayout Joint(CapturedState[] states, bool lengthIsExact)
    {
        StateComponentSet components = StateComponentSet.Empty;
        uint[] masks = [.. states.Select(state => state.ReadArea().MxcsrMask).Where(mask => mask != 0).Distinct()];
        IEnumerable<LayoutFamily> families = LayoutFamily.All;
        foreach (CapturedState state in states)
        {
            XsaveArea area = state.ReadArea();
            StateComponentSet named = Named(area);
            components |= named;
            int? length = lengthIsExact && !area.IsCompacted && state.Layout is null ? state.Area.Length : null;
            families = families.Intersect(LayoutInference.Fitting(new LayoutEvidence(named)
            {
                ExactLength = length,
                MxcsrMask = masks is [var one] ? one : 0
            }));
        }

        return OneOf([.. families], components, isCompacted: states.All(state => state.ReadArea().IsCompacted));
    }

    private static WriterLayout OneOf(ImmutableArray<LayoutFamily> families, StateComponentSet components, bool isCompacted)
    {
        ImmutableArray<LayoutFamily> distinct = LayoutInference.Distinct(families, components);
        bool all = LayoutFamily.All.All(family => !family.Layout.UserComponents.ContainsAll(components) || families.Contains(family));
        return distinct switch
        {
            [] => new WriterLayout(null, []),
            [var one] when all && families.Length > 1 => Known(one.Layout, $"every known processor with {components} places it like this"),
            [var one] => Known(one.Layout, $"only {one.Family} places {components} like this"),
            [var one, ..] when isCompacted && distinct.All(other => IsPackedAlike(one.Layout, other.Layout)) =>
                Known(one.Layout, $"in the compacted format {components} has one place on every processor"),
            _ => new WriterLayout(null, distinct),
        };
    }

    // What a reader guessed it did for a reason of its own: it stays one of the possibilities.
    private static WriterLayout WithGuess(WriterLayout fitting, Fact<XsaveLayout> guess)
    {
        ImmutableArray<LayoutFamily> families = fitting.Layout is { } only
            ? [new LayoutFamily(only.Provenance.Detail, only.Value, 0)] : fitting.Families;
        return families.Any(family => family.Layout.Equals(guess.Value))
            ? new WriterLayout(fitting.Layout, fitting.Layout is null ? families : [])
            : new WriterLayout(null, [new LayoutFamily(guess.Provenance.Detail, guess.Value, 0), .. families]);
    }

    private static WriterLayout Known(XsaveLayout layout, string detail) => new(Inferred(layout, detail), []);

    private static Fact<XsaveLayout> Inferred(XsaveLayout layout, string detail) => new(layout, FactSource.Inferred, detail);
}
