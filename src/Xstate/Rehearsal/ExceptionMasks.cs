using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Rehearsal;

/// <summary>
/// Finds states whose MXCSR or FCW masks no exception: the next inexact operation traps. Areas full of zeros look like that, and a restore
/// takes them as they are.
/// </summary>
internal static class ExceptionMasks
{
    private const ulong MxcsrMasks = 0x1F80;
    private const ulong FcwMasks = 0x3F;

    // FCW after RESET (SDM Vol. 3A, table 10-1): a virtual CPU that never executed FNINIT has it.
    private const ulong FcwAfterReset = 0x40;

    /// <summary>What has to be said of the states of a capture.</summary>
    public static ImmutableArray<Finding> Check(Capture capture)
    {
        ArgumentNullException.ThrowIfNull(capture);
        return [.. capture.States.Where(state => state.Layout is not null).SelectMany(state => Check(state, capture.Kind))];
    }

    private static IEnumerable<Finding> Check(CapturedState state, CaptureKind kind)
    {
        string signal = kind == CaptureKind.Process ? "SIGFPE" : "#XM or #MF";
        if (state.TryReadRegister("mxcsr", out ulong mxcsr, out _) && (mxcsr & MxcsrMasks) == 0)
        {
            yield return Of(state, "mxcsr", mxcsr, Mxcsr.Initial, $"the next SSE operation with an inexact result ends in {signal}");
        }

        if (state.TryReadRegister("fcw", out ulong fcw, out _) && (fcw & FcwMasks) == 0
            && (kind == CaptureKind.Process || fcw != FcwAfterReset))
        {
            yield return Of(state, "fcw", fcw, XsaveFormat.InitialFcw, $"the next x87 operation with an inexact result ends in {signal}");
        }
    }

    private static Finding Of(CapturedState state, string register, ulong found, ulong initial, string end) =>
        RestoreRehearsal.OfRule(Rules.ExceptionsUnmasked, $"{register} 0x{found:x} masks no exception: {end}",
            new FindingLocation(state.Id, Register: register)) with
        {
            Found = $"0x{found:x}",
            Expected = $"0x{initial:x}, the initial value"
        };
}
