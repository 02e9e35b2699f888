using System.Text.Json;
using Xstate.Architecture;
using Xstate.Artifacts.Json;
using Xstate.Captures;

namespace Xstate.Artifacts.CaptureFile;

/// <summary>Facts: the value under a member that says what it is, and beside it where it came from.</summary>
internal static class FactFields
{
    private static readonly string[] SetNames = ["value", ProvenanceFields.Source, ProvenanceFields.Detail];
    private static readonly string[] CpuidNames = ["entries", ProvenanceFields.Source, ProvenanceFields.Detail];
    private static readonly string[] LayoutNames = ["slots", ProvenanceFields.Source, ProvenanceFields.Detail];
    private static readonly string[] HostNames = ["host", ProvenanceFields.Source, ProvenanceFields.Detail];

    private delegate T ValueReader<T>(ref JsonCursor cursor);

    public static Fact<StateComponentSet> ReadSet(ref JsonCursor cursor) =>
        Read(ref cursor, SetNames, static (ref value) => new StateComponentSet(value.ReadHex(ulong.MaxValue)));

    /// <summary>A fact whose value is one of some words.</summary>
    public static Fact<T> ReadWord<T>(ref JsonCursor cursor, string[] words, Func<int, T> ofIndex) =>
        Read(ref cursor, SetNames, (ref value) => ofIndex(value.ReadWord(words)));

    public static Fact<CpuidTable> ReadCpuid(ref JsonCursor cursor) => Read(ref cursor, CpuidNames, CpuidFields.Read);

    public static Fact<XsaveLayout> ReadLayout(ref JsonCursor cursor) => Read(ref cursor, LayoutNames, ReadSlots);

    public static Fact<HostRecord> ReadHost(ref JsonCursor cursor) =>
        Read(ref cursor, HostNames, static (ref value) => HostFields.Read(ref value, isDocument: false));

    public static void Write(JsonOutput output, string name, Fact<StateComponentSet>? fact)
    {
        if (fact is null)
        {
            return;
        }

        output.Writer.WritePropertyName(name);
        Utf8JsonWriter line = output.BeginLine();
        JsonOutput.WriteHex(line, SetNames[0], fact.Value.Bits);
        ProvenanceFields.Write(line, fact.Provenance);
        output.EndMember();
    }

    /// <summary>A fact whose value is a word.</summary>
    public static void WriteWord(JsonOutput output, string name, string word, Provenance provenance)
    {
        output.Writer.WritePropertyName(name);
        Utf8JsonWriter line = output.BeginLine();
        line.WriteString(SetNames[0], word);
        ProvenanceFields.Write(line, provenance);
        output.EndMember();
    }

    public static void Write(JsonOutput output, string name, Fact<CpuidTable>? fact)
    {
        if (fact is null)
        {
            return;
        }

        output.Writer.WriteStartObject(name);
        ProvenanceFields.Write(output.Writer, fact.Provenance);
        output.Writer.WritePropertyName(CpuidNames[0]);
        CpuidFields.Write(output, fact.Value);
        output.Writer.WriteEndObject();
    }

    public static void Write(JsonOutput output, string name, Fact<XsaveLayout>? fact)
    {
        if (fact is null)
        {
            return;
        }

        output.Writer.WriteStartObject(name);
        ProvenanceFields.Write(output.Writer, fact.Provenance);
        output.Writer.WriteStartArray(LayoutNames[0]);
        foreach (XsaveSlot slot in fact.Value.Slots)
        {
            Utf8JsonWriter line = output.BeginLine();
            line.WriteString(CaptureNames.Slot[0], StateComponents.NameOf(slot.Component));
            line.WriteNumber(CaptureNames.Slot[1], slot.Offset);
            line.WriteNumber(CaptureNames.Slot[2], slot.Size);
            WriteFlag(line, CaptureNames.Slot[3], slot.IsSupervisor);
            WriteFlag(line, CaptureNames.Slot[4], slot.IsAligned64);
            WriteFlag(line, CaptureNames.Slot[5], slot.SupportsXfd);
            output.EndItem();
        }

        output.Writer.WriteEndArray();
        output.Writer.WriteEndObject();
    }

    public static void Write(JsonOutput output, string name, Fact<HostRecord>? fact)
    {
        if (fact is null)
        {
            return;
        }

        output.Writer.WriteStartObject(name);
        ProvenanceFields.Write(output.Writer, fact.Provenance);
        output.Writer.WriteStartObject(HostNames[0]);
        HostFields.Write(output, fact.Value);
        output.Writer.WriteEndObject();
        output.Writer.WriteEndObject();
    }

    private static Fact<T> Read<T>(ref JsonCursor cursor, string[] names, ValueReader<T> readValue)
    {
        cursor.BeginObject();
        ulong seen = 0;
        T? value = default;
        FactSource source = default;
        string detail = "";
        while (cursor.NextMember(names, ref seen, out int member))
        {
            switch (member)
            {
                case 0:
                    value = readValue(ref cursor);
                    break;
                case 1:
                    source = ProvenanceFields.ReadSource(in cursor);
                    break;
                default:
                    detail = cursor.ReadString();
                    break;
            }
        }

        cursor.Require(names, seen, 0, 1, 2);
        return new Fact<T>(value!, source, detail);
    }

    private static XsaveLayout ReadSlots(ref JsonCursor cursor)
    {
        cursor.BeginArray();
        List<XsaveSlot> slots = [];
        StateComponentSet found = StateComponentSet.Empty;
        while (cursor.NextItem(maxItems: 64))
        {
            XsaveSlot slot = ReadSlot(ref cursor);
            if (found.Contains(slot.Component))
            {
                throw cursor.Malformed($"{StateComponents.NameOf(slot.Component)} again", "each component once");
            }

            found = found.With(slot.Component);
            slots.Add(slot);
        }

        try
        {
            return XsaveLayout.FromSlots(slots);
        }
        catch (ArgumentException error)
        {
            throw cursor.Malformed(error.Message.Split(" (Parameter", 2)[0], "slots that a processor could enumerate");
        }
    }

    private static XsaveSlot ReadSlot(ref JsonCursor cursor)
    {
        cursor.BeginObject();
        ulong seen = 0;
        XsaveSlot slot = default;
        while (cursor.NextMember(CaptureNames.Slot, ref seen, out int member))
        {
            slot = member switch
            {
                0 => slot with
                {
                    Component = StateComponents.TryParse(cursor.ReadString(), out StateComponent component)
                        ? component
                        : throw cursor.Malformed("the name of a state component, or bit2 to bit62"),
                },
                1 => slot with { Offset = (int)cursor.ReadInteger(0, XsaveLayout.MaxAreaLength) },
                2 => slot with { Size = (int)cursor.ReadInteger(1, XsaveLayout.MaxAreaLength) },
                3 => slot with { IsSupervisor = cursor.ReadBoolean() },
                4 => slot with { IsAligned64 = cursor.ReadBoolean() },
                _ => slot with { SupportsXfd = cursor.ReadBoolean() },
            };
        }

        cursor.Require(CaptureNames.Slot, seen, 0, 1, 2);
        return slot;
    }

    private static void WriteFlag(Utf8JsonWriter line, string name, bool value)
    {
        if (value)
        {
            line.WriteBoolean(name, value);
        }
    }
}
