namespace Xstate.Guests;

/// <summary>Why a modelled guest stopped.</summary>
internal enum GuestStopKind
{
    Halted,
    PortAccess,
    TripleFault,

    /// <summary>The hypervisor could no longer enter it.</summary>
    EntryFailed,

    /// <summary>More instructions than the model executes.</summary>
    TooLong,

    /// <summary>Something that the model does not know.</summary>
    NotModelled,
}

/// <summary>How a modelled guest stopped.</summary>
/// <param name="Kind">Why.</param>
/// <param name="What">What it is that is not modelled.</param>
internal readonly record struct GuestStop(GuestStopKind Kind, string? What = null);
