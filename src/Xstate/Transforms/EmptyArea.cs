using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Transforms;

/// <summary>
/// An area of a virtual CPU that holds nothing at all, as a protected guest's reads or a failed read leaves one: no snapshot.
/// </summary>
internal static class EmptyArea
{
    /// <summary>Whether a state's area is one: a guest that runs has an MXCSR, and so has one that never ran, 0x1f80.</summary>
    public static bool Is(CapturedState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        ReadOnlySpan<byte> area = state.Area.Span;
        return state.Stored is null && !area[..Math.Min(area.Length, XsaveFormat.ExtendedOffset)].ContainsAnyExcept((byte)0);
    }

    /// <summary>The finding for each virtual CPU of a capture with such an area.</summary>
    public static IEnumerable<Finding> Check(Capture capture)
    {
        ArgumentNullException.ThrowIfNull(capture);
        return capture.States.Where(state => capture.Kind == CaptureKind.VirtualMachine && Is(state))
            .Select(state => Rules.AllZeroArea.At(new FindingLocation(state.Id, XsaveFormat.MxcsrOffset),
                "the area holds nothing: MXCSR 0, FCW 0 and XSTATE_BV 0, which no guest has") with
            {
                Found = "0x0",
                Expected = "MXCSR 0x1f80 at least",
            });
    }
}
