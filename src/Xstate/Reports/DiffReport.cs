using System.Collections.Immutable;
using System.Text.Json;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Reports;

/// <summary>One side of a comparison.</summary>
/// <param name="File">Its name.</param>
/// <param name="Capture">Its capture, with layouts.</param>
/// <param name="Findings">What its decoder noticed, and what has to be said of its layout.</param>
internal sealed record DiffSide(string File, Capture Capture, IReadOnlyList<Finding> Findings);

/// <summary>Two captures side by side: what a program would see differently, and what is only noise.</summary>
internal static class DiffReport
{
    private const int NameWidth = 10;
    private const int OneLine = 48;
    private const int MostListed = 8;

    /// <summary>Writes the JSON answer.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="left">The left side.</param>
    /// <param name="right">The right side.</param>
    /// <param name="difference">Their comparison.</param>
    public static void WriteJson(Stream output, DiffSide left, DiffSide right, CaptureDifference difference)
    {
        ArgumentNullException.ThrowIfNull(difference);
        JsonAnswer.Write(output, "diff", json =>
        {
            WriteSide(json, "a", left);
            WriteSide(json, "b", right);
            json.WriteBoolean("same", difference.IsSame);
            json.WriteString("compared", IsComplete(difference) ? "all" : "part");
            json.WriteStartArray("states");
            foreach (StateDifference state in difference.States)
            {
                WriteState(json, state);
            }

            json.WriteEndArray();
            WriteIds(json, "onlyInA", difference.UnmatchedLeft);
            WriteIds(json, "onlyInB", difference.UnmatchedRight);
        });
    }

    /// <summary>Writes text for people.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="left">The left side.</param>
    /// <param name="right">The right side.</param>
    /// <param name="difference">Their comparison.</param>
    public static void WriteText(TextWriter output, DiffSide left, DiffSide right, CaptureDifference difference)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(difference);
        string idName = FindingText.UnitOf(left.Capture.Kind);

        // Whoever sees it reads the verdict first; in a pipe it has always been the last line.
        if (output is ITextLayout)
        {
            WriteVerdict(output, difference);
        }

        WriteSide(output, "a", left);
        WriteSide(output, "b", right);
        foreach (StateDifference state in difference.States)
        {
            WriteState(output, state, idName);
        }

        foreach (int id in difference.UnmatchedLeft)
        {
            output.WriteLine($"{idName} {id}: only in a");
        }

        foreach (int id in difference.UnmatchedRight)
        {
            output.WriteLine($"{idName} {id}: only in b");
        }

        if (output is not ITextLayout)
        {
            WriteVerdict(output, difference);
        }
    }

    private static void WriteVerdict(TextWriter output, CaptureDifference difference)
    {
        (TextMark mark, string verdict) = !difference.IsSame ? (TextMark.Wrong, "a program sees a difference")
            : IsComplete(difference) ? (TextMark.Fine, "a program sees the same in both")
            : (TextMark.Doubtful, "a program sees the same as far as both are known; the rest was not compared");
        output.MarkLine("", mark, verdict);
    }

    private static bool IsComplete(CaptureDifference difference) => difference.States.All(state => state.IsComplete);

    private static void WriteSide(Utf8JsonWriter json, string name, DiffSide side)
    {
        json.WriteStartObject(name);
        json.WriteString("file", side.File);
        json.WriteString("format", side.Capture.Format);
        JsonAnswer.WriteFindings(json, side.Findings);
        json.WriteEndObject();
    }

    private static void WriteSide(TextWriter output, string name, DiffSide side)
    {
        output.WriteLine($"{name}: {side.File}, {side.Capture.Format}");
        FindingText.Write(output, side.Findings, FindingText.UnitOf(side.Capture.Kind), "   ");
    }

    private static void WriteState(Utf8JsonWriter json, StateDifference state)
    {
        json.WriteStartObject();
        json.WriteNumber("a", state.LeftId);
        json.WriteNumber("b", state.RightId);
        WriteContrasts(json, "differences", "register",
            state.Registers.Select(register => (register.Register, register.Left, register.Right)));
        WriteContrasts(json, "noise", "what", state.Noise.Select(noise => (noise.What, noise.Left, noise.Right)));
        JsonAnswer.WriteStrings(json, "knownOnlyInA", state.OnlyLeft);
        JsonAnswer.WriteStrings(json, "knownOnlyInB", state.OnlyRight);
        json.WriteEndObject();
    }

    private static void WriteContrasts(Utf8JsonWriter json, string name, string subject,
        IEnumerable<(string Subject, string Left, string Right)> contrasts)
    {
        json.WriteStartArray(name);
        foreach ((string what, string left, string right) in contrasts)
        {
            json.WriteStartObject();
            json.WriteString(subject, what);
            json.WriteString("a", left);
            json.WriteString("b", right);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteIds(Utf8JsonWriter json, string name, IEnumerable<int> ids)
    {
        json.WriteStartArray(name);
        foreach (int id in ids)
        {
            json.WriteNumberValue(id);
        }

        json.WriteEndArray();
    }

    private static void WriteState(TextWriter output, StateDifference state, string idName)
    {
        output.WriteLine();
        output.MarkLine("", TextMark.Heading,
            state.LeftId == state.RightId ? $"{idName} {state.LeftId}" : $"{idName} {state.LeftId} and {state.RightId}");
        output.WriteList(state.Registers, MostListed, "  ", ("register", "registers"), register => WriteRegister(output, register));

        if (state.Registers.IsEmpty)
        {
            output.WriteLine(state.IsComplete ? "  every register is the same" : "  every register that both have is the same");
        }

        if (!state.Noise.IsEmpty)
        {
            output.WriteLine("  noise, which no register shows:");
            output.WriteList(state.Noise, MostListed, "    ", ("place", "places"),
                noise => output.WriteLine($"    {noise.What}: a {noise.Left}, b {noise.Right}"));
        }

        if (!state.OnlyLeft.IsEmpty || !state.OnlyRight.IsEmpty)
        {
            IEnumerable<string> sides = [.. Side(state.OnlyLeft, "a"), .. Side(state.OnlyRight, "b")];
            output.WriteLine($"  not compared: {string.Join("; ", sides)}");
        }
    }

    private static void WriteRegister(TextWriter output, RegisterContrast register)
    {
        string name = NameOf(register.Register);
        if (register.Left.Length + register.Right.Length <= OneLine)
        {
            output.WriteHanging($"  {name,-NameWidth} ", $"a {register.Left}, b {register.Right}");
            return;
        }

        output.WriteHanging($"  {name,-NameWidth} a ", register.Left);
        output.WriteHanging($"  {"",-NameWidth} b ", register.Right);
    }

    private static IEnumerable<string> Side(ImmutableArray<string> names, string side) =>
        names.IsEmpty ? [] : [$"{string.Join(", ", names.Select(NameOf))} (only in {side})"];

    // A model-specific register has a number in JSON and its name beside it here.
    private static string NameOf(string register)
    {
        const string Prefix = "msr 0x";
        return register.StartsWith(Prefix, StringComparison.Ordinal)
            && MsrNames.Find(Convert.ToUInt32(register[Prefix.Length..], 16)) is { } name
            ? $"{register} {name.ToLowerInvariant()}" : register;
    }
}
