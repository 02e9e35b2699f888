using System.Text;
using Xstate.Tests.Support;
using Xstate.WorldSwitch;

namespace Xstate.Tests.WorldSwitch;

/// <summary>docs/world-switch.md contains what explorations say, and nothing else, between its markers.</summary>
public class WorldSwitchDocumentTests
{
    private const string Start = "<!-- generated: what follows is written by WorldSwitchDocumentTests with XSTATE_UPDATE_DOCS=1 -->";
    private const string End = "<!-- end of the generated part -->";

    [Fact]
    public void The_tables_are_what_explorations_find_now()
    {
        string path = Repository.PathOf("docs", "world-switch.md");
        string document = File.ReadAllText(path);
        int start = document.IndexOf(Start, StringComparison.Ordinal) + Start.Length;
        int end = document.IndexOf(End, StringComparison.Ordinal);
        Assert.InRange(start, Start.Length, end);

        string generated = Generate();
        if (Environment.GetEnvironmentVariable("XSTATE_UPDATE_DOCS") == "1")
        {
            File.WriteAllText(path, document[..start] + generated + document[end..]);
            return;
        }

        Assert.Equal(generated, document[start..end]);
    }

    private static string Generate()
    {
        List<ExplorationResult> results =
            [.. SwitchProtocols.All.Select(protocol => Exploration.Of(protocol.Id,
                new ExplorationOptions { Vcpus = 1, Cpus = 1, Threads = 1 }))];
        Assert.All(results, result => Assert.True(result.Complete));
        StringBuilder text = new("\n\n");
        text.Append(
            "Every protocol with one vCPU on one processor under the default events, explored completely. A number is the length of a "
            + "shortest trace to a violation; · holds.\n\n");
        text.Append("| protocol | kind | states |").AppendJoin("", Invariants.All.Select(invariant => $" {invariant.Id} |")).Append('\n');
        text.Append("|---|---|---:|").AppendJoin("", Invariants.All.Select(_ => "---:|")).Append('\n');
        foreach (ExplorationResult result in results)
        {
            text.Append($"| `{result.Protocol.Id}` | {KindOf(result)} | {result.States} |");
            text.AppendJoin("", Invariants.All.Select(invariant => $" {result.Of(invariant.Invariant)?.Trace.Length.ToString() ?? "·"} |"))
                .Append('\n');
        }

        text.Append(
            "\nEach invariant, and the protocols broken on purpose that violate it:\n\n| invariant | must hold | violated by "
            + "|\n|---|---|---|\n");
        foreach (InvariantInfo invariant in Invariants.All)
        {
            IEnumerable<string> broken = results
                .Where(result => result.Protocol.Kind == ProtocolKind.Broken && result.Of(invariant.Invariant) is not null)
                .Select(result => $"`{result.Protocol.Id}`");
            text.Append($"| `{invariant.Id}` | {invariant.Statement} | {string.Join(", ", broken)} |\n");
        }

        text.Append("\nWhat each protocol is:\n\n");
        foreach (SwitchProtocol protocol in SwitchProtocols.All)
        {
            text.Append($"- `{protocol.Id}`: {protocol.Summary}\n");
        }

        return text.Append('\n').ToString();
    }

    private static string KindOf(ExplorationResult result) => result.Protocol.Kind.ToString().ToLowerInvariant();
}
