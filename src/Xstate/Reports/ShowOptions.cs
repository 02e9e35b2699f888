using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Reports;

/// <summary>What of a capture is shown, and how.</summary>
internal sealed record ShowOptions
{
    /// <summary>Everything, in its usual form.</summary>
    public static ShowOptions Default { get; } = new();

    /// <summary>Whether registers with their initial value are listed too, not only counted.</summary>
    public bool All { get; init; }

    /// <summary>Whether areas are drawn to scale, in place of the registers.</summary>
    public bool Draw { get; init; }

    /// <summary>For a drawing, the components of each state that a target does not take; default without one.</summary>
    internal ImmutableArray<StateComponentSet> LeftOut { get; init; }

    /// <summary>The one virtual CPU or thread that is shown; null for all.</summary>
    public int? State { get; init; }

    /// <summary>The registers that are shown; null for all.</summary>
    public RegisterSelection? Registers { get; init; }

    /// <summary>The view of registers; null for their usual notation.</summary>
    public ElementView? View { get; init; }

    /// <summary>Whether something was chosen: then every register is a line of its own, with its thread.</summary>
    public bool IsSelective => State is not null || Registers is not null || View is not null;
}
