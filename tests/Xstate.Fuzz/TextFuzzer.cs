using System.Text.Json;
using System.Text.RegularExpressions;
using Xstate.Tests.Artifacts.Mutations;

namespace Xstate.Fuzz;

/// <summary>
/// Each text of each sample in turn with escape sequences, marks of direction and a forged line in it, through every verb that reads files:
/// neither reaches the terminal, and JSON has it complete. Cases are all places in an order that spreads them.
/// </summary>
internal sealed partial class TextFuzzer : Fuzzer, IDisposable
{
    private const string Host = "samples/hosts/intel-icelake.json@linux-6.12";
    private const string Sample = "samples/captures/leaked-pkru.json";

    // A prime larger than the number of places: its multiples meet each place once.
    private const long Step = 1_000_003;

    private readonly IReadOnlyList<TextPlace> _places =
        TextPlaces.Find([.. MutationSamples.Own(),
            .. ScenarioFuzzer.Samples.Select((bytes, i) => new MutationSample($"scenario {i}", "scenario", bytes))]);

    private readonly string _folder = Directory.CreateTempSubdirectory("xstate-fuzz-").FullName;

    /// <summary>How many places there are.</summary>
    public int Places => _places.Count;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    protected override ulong Seed => 0x5EED_0F30_0000_0000;

    protected override void One(ref SplitMix64 random)
    {
        TextPlace place = _places[(int)(Current * Step % _places.Count)];
        string path = Path.Combine(_folder, "in");
        string output = Path.Combine(_folder, "out");
        File.WriteAllBytes(path, place.Replace());
        Count($"{place.Format}: places");
        string[][] lines =
        [
            ["show", path, "--all"], ["check", path, "--on", Host], ["check", Sample, "--on", $"{path}@linux-6.12"],
                ["check", Sample, "--on", path],
            ["check", Sample, "--on", Host, "--guest-cpuid", path], ["diff", path, Sample], ["diff", Sample, path], ["lint", path],
                ["set", path, "mxcsr=0x1f81", "-o", output],
            ["fix", path, "--on", Host, "-o", output], ["convert", path, "--to", "xstate-capture", "-o", output], ["make-cpuid", path],
            ["run", path, "--backend", "model", "--host", Host, "--text"], ["fix", Sample, $"--undo={path}", "-o", output],
        ];
        foreach (string[] line in lines)
        {
            Hold(place, line, isText: true);
            if (line is not ["run", ..])
            {
                Hold(place, [.. line, "--json"], isText: false);
            }
        }

        Hold(place, ["lint", path, "--sarif"], isText: false);
        Hold(place, ["run", path, "--backend", "model", "--host", Host], isText: false);
    }

    private void Hold(TextPlace place, string[] line, bool isText)
    {
        foreach (string name in (string[])["out", "out.undo.json"])
        {
            File.Delete(Path.Combine(_folder, name));
        }

        CommandRun run = CommandRun.Perform([], new FileInfo(Path.Combine(_folder, "in")).Length, line);
        Count($"runs of {line[0]}");
        string where = $"{place.Sample}, {place.Where}";
        run.Require(!HasForgedLine(run.Error) && (!isText || !HasForgedLine(run.Output)), "a forged line", where);
        if (isText)
        {
            return;
        }

        run.RequireJson(lines: line[0] == "run");
        foreach (string value in run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Take(line[0] == "run" ? int.MaxValue : 0)
            .DefaultIfEmpty(run.Output))
        {
            if (value.Length > 0 && place.IsWhole)
            {
                using JsonDocument document = JsonDocument.Parse(value);
                // A field that is the text has all of it; a sentence that quotes it says how much it leaves out.
                string? cut = Strings(document.RootElement).FirstOrDefault(text => text.Contains("FORGED: loads", StringComparison.Ordinal)
                    && !text.Contains(TextPlaces.End, StringComparison.Ordinal) && !LeftOut().IsMatch(text));
                run.Require(cut is null, "a text that JSON has not complete", $"{where}: {cut}");
            }
        }
    }

    [GeneratedRegex(@"\(\d+ more( characters)?\)", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex LeftOut();

    private static bool HasForgedLine(string text) => text.Split('\n')
        .Any(line => line.TrimStart().StartsWith("FORGED", StringComparison.Ordinal));

    private static IEnumerable<string> Strings(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.String => [element.GetString()!],
        JsonValueKind.Array => element.EnumerateArray().SelectMany(Strings),
        JsonValueKind.Object => element.EnumerateObject().SelectMany(member => Strings(member.Value).Prepend(member.Name)),
        _ => [],
    };
}
