using System.Text;
using System.Text.Json;
using Xstate.Artifacts;
using Xstate.Artifacts.HostFile;
using Xstate.Captures;
using Xstate.Reports;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>
/// Records of many hosts come together in one folder, some as records and some as what <c>host --json</c> printed: each is read as itself,
/// and an answer tells them apart.
/// </summary>
public sealed class CollectedHostTests : IDisposable
{
    private const string State = "samples/captures/hidden-avx512.json";

    private static readonly string[] Processors = ["amd-genoa", "amd-milan", "amd-turin", "intel-cascadelake", "intel-haswell",
        "intel-icelake", "intel-sapphire-rapids", "intel-skylake-sp"];

    private static readonly string[] Kernels = ["6.1.0-47-amd64", "6.8.12-4-pve", "5.14.0-427.13.1.el9_4.x86_64", "6.12.63+deb13-amd64",
        "6.5.0-18-generic", "5.15.0-91-generic", "6.17.4-2-pve", "6.1.97-104.177.amzn2023.x86_64"];

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task Each_record_and_each_answer_of_host_is_read_as_itself()
    {
        SplitMix64 random = new(0x66);
        Dictionary<string, (string Kernel, string Processor)> hosts = [];
        for (int i = 0; i < 12; i++)
        {
            string processor = random.Pick(Processors);
            string kernel = random.Pick(Kernels);
            HostRecord record = SampleHosts.Open(processor) with { Name = $"node-{i}", KernelName = kernel, Kernel = null };
            _scratch.Write($"node-{i}.json", random.OneIn(2) ? Answer(record) : HostFileWriter.Write(record));
            hosts.Add($"node-{i}", (kernel, processor));
        }

        XstateProcess run = await XstateProcess.Run("check", State, "--on", _scratch.Folder, "--json");
        JsonElement[] targets = [.. run.Json.GetProperty("targets").EnumerateArray()];
        Assert.Equal(hosts.Keys.Order(StringComparer.Ordinal),
            targets.Select(target => target.GetProperty("host").GetString()!).Order(StringComparer.Ordinal));
        foreach (JsonElement target in targets)
        {
            string name = target.GetProperty("host").GetString()!;
            Assert.Equal(hosts[name].Kernel, target.GetProperty("kernel").GetString());
            Assert.EndsWith($"{name}.json", target.GetProperty("argument").GetString(), StringComparison.Ordinal);
            XstateProcess alone = await XstateProcess.Run("check", State, "--on",
                $"samples/hosts/{hosts[name].Processor}.json@{hosts[name].Kernel}", "--json");
            Assert.Equal(alone.Json.GetProperty("targets")[0].GetProperty("verdict").GetString(), target.GetProperty("verdict").GetString());
        }
    }

    [Fact]
    public void The_record_in_an_answer_of_host_is_the_record()
    {
        foreach (string processor in Processors)
        {
            HostRecord record = SampleHosts.Open(processor) with { Name = $"{processor}-there" };
            using MemoryStream answer = new(Answer(record));
            Assert.Equal(Encoding.UTF8.GetString(HostFileWriter.Write(record)),
                Encoding.UTF8.GetString(HostFileWriter.Write(Artifact.Open(answer).Host!)));
        }
    }

    private static byte[] Answer(HostRecord record)
    {
        MemoryStream json = new();
        CpuReport.WriteHostJson(json, "host", record);
        return json.ToArray();
    }
}
