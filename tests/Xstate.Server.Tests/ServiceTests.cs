using System.Diagnostics;
using System.Net;
using System.Text.Json;
using Xstate.Rehearsal;

namespace Xstate.Server.Tests;

/// <summary>Calls of Kubernetes over HTTPS: each answer is that of the pool.</summary>
public class ServiceTests(Service service) : IClassFixture<Service>
{
    public static TheoryData<string> Processors { get; } = ["intel-icelake", "intel-sapphire-rapids", "amd-genoa"];

    [Theory]
    [MemberData(nameof(Processors))]
    public async Task Filter_drops_what_is_refused_or_in_danger_and_nothing_else(string processor)
    {
        string[] names = [.. service.Names.Take(60), "node-of-nobody"];
        JsonElement answer = await service.Post("/filter", Requests.WithNames($"vm-{processor}", names));
        string[] kept = [.. names.Where(name => name == "node-of-nobody"
            || service.OutcomeOf(processor, name).Verdict is not (Verdict.Refused or Verdict.Dangerous))];
        Assert.InRange(kept.Length, 2, names.Length - 1);
        Assert.Equal(kept, answer.GetProperty("NodeNames").EnumerateArray().Select(name => name.GetString()));
        Assert.Equal(names.Except(kept), answer.GetProperty("FailedNodes").EnumerateObject().Select(failed => failed.Name));
        Assert.All(
            answer.GetProperty("FailedNodes").EnumerateObject(),
            failed => Assert.StartsWith("xstate: refused (XS", failed.Value.GetString(), StringComparison.Ordinal));
        Assert.Equal("", answer.GetProperty("Error").GetString());

        JsonElement whole = await service.Post("/filter", Requests.WithNodes($"vm-{processor}", names));
        JsonElement[] nodes = [.. whole.GetProperty("Nodes").GetProperty("items").EnumerateArray()];
        Assert.Equal(kept, nodes.Select(node => node.GetProperty("metadata").GetProperty("name").GetString()));
        Assert.All(nodes, node => Assert.Equal(1, node.GetProperty("ofTomorrow").GetProperty("a")[0].GetInt32()));
        Assert.Equal(answer.GetProperty("FailedNodes").GetRawText(), whole.GetProperty("FailedNodes").GetRawText());
    }

    [Fact]
    public async Task A_pod_without_a_record_goes_everywhere()
    {
        JsonElement answer = await service.Post("/filter", Requests.WithNames("vm-of-nobody", service.Names));
        Assert.Equal(Service.Nodes, answer.GetProperty("NodeNames").GetArrayLength());
        Assert.Empty(answer.GetProperty("FailedNodes").EnumerateObject());
    }

    [Theory]
    [MemberData(nameof(Processors))]
    public async Task Prioritize_puts_the_same_before_unknown_before_different(string processor)
    {
        string[] names = [.. service.Names.Take(60), "node-of-nobody"];
        JsonElement answer = await service.Post("/prioritize", Requests.WithNames($"vm-{processor}", names));
        Dictionary<string, int> scores = answer.EnumerateArray().ToDictionary(
            node => node.GetProperty("Host").GetString()!, node => node.GetProperty("Score").GetInt32());
        Assert.Equal(names, scores.Keys);
        Dictionary<Verdict, int> expected = new()
        {
            [Verdict.Same] = 10,
            [Verdict.Unknown] = 6,
            [Verdict.Repairable] = 4,
            [Verdict.Differs] = 2,
            [Verdict.Refused] = 0,
            [Verdict.Dangerous] = 0,
        };
        Assert.All(names, name => Assert.Equal(
            name == "node-of-nobody" ? 6 : expected[service.OutcomeOf(processor, name).Verdict], scores[name]));
        Assert.True(scores.Values.Distinct().Count() > 2);
        JsonElement whole = await service.Post("/prioritize", Requests.WithNodes($"vm-{processor}", names));
        Assert.Equal(answer.GetRawText(), whole.GetRawText());
    }

