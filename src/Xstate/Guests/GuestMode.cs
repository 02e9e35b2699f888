namespace Xstate.Guests;

/// <summary>The mode in which guest code starts.</summary>
internal enum GuestMode
{
    /// <summary>64-bit mode with four-level paging.</summary>
    Long,

    /// <summary>Real-address mode, 16-bit code.</summary>
    Real,
}
