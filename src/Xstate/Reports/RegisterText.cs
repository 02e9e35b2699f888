using System.Buffers.Binary;
using System.Text.Json;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Reports;

/// <summary>One register as text for people and as elements of JSON.</summary>
internal static class RegisterText
{
    /// <summary>The usual notation with what it means behind it: flags by name, an x87 register as a number.</summary>
    public static string Describe(RegisterReading reading)
    {
        string meaning = Meaning(reading);
        return meaning.Length == 0 ? Value(reading) : $"{Value(reading)}  {meaning}";
    }

    /// <summary>The elements of a view, separated by blanks.</summary>
    public static string Describe(RegisterReading reading, ElementView view) => reading.HasBytes
        ? string.Join(' ', Elements(reading, view)) : Value(reading);

    /// <summary>Flags that are set and fields with their values, for registers that have them; none when the value is not known.</summary>
    public static IEnumerable<string> Fields(RegisterReading reading) =>
        reading.Knowledge is RegisterKnowledge.Initial or RegisterKnowledge.Stored && reading.Place.IsValue
        ? RegisterFields.Describe(reading.Place.Name, Number(reading)) : [];

    /// <summary>The rights of each protection key, key 0 first.</summary>
    public static string Rights(RegisterReading pkru)
    {
        Pkru rights = new((uint)Number(pkru));
        return $"keys 0-15: {string.Join(' ', Enumerable.Range(0, Pkru.KeyCount).Select(rights.Rights))}";
    }

    /// <summary>
    /// Writes the elements of a view as a JSON array: numbers where every reader of JSON holds them exactly, else strings; null for lost
    /// ones.
    /// </summary>
    public static void WriteElements(Utf8JsonWriter json, string name, RegisterReading reading, ElementView view)
    {
        json.WriteStartArray(name);
        foreach (string element in Elements(reading, view))
        {
            WriteElement(json, reading, view, element);
        }

        json.WriteEndArray();
    }

    private static string Value(RegisterReading reading) => reading.Knowledge switch
    {
        RegisterKnowledge.Absent => "absent",
        RegisterKnowledge.NotRecorded => "not recorded",
        _ => reading.Text,
    };

    private static string Meaning(RegisterReading reading) =>
        IsX87(reading) && reading.Lost.Length == 0 ? Float80.Read(reading.Bytes).ToString() : string.Join(' ', Fields(reading));

    private static bool IsX87(RegisterReading reading) => reading.HasBytes
        && reading.Place is { Component: StateComponent.X87, IsValue: false };

    private static ulong Number(RegisterReading reading)
    {
        Span<byte> value = stackalloc byte[sizeof(ulong)];
        value.Clear();
        reading.Bytes.CopyTo(value);
        return BinaryPrimitives.ReadUInt64LittleEndian(value);
    }

    // An x87 register is one number whatever floating-point view is asked for; a control register is one integer. What does not divide into
    // elements stays bytes.
    private static IEnumerable<string> Elements(RegisterReading reading, ElementView view)
    {
        bool isNumber = IsX87(reading) && view.IsFloat;
        if (isNumber || (reading.Place.IsValue && view.IsFloat))
        {
            yield return !reading.IsKnown(0, reading.Bytes.Length) ? "?" : isNumber ? Float80.Read(reading.Bytes).ToString() : reading.Text;
            yield break;
        }

        ElementView shown = reading.Bytes.Length % view.Size == 0 ? view : ElementView.Find("bytes")!;
        if (reading.Place.IsValue && shown.Size > 1 && shown.Size < reading.Bytes.Length)
        {
            shown = ElementView.Find($"{shown.Name[0]}{reading.Bytes.Length * 8}") ?? shown;
        }

        for (int i = 0; i < reading.Bytes.Length; i += shown.Size)
        {
            yield return reading.IsKnown(i, shown.Size) ? shown.Format(reading.Bytes.AsSpan(i, shown.Size)) : "?";
        }
    }

    private static void WriteElement(Utf8JsonWriter json, RegisterReading reading, ElementView view, string element)
    {
        const int ExactInteger = sizeof(uint);
        if (element == "?")
        {
            json.WriteNullValue();
        }
        else if (view.Name == "f32" && !IsX87(reading) && float.TryParse(element, System.Globalization.CultureInfo.InvariantCulture,
            out float single) && float.IsFinite(single))
        {
            json.WriteNumberValue(single);
        }
        else if (view.Name == "f64" && !IsX87(reading) && double.TryParse(element, System.Globalization.CultureInfo.InvariantCulture,
            out double number) && double.IsFinite(number))
        {
            json.WriteNumberValue(number);
        }
        else if (view.Name[0] is 'i' or 'u' && view.Size <= ExactInteger && long.TryParse(element,
            System.Globalization.NumberStyles.AllowLeadingSign, System.Globalization.CultureInfo.InvariantCulture, out long integer))
        {
            json.WriteNumberValue(integer);
        }
        else
        {
            json.WriteStringValue(element);
        }
    }
}
