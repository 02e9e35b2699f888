using Xstate.Architecture;
using Xstate.Lint;

namespace Xstate.Reports;

/// <summary>What <c>make-cpuid</c> made.</summary>
/// <param name="Base">The argument that named the base.</param>
/// <param name="Format">The format that was written.</param>
/// <param name="Made">The CPUID.</param>
internal sealed record MakeCpuidAnswer(string Base, string Format, MadeCpuid Made)
{
    /// <summary>Where it was written; null when it was not.</summary>
    public string? Output { get; init; }

    /// <summary>Removed features that the format has no name for.</summary>
    public IReadOnlyList<CpuidFeature> Unnamed { get; init; } = [];
}

/// <summary>The answer of <c>make-cpuid</c>.</summary>
internal static class MakeCpuidReport
{
    /// <summary>Writes text for people.</summary>
    public static void WriteText(TextWriter output, MakeCpuidAnswer answer)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(answer);
        CpuidTable made = answer.Made.Cpuid;
        foreach (string obstacle in answer.Made.Obstacles)
        {
            output.WriteLine($"  cannot: {obstacle}");
        }

        output.WriteLine(
            $"  XCR0 may enable {made.UserComponents.Describe()}, IA32_XSS {made.SupervisorComponents.Describe()}; standard area "
            + $"{made.LargestAreaLength} bytes");
        if (answer.Made.Removed.Length > 0)
        {
            output.WriteLine($"  without {string.Join(", ", answer.Made.Removed.Select(feature => feature.Name))}");
        }

        foreach (CpuidFeature feature in answer.Unnamed)
        {
            output.WriteLine($"  {answer.Format} has no name for {feature}: the guest gets it if the host has it");
        }

        output.WriteLine(answer.Output is null
            ? $"{answer.Base}: nothing written" : $"{answer.Base}: written to {answer.Output} as {answer.Format}");
    }

    /// <summary>Writes the JSON answer.</summary>
    public static void WriteJson(Stream output, MakeCpuidAnswer answer)
    {
        ArgumentNullException.ThrowIfNull(answer);
        JsonAnswer.Write(output, "make-cpuid", json =>
        {
            json.WriteString("base", answer.Base);
            json.WriteString("format", answer.Format);
            JsonAnswer.WriteOptional(json, "output", answer.Output);
            json.WriteString("userComponents", answer.Made.Cpuid.UserComponents.ToString());
            json.WriteString("supervisorComponents", answer.Made.Cpuid.SupervisorComponents.ToString());
            JsonAnswer.WriteStrings(json, "removed", answer.Made.Removed.Select(feature => feature.ToString()));
            JsonAnswer.WriteStrings(json, "unnamed", answer.Unnamed.Select(feature => feature.ToString()));
            JsonAnswer.WriteStrings(json, "obstacles", answer.Made.Obstacles);
            json.WriteStartArray("changes");
            foreach (CpuidChange change in answer.Made.Changes)
            {
                json.WriteStartObject();
                json.WriteString("leaf", change.Place.Field);
                json.WriteString("before", LintSink.Hex(change.Before));
                json.WriteString("after", LintSink.Hex(change.After));
                json.WriteEndObject();
            }

            json.WriteEndArray();
        });
    }
}
