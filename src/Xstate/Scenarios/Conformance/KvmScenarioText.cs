using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Xstate.Hypervisors.Conformance;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Scenarios.Conformance;

/// <summary>Writes a sequence of KVM calls as a scenario that <c>xstate run</c> performs.</summary>
public static class KvmScenarioText
{
    /// <summary>The scenario, one line of JSON.</summary>
    /// <param name="sequence">The sequence.</param>
    /// <param name="machine">A fresh machine: what a sequence sets back is what this one returned before.</param>
    public static string Write(KvmSequence sequence, IKvmMachine machine)
    {
        ArgumentNullException.ThrowIfNull(sequence);
        ArgumentNullException.ThrowIfNull(machine);
        using MemoryStream output = new();
        using (Utf8JsonWriter json = new(output, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteString("name", string.Create(CultureInfo.InvariantCulture, $"kvm-0x{sequence.Seed:x}"));
            json.WriteStartArray("steps");
            machine.CreateVcpu(0, out IKvmVcpu? vcpu);
            byte[] lastArea = [];
            foreach (KvmCall call in sequence.Calls)
            {
                json.WriteStartObject();
                Write(json, call, lastArea);
                json.WriteEndObject();
                if (vcpu is not null)
                {
                    call.Perform(vcpu, ref lastArea);
                }
            }

            vcpu?.Dispose();
            json.WriteEndArray();
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(output.ToArray());
    }

    private static void Write(Utf8JsonWriter json, KvmCall call, byte[] lastArea)
    {
        // The requests' names without KVM_ are the steps' names, in lower case.
        string op = call.Request["KVM_".Length..].ToLowerInvariant();
        json.WriteString("op", op == "run" ? "run_immediate_exit" : op);
        switch (call)
        {
            case SetCpuid2Call set:
                KvmSteps.WriteCpuid(json, "cpuid", set.Entries);
                break;
            case SetXsaveCall set:
                json.WriteString("hex", Convert.ToHexStringLower(set.Image.Span));
                break;
            case SetXsaveBackCall:
                json.WriteString("hex", Convert.ToHexStringLower(lastArea));
                break;
            case SetXcrsCall set:
                json.WriteNumber("count", set.Count);
                json.WriteString("flags", KvmSteps.Hex(set.Flags));
                WriteEntries(json, "xcr", set.Entries.Select(entry => (entry.Index, entry.Value)));
                break;
            case SetFpuCall set:
                KvmSteps.WriteFpu(json, KvmFpu.Parse(set.Fpu.Span));
                break;
            case SetMsrsCall set:
                WriteEntries(json, "index", set.Entries.Select(entry => (entry.Index, entry.Value)));
                break;
            case GetMsrsCall get:
                KvmSteps.WriteNumbers(json, "indices", [.. get.Indices]);
                break;
            case SetOneRegisterCall set:
                json.WriteString("id", KvmSteps.Hex(set.Id));
                json.WriteString("value", KvmSteps.Hex(set.Value));
                break;
            case GetOneRegisterCall get:
                json.WriteString("id", KvmSteps.Hex(get.Id));
                break;
            case SetCr0Call setCr0:
                json.WriteString("cr0", KvmSteps.Hex(setCr0.Cr0));
                break;
            case SetCr4Call set:
                json.WriteString("cr4", KvmSteps.Hex(set.Cr4));
                break;
            default:
                break;
        }
    }

    private static void WriteEntries(Utf8JsonWriter json, string number, IEnumerable<(uint Number, ulong Value)> entries)
    {
        json.WriteStartArray("entries");
        foreach ((uint of, ulong value) in entries)
        {
            json.WriteStartObject();
            json.WriteString(number, KvmSteps.Hex(of));
            json.WriteString("value", KvmSteps.Hex(value));
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
