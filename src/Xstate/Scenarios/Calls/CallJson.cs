using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text.Json;
using Xstate.Architecture;

namespace Xstate.Scenarios.Calls;

/// <summary>The fields that several calls have, as JSON.</summary>
internal static class CallJson
{
    public static string Hex(ulong value) => $"0x{value:x}";

    public static void WriteImage(Utf8JsonWriter json, ReadOnlySpan<byte> image)
    {
        json.WriteNumber("length", image.Length);
        json.WriteString("hex", Convert.ToHexStringLower(image));
    }

    public static void WriteRegisters(Utf8JsonWriter json, CpuidRegisters registers)
    {
        json.WriteString("eax", Hex(registers.Eax));
        json.WriteString("ebx", Hex(registers.Ebx));
        json.WriteString("ecx", Hex(registers.Ecx));
        json.WriteString("edx", Hex(registers.Edx));
    }

    public static void WriteCpuid(Utf8JsonWriter json, string name, ImmutableArray<CpuidEntry> entries)
    {
        json.WriteStartArray(name);
        foreach (CpuidEntry entry in entries)
        {
            json.WriteStartObject();
            json.WriteString("leaf", Hex(entry.Leaf));
            json.WriteString("subleaf", Hex(entry.Subleaf));
            json.WriteString("flags", Hex(entry.SubleafSignificant ? 1u : 0));
            WriteRegisters(json, entry.Registers);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    public static void WriteNumbers(Utf8JsonWriter json, string name, ImmutableArray<ulong> numbers)
    {
        json.WriteStartArray(name);
        foreach (ulong number in numbers)
        {
            json.WriteStringValue(Hex(number));
        }

        json.WriteEndArray();
    }

    public static void WriteEntries(Utf8JsonWriter json, string number, IEnumerable<(uint Number, ulong Value)> entries)
    {
        json.WriteStartArray("entries");
        foreach ((uint of, ulong value) in entries)
        {
            json.WriteStartObject();
            json.WriteString(number, Hex(of));
            json.WriteString("value", Hex(value));
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>Numbers as the bytes that answers are compared by.</summary>
    public static byte[] Bytes(params ReadOnlySpan<ulong> values)
    {
        byte[] bytes = new byte[values.Length * sizeof(ulong)];
        for (int i = 0; i < values.Length; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(i * sizeof(ulong)), values[i]);
        }

        return bytes;
    }
}
