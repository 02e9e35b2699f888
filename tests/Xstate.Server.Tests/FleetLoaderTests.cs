using System.Buffers;
using System.Net;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Xstate.Artifacts.HostFile;
using Xstate.Captures;
using Xstate.Tests.Support;

namespace Xstate.Server.Tests;

/// <summary>What is read when the service starts, and what is not known afterwards.</summary>
public sealed class FleetLoaderTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("xstate-fleet-").FullName;
    private readonly Said _said = new();

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Names_and_texts_of_files_reach_the_log_as_escapes()
    {
        AddHost("home");
        File.WriteAllText(Path.Combine(_folder, "bad\u001b[31m.json"), "\u001b]0;title\u0007 {");
        FleetIndex fleet = Load();
        Assert.Equal((1, 1L), (fleet.NodeCount, fleet.Unread));
        string line = Assert.Single(_said.Lines);
        Assert.Contains("\\u001b[31m", line, StringComparison.Ordinal);
        Assert.DoesNotContain(line, char.IsControl);
    }

    [Fact]
    public void A_fleet_of_one_node_does_not_know_whether_another_takes_a_guest()
    {
        AddHost("home");
        FleetIndex fleet = Load("{\"vm\":\"web/vm-one\",\"host\":\"home\"}\n");
        using JsonDocument review = JsonDocument.Parse(Requests.Migration("vm-one", null));
        ArrayBufferWriter<byte> answer = new();
        using (Utf8JsonWriter json = new(answer))
        {
            Assert.True(new MigrationWebhook(fleet).Review(review.RootElement, json));
        }

        Assert.Contains("no record of another node", Encoding.UTF8.GetString(answer.WrittenSpan), StringComparison.Ordinal);
    }

    [Fact]
    public void A_name_that_is_null_is_no_request()
    {
        AddHost("home");
        using JsonDocument arguments = JsonDocument.Parse("{\"Pod\":{},\"NodeNames\":[null]}");
        using Utf8JsonWriter json = new(new ArrayBufferWriter<byte>());
        SchedulerExtender extender = new(Load());
        Assert.Throws<JsonException>(() => extender.Filter(arguments.RootElement, json));
    }

    private void AddHost(string name)
    {
        HostRecord record = SampleHosts.Open("intel-icelake") with { Name = name, KernelName = "6.12.30" };
        File.WriteAllBytes(Path.Combine(_folder, $"{name}.json"), HostFileWriter.Write(record));
    }

    private FleetIndex Load(string? vms = null)
    {
        string records = Path.Combine(_folder, "vms.jsonl");
        File.WriteAllText(records, vms ?? "");
        return new FleetLoader(_said).Load(new ServerOptions
        {
            Hosts = [_folder],
            Vms = [records],
            Listen = new IPEndPoint(IPAddress.Loopback, 0),
            Certificate = "",
            Key = "",
            Drain = TimeSpan.Zero,
        });
    }

    private sealed class Said : ILogger
    {
        public List<string> Lines { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Lines.Add(formatter(state, exception));
    }
}
