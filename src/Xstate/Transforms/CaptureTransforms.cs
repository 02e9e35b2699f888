using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Transforms;

/// <summary>Changes of form that leave every register what it is.</summary>
internal static class CaptureTransforms
{
    /// <summary>
    /// A state in standard format, at the offsets of a layout: compacted areas are expanded, those of another processor relocated. Nothing
    /// changes where nothing has to.
    /// </summary>
    /// <param name="state">The state; its layout must be known.</param>
    /// <param name="to">The layout to write; null for the state's own.</param>
    /// <returns>The state, and as obstacles the components in use that have no place there.</returns>
    /// <exception cref="ArgumentException">The layout of the state is not known, or something would have to move and it is only
    /// guessed.</exception>
    public static Transformed<CapturedState> ToStandard(CapturedState state, XsaveLayout? to = null)
    {
        ArgumentNullException.ThrowIfNull(state);
        XsaveLayout from = state.Layout?.Value ?? throw new ArgumentException("the layout that the state was written with is not known",
            nameof(state));
        XsaveArea area = state.ReadArea();
        to ??= from;
        if (!area.IsCompacted && to.Equals(from))
        {
            return new Transformed<CapturedState>(state, [], []);
        }

        if (state.Layout.Provenance is { Source: FactSource.Guess } guess)
        {
            throw new ArgumentException($"the layout is a guess ({guess.Detail}) and nothing is moved from a guessed place", nameof(state));
        }

        byte[] written = new byte[Math.Max(XsaveFormat.ExtendedOffset, to.StandardLengthFor(state.Components & to.UserComponents))];
        StateComponentSet left = XsaveConversion.ToStandard(area.Bytes, from, written, to);
        ImmutableArray<RepairStep>.Builder steps = ImmutableArray.CreateBuilder<RepairStep>();
        if (area.IsCompacted)
        {
            steps.Add(new RepairStep(RepairKind.Expand, state.Id, "expanded from the compacted to the standard format"));
        }

        if (!to.Equals(from))
        {
            steps.Add(new RepairStep(RepairKind.Relocate, state.Id, "components moved to the offsets of the other processor"));
        }

        ImmutableArray<Finding> obstacles = left.IsEmpty ? [] : [Obstacle(state, left)];
        return new Transformed<CapturedState>(state with
        {
            Area = written,
            Layout = new Fact<XsaveLayout>(to, FactSource.Given, "converted"),
            Lost = LostAt(state, to)
        }, steps.ToImmutable(), obstacles);
    }

    /// <summary>
    /// Where the lost bytes of a state are when its components move to the offsets of another layout: they stay lost wherever their
    /// component goes.
    /// </summary>
    /// <param name="state">The state; its layout must be known.</param>
    /// <param name="to">The other layout.</param>
    public static ImmutableArray<AreaRange> LostAt(CapturedState state, XsaveLayout to)
    {
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(to);
        if (state.Lost.IsEmpty || state.Layout is null || (to.Equals(state.Layout.Value) && !state.ReadArea().IsCompacted))
        {
            return state.Lost;
        }

        XsaveLayout from = state.Layout.Value;
        XsaveArea area = state.ReadArea();
        List<AreaRange> moved = [];
        foreach (AreaRange lost in state.Lost)
        {
            Move(lost, 0, XsaveFormat.ExtendedOffset, 0);
            foreach (XsaveSlot slot in to.Slots)
            {
                if (from.TryLocate(slot.Component, area.XcompBv, area.Bytes.Length, out int offset, out int size))
                {
                    Move(lost, offset, Math.Min(size, slot.Size), slot.Offset);
                }
            }
        }

        return [.. moved.OrderBy(range => range.Offset)];

        void Move(AreaRange lost, int offset, int length, int destination)
        {
            int start = Math.Max(lost.Offset, offset);
            int end = Math.Min(lost.End, offset + length);
            if (start < end)
            {
                moved.Add(new AreaRange(start - offset + destination, end - start));
            }
        }
    }

    private static Finding Obstacle(CapturedState state, StateComponentSet left) =>
        new(Rules.NoPlaceInFormat, Severity.Error,
            $"{left} has no place in the standard format of that processor and would be lost")
        {
            Where = new FindingLocation(state.Id),
            Found = left.ToString()
        };
}
