using System.Collections.Immutable;
using System.Globalization;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;

namespace Xstate.Rehearsal;

/// <summary>
/// Alternate signal stacks that were large enough where the process came from, and are not where it goes: the frame of a signal holds every
/// component that the processor has, in use or not.
/// </summary>
internal static class SignalStackHazard
{
    /// <summary>Stacks that are too small where they are: for frames of the processor that wrote the state.</summary>
    public static IEnumerable<Finding> Check(Capture capture)
    {
        foreach (CapturedState state in capture.States)
        {
            if (state is { SignalStack: { IsEnabled: true } stack, Layout: { Provenance.Source: not FactSource.Guess } layout }
                && AreaOf(state, layout.Value) is var area && !stack.Holds(area, state.Is32Bit))
            {
                yield return TooSmall(state, stack, area, "its own processor", "ends the process with SIGSEGV from Linux 5.14 on");
            }
        }

        // A running process keeps what it was told when it started, wherever it was restored since.
        if (capture.Source?.Value is { } here && KernelBehavior.Of(here) is { } behavior
            && ToldSmaller(capture, new LinuxHost(here, behavior)) is { } told)
        {
            yield return told;
        }
    }

    /// <summary>
    /// Bytes of the area in a frame of the processor that wrote the state, for a thread that never asked for a dynamic component.
    /// </summary>
    public static int AreaOf(CapturedState state, XsaveLayout layout) =>
        layout.StandardLengthFor(state.Components.Without(StateComponent.TileData) & layout.UserComponents | StateComponentSet.Legacy);

    /// <summary>Finds them, and says what a process was told of the size of frames.</summary>
    public static void Check(ImmutableArray<Finding>.Builder findings, Capture capture, LinuxHost host)
    {
        int area = host.SignalArea;
        foreach (CapturedState state in capture.States)
        {
            if (state.SignalStack is { IsEnabled: true } stack && !stack.Holds(area, state.Is32Bit))
            {
                string end = host.Behavior.Has(KernelDifference.SignalStackChecked)
                    ? "ends the process with SIGSEGV" : "overwrites what lies below the stack";
                findings.Add(TooSmall(state, stack, area, host.Record.Name, end));
            }
        }

        if (ToldSmaller(capture, host) is { } finding)
        {
            findings.Add(finding);
        }
    }

    private static Finding? ToldSmaller(Capture capture, LinuxHost host) =>
        capture.MinSignalStack is not { } told || told.Value >= (ulong)host.MinSignalStack ? null
            : Rules.SignalStackToldSmaller.At(
                new FindingLocation(),
                string.Create(CultureInfo.InvariantCulture,
                    $"the process was told that the frame of a signal has at most {told.Value} bytes; {host.Record.Name} says "
                    + $"{host.MinSignalStack}")) with
            {
                Found = string.Create(CultureInfo.InvariantCulture, $"{told.Value} bytes"),
                Expected = string.Create(CultureInfo.InvariantCulture, $"{host.MinSignalStack} bytes"),
            };

    private static Finding TooSmall(CapturedState state, SignalStack stack, int area, string processor, string end)
    {
        ulong needed = stack.Needed(area, state.Is32Bit);
        return Rules.SignalStackTooSmall.At(
            new FindingLocation(state.Id),
            string.Create(CultureInfo.InvariantCulture,
                $"the alternate signal stack has {stack.Size} bytes, and the frame of a signal on {processor} needs {needed}: the first "
                + $"signal that is handled on it {end}")) with
        {
            Found = string.Create(CultureInfo.InvariantCulture, $"{stack.Size} bytes"),
            Expected = string.Create(CultureInfo.InvariantCulture, $"more than {needed} bytes"),
        };
    }
}
