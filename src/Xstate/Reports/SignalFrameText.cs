using System.Globalization;
using System.Text.Json;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Rehearsal;

namespace Xstate.Reports;

/// <summary>What the frame of a signal takes on a processor: a handler needs that much stack before its first instruction.</summary>
internal static class SignalFrameText
{
    /// <summary>One line for people.</summary>
    /// <param name="cpuid">The processor.</param>
    /// <param name="enabled">The kernel's XCR0; null for all components that the processor has.</param>
    public static string Of(CpuidTable cpuid, StateComponentSet? enabled)
    {
        (int usual, int largest) = Sizes(cpuid, enabled);
        string least = string.Create(CultureInfo.InvariantCulture, $"frame of a signal: up to {usual} bytes of stack");
        return usual == largest
            ? string.Create(CultureInfo.InvariantCulture, $"{least} (AT_MINSIGSTKSZ)")
            : string.Create(CultureInfo.InvariantCulture, $"{least}, {largest} in a process that uses AMX (AT_MINSIGSTKSZ)");
    }

    /// <summary>The same as JSON.</summary>
    public static void Write(Utf8JsonWriter json, CpuidTable cpuid, StateComponentSet? enabled)
    {
        (int usual, int largest) = Sizes(cpuid, enabled);
        json.WriteStartObject("signalFrame");
        json.WriteNumber("bytes", usual);
        json.WriteNumber("withTileData", largest);
        json.WriteNumber("minSignalStack", largest);
        json.WriteEndObject();
    }

    /// <summary>What a process was told, and the stacks of its threads.</summary>
    public static void WriteText(TextWriter output, Capture capture)
    {
        if (capture.MinSignalStack is { } told)
        {
            string unknown = capture.States.Any(state => state.SignalStack is not null) ? ""
                : "; neither cores nor /proc and ptrace tell which alternate stacks threads have";
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"AT_MINSIGSTKSZ {told.Value}: stack that the frame of a signal takes at most{unknown}"));
        }

        foreach (CapturedState state in capture.States)
        {
            if (state is { SignalStack: { IsEnabled: true } stack, Layout: { } layout })
            {
                output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"thread {state.Id} has an alternate signal stack of {stack.Size} bytes at 0x{stack.Address:x}; the frame of a "
                    + $"signal takes {stack.Needed(SignalStackHazard.AreaOf(state, layout.Value), state.Is32Bit)}"));
            }
        }
    }

    /// <summary>What a process was told.</summary>
    public static void WriteAnnounced(Utf8JsonWriter json, Capture capture)
    {
        if (capture.MinSignalStack is { } told)
        {
            json.WriteNumber("minSignalStack", told.Value);
        }
    }

    /// <summary>The alternate stack of a thread.</summary>
    public static void WriteStack(Utf8JsonWriter json, CapturedState state)
    {
        if (state is { SignalStack: { } stack, Layout: { } layout })
        {
            json.WriteStartObject("signalStack");
            json.WriteBoolean("enabled", stack.IsEnabled);
            json.WriteString("address", string.Create(CultureInfo.InvariantCulture, $"0x{stack.Address:x}"));
            json.WriteNumber("size", stack.Size);
            json.WriteNumber("needed", stack.Needed(SignalStackHazard.AreaOf(state, layout.Value), state.Is32Bit));
            json.WriteEndObject();
        }
    }

    private static (int Usual, int Largest) Sizes(CpuidTable cpuid, StateComponentSet? enabled)
    {
        XsaveLayout layout = XsaveLayout.FromCpuid(cpuid);
        StateComponentSet components = (enabled ?? layout.UserComponents) & layout.UserComponents;
        return (SignalStack.Announced(LengthFor(layout, components.Without(StateComponent.TileData))),
            SignalStack.Announced(LengthFor(layout, components)));
    }

    private static int LengthFor(XsaveLayout layout, StateComponentSet components) =>
        components.IsEmpty ? XsaveFormat.LegacyLength : layout.StandardLengthFor(components);
}
