using System.Collections.Immutable;
using System.Text.Json;
using Xstate.Architecture;

namespace Xstate.Artifacts.Json;

/// <summary>
/// A CPUID table as an array of answers, one line each: <c>{"leaf":"0xd","subleaf":"0x2","eax":"0x100",…}</c>. Without <c>subleaf</c> the
/// answer holds for every sub-leaf; <c>index</c> keeps the sub-leaf of an answer whose sub-leaf was recorded and does not matter.
/// </summary>
internal static class CpuidFields
{
    private static readonly string[] Names = ["leaf", "subleaf", "index", "eax", "ebx", "ecx", "edx"];

    public static CpuidTable Read(ref JsonCursor cursor)
    {
        cursor.BeginArray();
        ImmutableArray<CpuidEntry>.Builder entries = ImmutableArray.CreateBuilder<CpuidEntry>();
        while (cursor.NextItem(cursor.Limits.MaxCpuidEntries))
        {
            entries.Add(ReadEntry(ref cursor));
        }

        return new CpuidTable(entries.ToImmutable());
    }

    public static void Write(JsonOutput output, CpuidTable cpuid)
    {
        output.Writer.WriteStartArray();
        foreach (CpuidEntry entry in cpuid.Entries)
        {
            Utf8JsonWriter line = output.BeginLine();
            JsonOutput.WriteHex(line, Names[0], entry.Leaf);
            if (entry.SubleafSignificant)
            {
                JsonOutput.WriteHex(line, Names[1], entry.Subleaf);
            }
            else if (entry.Subleaf != 0)
            {
                JsonOutput.WriteHex(line, Names[2], entry.Subleaf);
            }

            JsonOutput.WriteHex(line, Names[3], entry.Registers.Eax);
            JsonOutput.WriteHex(line, Names[4], entry.Registers.Ebx);
            JsonOutput.WriteHex(line, Names[5], entry.Registers.Ecx);
            JsonOutput.WriteHex(line, Names[6], entry.Registers.Edx);
            output.EndItem();
        }

        output.Writer.WriteEndArray();
    }

    private static CpuidEntry ReadEntry(ref JsonCursor cursor)
    {
        const ulong Subleaf = 1 << 1;
        const ulong Index = 1 << 2;
        cursor.BeginObject();
        ulong seen = 0;
        Span<uint> values = stackalloc uint[Names.Length];
        while (cursor.NextMember(Names, ref seen, out int member))
        {
            values[member] = (uint)cursor.ReadHex(uint.MaxValue);
        }

        cursor.Require(Names, seen, 0, 3, 4, 5, 6);
        return (seen & (Subleaf | Index)) == (Subleaf | Index)
            ? throw cursor.Malformed("both subleaf and index", "one of them or none")
            : new CpuidEntry(
                values[0],
                (seen & Subleaf) != 0 ? values[1] : values[2],
                (seen & Subleaf) != 0,
                new CpuidRegisters(values[3], values[4], values[5], values[6]));
    }
}