    [Fact]
    public async Task The_webhook_denies_what_every_node_refuses_and_warns_of_what_is_not_known()
    {
        // Any node of its own kind takes it.
        Assert.Equal((true, null), await Review("vm-intel-sapphire-rapids"));
        string[] names = [.. service.Names.Take(15)];
        foreach (string name in names)
        {
            (bool allowed, string? said) = await Review("vm-intel-sapphire-rapids", name);
            Verdict verdict = service.OutcomeOf("intel-sapphire-rapids", name).Verdict;
            Assert.Equal(verdict is not (Verdict.Refused or Verdict.Dangerous), allowed);
            Assert.Equal(verdict == Verdict.Same, said is null);
            Assert.Contains(verdict.ToString().ToLowerInvariant(), said ?? "same", StringComparison.Ordinal);
        }

        Assert.Contains(names, name => service.OutcomeOf("intel-sapphire-rapids", name).Verdict == Verdict.Refused);
        Assert.Contains(names, name => service.OutcomeOf("intel-sapphire-rapids", name).Verdict == Verdict.Unknown);
        (bool passes, string? why) = await Review("vm-of-nobody");
        Assert.True(passes);
        Assert.Contains("there is no record of vm-of-nobody", why, StringComparison.Ordinal);
        (passes, why) = await Review("vm-intel-haswell", "node-of-nobody");
        Assert.True(passes);
        Assert.Contains("unknown", why, StringComparison.Ordinal);

        async Task<(bool Allowed, string? Why)> Review(string vm, string? node = null)
        {
            JsonElement review = await service.Post("/validate", Requests.Migration(vm, node));
            Assert.Equal(
                ("admission.k8s.io/v1", "AdmissionReview"),
                (review.GetProperty("apiVersion").GetString(), review.GetProperty("kind").GetString()));
            JsonElement response = review.GetProperty("response");
            Assert.Equal("705ab4f5-6393-11e8-b7cc-42010a800002", response.GetProperty("uid").GetString());
            bool allowed = response.GetProperty("allowed").GetBoolean();
            Assert.Equal(!allowed, response.TryGetProperty("status", out JsonElement status));
            return (allowed, !allowed ? status.GetProperty("message").GetString()
                : response.TryGetProperty("warnings", out JsonElement warnings) ? warnings[0].GetString() : null);
        }
    }

    [Fact]
    public async Task Five_thousand_names_take_less_than_fifty_milliseconds()
    {
        string request = Requests.WithNames("vm-intel-sapphire-rapids", service.Names);
        double least = double.MaxValue;
        for (int i = 0; i < 30; i++)
        {
            long start = Stopwatch.GetTimestamp();
            JsonElement answer = await service.Post("/filter", request);
            least = Math.Min(least, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            Assert.Equal(
                Service.Nodes,
                answer.GetProperty("NodeNames").GetArrayLength() + answer.GetProperty("FailedNodes").EnumerateObject().Count());
        }

        TestContext.Current.SendDiagnosticMessage("least of 30 calls: {0:f1} ms", least);
        Assert.True(least < 50, $"{least} ms");
    }

    [Theory]
    [InlineData("/filter", "")]
    [InlineData("/filter", "[]")]
    [InlineData("/filter", "{\"Pod\":{}}")]
    [InlineData("/filter", "{\"NodeNames\":[7]}")]
    [InlineData("/prioritize", "{\"Nodes\":{\"items\":[{}]}}")]
    [InlineData("/validate", "{}")]
    [InlineData("/validate", "{\"request\":{\"object\":{\"spec\":{\"vmiName\":7}}}}")]
    public async Task What_is_no_request_is_told(string path, string body)
    {
        using StringContent content = new(body);
        using HttpResponseMessage answer = await service.Client.PostAsync(path, content, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        string said = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.Contains("xstate: the request is not what", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Health_and_metrics_are_there()
    {
        await service.Post("/filter", Requests.WithNames("vm-amd-milan", ["node-0000"]));
        Assert.Equal("ok\n", await service.Client.GetStringAsync("/healthz", TestContext.Current.CancellationToken));
        Assert.Equal("ok\n", await service.Client.GetStringAsync("/readyz", TestContext.Current.CancellationToken));
        string[] lines = (await service.Client.GetStringAsync("/metrics", TestContext.Current.CancellationToken)).TrimEnd('\n').Split('\n');
        const string sample = "[a-z_]+(\\{[a-z]+=\"[^\"]*\"(,[a-z]+=\"[^\"]*\")*\\})? [0-9.E+-]+";
        Assert.All(lines, line => Assert.Matches($"^(# (HELP|TYPE) [a-z_]+ .+|{sample})$", line));
        Assert.Contains("xstate_nodes 10000", lines);
        Assert.Contains("xstate_vms 5", lines);
        Assert.Contains("xstate_unread_inputs 1", lines);
        Assert.Contains(lines, line => line.StartsWith("xstate_call_seconds_count{call=\"filter\"}", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_hundred_clients_get_answers_without_an_error()
    {
        // For a minute in .ci/long.
        string time = Environment.GetEnvironmentVariable("XSTATE_LOAD_SECONDS") ?? "3";
        double seconds = double.Parse(time, System.Globalization.CultureInfo.InvariantCulture);
        Load load = await Load.Run(service, clients: 100, TimeSpan.FromSeconds(seconds));
        Assert.Empty(load.Errors);
        Assert.True(load.Count >= 100);
        foreach (string line in load.Lines())
        {
            TestContext.Current.SendDiagnosticMessage(line);
        }
    }
}
