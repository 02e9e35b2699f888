using System.Text.Json;
using System.Xml.Linq;
using Xstate.Reports;
using Xstate.Tests.Support;
using Xstate.Tests.WorldSwitch;
using Xstate.WorldSwitch;

namespace Xstate.Tests.Reports;

public class ExploreReportTests
{
    private static readonly ExplorationOptions Small = new() { Vcpus = 1, Cpus = 2 };

    [Theory]
    [InlineData("kvm-vmx-5.7")]
    [InlineData("kvm-svm-5.8")]
    [InlineData("kvm-vmx-5.8-xfd-err-not-cleared")]
    public void The_json_answer_fits_its_schema(string id)
    {
        using MemoryStream stream = new();
        ExplorationResult result = Exploration.Of(id, Small);
        ExploreReport.WriteJson(stream, result);

        JsonElement answer = JsonDocument.Parse(stream.ToArray()).RootElement;
        Assert.Empty(new JsonSchema("explore.answer.schema.json").Errors(answer));
        Assert.Equal(["schemaVersion", "verb", "protocol"], answer.EnumerateObject().Take(3).Select(member => member.Name));
        Assert.Equal(result.States, answer.GetProperty("states").GetInt64());
        Assert.Equal(
            result.Violations.Select(violation => Invariants.Of(violation.Invariant).Id),
            answer.GetProperty("violations").EnumerateArray().Select(violation => violation.GetProperty("invariant").GetString()));
    }

    [Fact]
    public void The_schema_knows_every_invariant()
    {
        string schema = File.ReadAllText(Repository.PathOf("docs", "schemas", "explore.answer.schema.json"));
        Assert.All(Invariants.All, invariant => Assert.Contains($"\"{invariant.Id}\"", schema, StringComparison.Ordinal));
    }

    [Fact]
    public void The_list_names_every_protocol_invariant_and_event()
    {
        StringWriter text = new();
        ExploreReport.WriteList(text, SwitchProtocols.All);

        IEnumerable<string> names = SwitchProtocols.All.Select(protocol => protocol.Id)
            .Concat(Invariants.All.Select(invariant => invariant.Id))
            .Concat(HostEventCatalogue.All.Select(entry => entry.Id));
        Assert.All(names, name => Assert.Contains($"  {name} ", text.ToString(), StringComparison.Ordinal));
    }

    [Fact]
    public void The_text_shows_every_step_of_a_trace()
    {
        ExplorationResult result = Exploration.Of("kvm-svm-6.19", Small);
        StringWriter text = new();
        ExploreReport.WriteText(text, result, traces: true);

        string[] lines = text.ToString().Split('\n');
        InvariantViolation violation = Assert.Single(result.Violations);
        Assert.Contains("host-user-access-under-guest-pkru  VIOLATED in 25 steps", text.ToString(), StringComparison.Ordinal);
        Assert.Contains("guest-observes-host-pkru           holds", text.ToString(), StringComparison.Ordinal);
        Assert.All(violation.Trace, step => Assert.Contains(lines, line => line.Contains(step.Step, StringComparison.Ordinal)));
        Assert.Contains("cpu0 vcpu0 !  host kernel  NMI", text.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void An_exploration_that_was_stopped_claims_nothing()
    {
        StringWriter text = new();
        ExploreReport.WriteText(text, Exploration.Of("kvm-svm-5.8", Small with { MaxStates = 50 }), traces: false);

        Assert.Contains("stopped at the bound", text.ToString(), StringComparison.Ordinal);
        Assert.Contains("not violated so far", text.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("holds", text.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_mermaid_diagram_has_one_arrow_or_note_a_step_and_no_bare_semicolon()
    {
        ExplorationResult result = Exploration.Of("kvm-svm-6.19", Small);
        StringWriter text = new();
        TraceMermaid.Write(text, result);

        string[] lines = [.. text.ToString().Split('\n').Select(line => line.Trim())];
        InvariantViolation violation = Assert.Single(result.Violations);
        Assert.Equal("sequenceDiagram", lines[1]);
        Assert.Equal(violation.Trace.Count(step => step.Actor[0] == 'v'),
            lines.Count(line => line.Contains("->>", StringComparison.Ordinal)));
        Assert.Contains("Note over cpu0: NMI: handler reads the user stack", lines);
        Assert.DoesNotContain(lines, line => line.Replace("#59;", "").Replace("#35;", "").Contains(';', StringComparison.Ordinal));
    }

    [Fact]
    public void The_html_page_is_well_formed_and_shows_every_step()
    {
        ExplorationResult result = Exploration.Of("kvm-vmx-5.7", Small);
        StringWriter text = new();
        TracePage.Write(text, result);

        XElement page = XElement.Parse(text.ToString().Replace("<!DOCTYPE html>", "").Replace("<meta charset=\"utf-8\">", "")
            .Replace("<meta name=\"viewport\" content=\"width=device-width\">", ""));
        int rows = page.Descendants("td").Count(cell => cell.Attribute("class")?.Value == "n");
        Assert.Equal(result.Violations.Sum(violation => violation.Trace.Length), rows);
        Assert.Equal(result.Violations.Length, page.Descendants("h2").Count());
        Assert.Equal(result.Violations.Length, page.Descendants("tr").Count(row => row.Attribute("class")?.Value == "bad"));
    }
}
