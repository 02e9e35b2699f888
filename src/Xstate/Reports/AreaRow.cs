using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Reports;

/// <summary>What becomes of a component's state in an area, for a drawing.</summary>
internal enum AreaUse
{
    /// <summary>XSTATE_BV has it.</summary>
    InUse,

    /// <summary>It has a place and its initial value.</summary>
    Initial,

    /// <summary>It is in use, and the guest cannot have put it there: its CPUID or its XCR0 lacks it.</summary>
    Hidden,

    /// <summary>The guest has it, and the file does not hold it.</summary>
    Dropped,

    /// <summary>It is in use, and a target does not take it.</summary>
    LeftOut,

    /// <summary>What XSAVE itself writes.</summary>
    Header,
}

/// <summary>A line of a drawing: a part of the area.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Offset">Its first byte.</param>
/// <param name="Size">Its bytes; 0 where it has no place.</param>
/// <param name="Use">What becomes of it.</param>
internal sealed record AreaRow(string Name, int Offset, int Size, AreaUse Use)
{
    /// <summary>The parts of a state's area, in the order of their places; those without one last.</summary>
    /// <param name="state">The state.</param>
    /// <param name="layout">Its layout.</param>
    /// <param name="leftOut">The components that a target does not take.</param>
    public static IEnumerable<AreaRow> Of(CapturedState state, XsaveLayout layout, StateComponentSet leftOut)
    {
        XsaveArea area = state.ReadArea();
        List<AreaRow> rows = [new("header", XsaveFormat.LegacyLength, XsaveFormat.HeaderLength, AreaUse.Header)];
        StateComponentSet dropped = Dropped(state, layout, area);
        foreach (StateComponent component in state.Components | area.XstateBv | dropped)
        {
            (int offset, int size, bool found) = ShowReport.Place(component, layout, area);
            AreaUse use = dropped.Contains(component) || !found ? AreaUse.Dropped
                : !area.XstateBv.Contains(component) ? AreaUse.Initial
                : leftOut.Contains(component) ? AreaUse.LeftOut
                : IsHidden(state, component) ? AreaUse.Hidden : AreaUse.InUse;

            // Where the area ends before it, its place is known nevertheless.
            rows.Add(new AreaRow(StateComponents.NameOf(component), offset, size, use));
        }

        return rows.OrderBy(row => row.Size == 0).ThenBy(row => row.Offset);
    }

    // What a guest has enabled of the components that this format has a place for, and what of it the file does not hold.
    private static StateComponentSet Dropped(CapturedState state, XsaveLayout layout, XsaveArea area)
    {
        StateComponentSet dropped = state.NotRecorded;
        foreach (StateComponent component in state.Xcr0?.Value ?? StateComponentSet.Empty)
        {
            bool isLegacy = component is StateComponent.X87 or StateComponent.Sse;
            if (!isLegacy && !layout.TryLocate(component, area.XcompBv, area.Bytes.Length, out _, out _))
            {
                dropped |= StateComponentSet.Of(component);
            }
        }

        return dropped;
    }

    /// <summary>
    /// Whether the guest cannot have put a component there that is in use: its CPUID, or its XCR0, lacks it. PKRU is the guest's by CR4.PKE
    /// alone.
    /// </summary>
    public static bool IsHidden(CapturedState state, StateComponent component)
    {
        bool isInCpuid = state.GuestCpuid is not { } cpuid
            || (cpuid.Value.UserComponents | cpuid.Value.SupervisorComponents).Contains(component);
        bool isEnabled = state.Xcr0 is not { } xcr0 || StateComponents.SupervisorComponents.Contains(component)
            || component == StateComponent.Pkru || xcr0.Value.Contains(component);
        return component is not (StateComponent.X87 or StateComponent.Sse) && !(isInCpuid && isEnabled);
    }
}
