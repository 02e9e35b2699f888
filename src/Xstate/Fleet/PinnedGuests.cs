using System.Collections.Immutable;
using Xstate.Architecture;

namespace Xstate.Fleet;

/// <summary>Guests that no other host can take.</summary>
/// <param name="Group">The guests.</param>
/// <param name="IsCertain">Whether that is so whatever is not known.</param>
internal sealed record PinnedGuests(GuestGroup Group, bool IsCertain)
{
    /// <summary>Components that keep them there: those that hosts lack which lack the fewest.</summary>
    public StateComponentSet Components { get; init; }

    /// <summary>Features that do.</summary>
    public ImmutableArray<string> Features { get; init; } = [];

    /// <summary>Kernel behaviours that do.</summary>
    public ImmutableArray<string> Differences { get; init; } = [];

    /// <summary>Rules of the errors.</summary>
    public ImmutableArray<string> Rules { get; init; } = [];
}
