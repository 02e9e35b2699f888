using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors.Linux;

namespace Xstate.Rehearsal;

/// <summary>
/// What a restore assumes of components that the file of a process does not hold (<see cref="CapturedState.Recorded"/>). They are never
/// compared, but what becomes of the registers that are there can hang on them.
/// </summary>
/// <param name="ProcessorHasXsave">Whether the processor that the process ran on had XSAVE.</param>
/// <param name="InUse">Components that the threads are taken to use.</param>
internal sealed record UnrecordedState(bool ProcessorHasXsave, StateComponentSet InUse)
{
    /// <summary>
    /// Chooses what is assumed: an alternative only where the outcome can hang on it. Null when the file holds every thread
    /// whole.
    /// </summary>
    internal static UnrecordedState? Choose(Capture capture, LinuxHost host, CriuRelease release, FactChoices choices)
    {
        if (capture.States.All(state => state.Recorded is null))
        {
            return null;
        }

        if (!host.HasXsave)
        {
            OpenFact xsave = new(OpenFact.Xcr0, null, "whether the processor of the process had XSAVE is not in the file",
                "a core with NT_X86_XSTATE, or criu dump", ["with XSAVE", "x87 and SSE alone"]);
            return new UnrecordedState(choices.Choose(xsave) == 0, StateComponentSet.Empty);
        }

        if (release.RestoresUnused || !capture.States.Any(state => DecidesMxcsr(state, host)))
        {
            return new UnrecordedState(true, StateComponentSet.Empty);
        }

        OpenFact avx = new(OpenFact.InUse, "avx", "whether the threads use AVX is not in the file, and MXCSR goes with AVX",
            "a core with NT_X86_XSTATE (gcore, or the kernel's), or criu dump", ["in use", "initial"]);
        return new UnrecordedState(true, choices.Choose(avx) == 0 ? StateComponentSet.Of(StateComponent.Avx) : StateComponentSet.Empty);
    }

    /// <summary>Whether MXCSR of a thread, which the file has, hangs on AVX, which it has not.</summary>
    internal static bool DecidesMxcsr(CapturedState state, LinuxHost host) =>
        state.Recorded is { } recorded && recorded.Contains(StateComponent.Sse) && !recorded.Contains(StateComponent.Avx)
            && CriuRestore.MxcsrGoesWithAvx(state, host);
}
