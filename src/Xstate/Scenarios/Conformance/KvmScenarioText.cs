using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Xstate.Hypervisors.Kvm;
using Xstate.Scenarios.Calls;

namespace Xstate.Scenarios.Conformance;

/// <summary>Writes a sequence of KVM calls as a scenario that <c>xstate run</c> performs.</summary>
internal static class KvmScenarioText
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
                json.WriteString("op", call.Op);
                call.After(lastArea).Write(json);
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
}
