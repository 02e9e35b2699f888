using System.Collections.Immutable;
using System.Text.Json;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Scenarios;
using Xstate.Scenarios.Calls;
using Xstate.Scenarios.Conformance;
using Xstate.Tests.Support;

namespace Xstate.Tests.Scenarios.Conformance;

/// <summary>A sequence that conform made is, as a scenario, the same calls with the same answers.</summary>
public class KvmScenarioTextTests
{
    private const int Sequences = 400;

    [Theory]
    [InlineData("intel-sapphire-rapids", "6.18")]
    [InlineData("amd-genoa", "6.1")]
    public void A_reproducer_makes_the_calls_of_the_sequence(string name, string release)
    {
        Assert.True(KernelRelease.TryParse(release, out KernelRelease kernel));
        LinuxHost host = new(SampleHosts.Open(name), KernelBehavior.Of(kernel));
        using KvmModelMachine machine = new(host);
        machine.GetSupportedCpuid(out ImmutableArray<CpuidEntry> supported);
        KvmSequenceGenerator generator = new(new KvmSequenceFacts
        {
            Supported = supported,
            Components = host.DefaultUserFeatures,
            MxcsrMask = host.MxcsrMask,
            MovesThroughProcessor = true
        });
        Dictionary<string, int> requests = [];
        for (ulong seed = 1; seed <= Sequences; seed++)
        {
            KvmSequence sequence = generator.Make(seed);
            IKvmVcpu vcpu = KvmModelMachine.CreateVcpu(host);
            byte[] lastArea = [];
            List<string> called = [];
            foreach (KvmCall call in sequence.Calls)
            {
                KvmAnswer answer = call.Perform(vcpu, ref lastArea);
                called.Add($"{call.Request}: {(answer.Errno == Errno.None ? "0" : answer.Errno.ToString())} {Shown(call, answer)}");
                requests[call.Request] = requests.GetValueOrDefault(call.Request) + 1;
            }

            using KvmModelMachine fresh = new(host);
            Assert.Equal(called, Performed(KvmScenarioText.Write(sequence, fresh), sequence, host));
        }

        Assert.Equal(16, requests.Count);
        Assert.All(requests, request => Assert.True(request.Value > 10, $"{request.Key}: {request.Value}"));
    }

    private static IEnumerable<string> Performed(string text, KvmSequence sequence, LinuxHost host)
    {
        using MemoryStream output = new();
        ScenarioRunner.Run(Assert.Single(ScenarioReader.Read(new StringReader(text))), new ModelBackend(host), output);
        using JsonDocument answer = JsonDocument.Parse(output.ToArray());
        return [.. answer.RootElement.GetProperty("steps").EnumerateArray()
            .Zip(sequence.Calls, (step, call) => $"{call.Request}: {step.GetProperty("errno")} {Shown(call, step)}")];
    }

    // What both say in their own way: the image, the values, the count.
    private static string Shown(KvmCall call, KvmAnswer answer) => answer.Errno != Errno.None ? "" : call switch
    {
        GetXsaveCall => Convert.ToHexStringLower(answer.Bytes.Span),
        SetMsrsCall => answer.Bytes.Span[0].ToString(System.Globalization.CultureInfo.InvariantCulture),
        GetMsrsCall or GetRegisterListCall or GetOneRegisterCall =>
            string.Join(' ', answer.Bytes.ToArray().Chunk(sizeof(ulong)).Select(bytes => $"0x{BitConverter.ToUInt64(bytes):x}")),
        _ => "",
    };

    private static string Shown(KvmCall call, JsonElement step) => !step.TryGetProperty("result", out JsonElement result) ? "" : call switch
    {
        GetXsaveCall => result.GetProperty("hex").GetString()!,
        SetMsrsCall => result.GetProperty("count").ToString(),
        GetMsrsCall => Numbers(result.GetProperty("values")),
        GetRegisterListCall => Numbers(result.GetProperty("ids")),
        GetOneRegisterCall => result.GetProperty("value").GetString()!,
        _ => "",
    };

    private static string Numbers(JsonElement array) => string.Join(' ', array.EnumerateArray().Select(number => number.GetString()));
}
