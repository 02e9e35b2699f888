using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text.Json;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Scenarios.Calls;

/// <summary>KVM_GET_XCRS.</summary>
internal sealed record GetXcrsCall() : KvmCall("get_xcrs")
{
    private const int EntryLength = sizeof(uint) + sizeof(ulong);

    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        KernelReply reply = vcpu.GetXcrs(out ImmutableArray<XcrEntry> entries);
        byte[] bytes = new byte[entries.Length * EntryLength];
        for (int i = 0; i < entries.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(i * EntryLength), entries[i].Index);
            BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan((i * EntryLength) + sizeof(uint)), entries[i].Value);
        }

        return KvmAnswer.Of(reply, bytes, json => Write(json, entries));
    }

    /// <inheritdoc/>
    public override string ToString() => "GET_XCRS";

    // Numbers of registers as numbers: they are few and small, whatever a step that sets them may say.
    private static void Write(Utf8JsonWriter json, ImmutableArray<XcrEntry> entries)
    {
        json.WriteStartArray("entries");
        foreach (XcrEntry entry in entries)
        {
            json.WriteStartObject();
            json.WriteNumber("xcr", entry.Index);
            json.WriteString("value", CallJson.Hex(entry.Value));
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
