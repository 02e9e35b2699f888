using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text.Json;
using Xstate.Architecture;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Scenarios.Calls;

/// <summary>KVM_GET_CPUID2.</summary>
/// <param name="Leaf">Compare this leaf only; null for all.</param>
/// <param name="Room">Entries that there is room for.</param>
internal sealed record GetCpuid2Call(uint? Leaf, int Room = KvmModelVcpu.MaxCpuidEntries) : KvmCall("get_cpuid2")
{
    private const int EntryLength = 7 * sizeof(uint);

    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        KernelReply reply = vcpu.GetCpuid2(out ImmutableArray<CpuidEntry> entries, Room);
        return KvmAnswer.Of(reply, Compared(entries), json => CallJson.WriteCpuid(json, "entries", entries));
    }

    /// <inheritdoc/>
    public override string ToString() => Leaf is null ? "GET_CPUID2" : $"GET_CPUID2 (leaf 0x{Leaf:x})";

    internal static GetCpuid2Call Parse(ScenarioValue step) =>
        new(null, step.Take("nent")?.Integer(0, KvmModelVcpu.MaxCpuidEntries) ?? KvmModelVcpu.MaxCpuidEntries);

    internal override void Write(Utf8JsonWriter json)
    {
        if (Room != KvmModelVcpu.MaxCpuidEntries)
        {
            json.WriteNumber("nent", Room);
        }
    }

    private byte[] Compared(ImmutableArray<CpuidEntry> entries)
    {
        CpuidEntry[] compared = [.. entries.Where(e => Leaf is null || e.Leaf == Leaf)];
        byte[] bytes = new byte[compared.Length * EntryLength];
        for (int i = 0; i < compared.Length; i++)
        {
            Span<byte> to = bytes.AsSpan(i * EntryLength, EntryLength);
            CpuidRegisters registers = compared[i].Registers;
            ReadOnlySpan<uint> fields =
                [compared[i].Leaf, compared[i].Subleaf, compared[i].SubleafSignificant ? 1u : 0, registers.Eax, registers.Ebx,
                    registers.Ecx, registers.Edx];
            for (int field = 0; field < fields.Length; field++)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(to[(field * sizeof(uint))..], fields[field]);
            }
        }

        return bytes;
    }
}
