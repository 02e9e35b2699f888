using System.Collections.Immutable;
using System.Text;
using System.Text.Json;

namespace Xstate.Artifacts.QemuStream;

/// <summary>
/// Edits the description's text where a section changes its length: only the entry in question changes. QEMU reads past the description
/// without looking inside; its tools and this library go by it.
/// </summary>
internal static class DescriptionText
{
    // Where a device's entry is, and where its subsections are.
    private sealed record Entry(string Name, long Instance, int Start, int End, int? ArrayEnd, bool IsArrayEmpty);

    /// <summary>The text with subsections added to virtual CPUs and a device left out.</summary>
    /// <param name="text">The text.</param>
    /// <param name="added">The subsections to add, by virtual CPU.</param>
    /// <param name="removed">The device to leave out, the last of that name; null for none.</param>
    /// <param name="length">How long it should be: blanks between tokens go, or come at the end, as far as there are any.</param>
    public static byte[] Edit(ReadOnlySpan<byte> text, IReadOnlyDictionary<long, ImmutableArray<VmSubsection>> added, string? removed,
        int length)
    {
        List<Entry> entries = Entries(text);
        SortedDictionary<int, (int End, string Text)> edits = [];
        int last = removed is null ? -1 : entries.FindLastIndex(entry => entry.Name == removed);
        for (int i = 0; i < entries.Count; i++)
        {
            Entry entry = entries[i];
            if (i == last)
            {
                // With the comma before it, or behind the first.
                (int from, int to) = i > 0 ? (entries[i - 1].End, entry.End) : (entry.Start, entries.Count > 1
                    ? entries[1].Start : entry.End);
                edits.Add(from, (to, ""));
            }
            else if (entry.Name == VmDevice.VirtualCpu && added.TryGetValue(entry.Instance, out ImmutableArray<VmSubsection> subsections)
                && !subsections.IsEmpty)
            {
                string items = string.Join(", ", subsections.Select(subsection => SubsectionTemplate.Find(subsection.Name)!.Json));
                (int at, string insert) = entry.ArrayEnd is { } end
                    ? (end, entry.IsArrayEmpty ? items : $", {items}") : (entry.End - 1, $", \"subsections\": [{items}]");
                edits.Add(at, (at, insert));
            }
        }

        using MemoryStream edited = new();
        int done = 0;
        foreach ((int at, (int end, string insert)) in edits)
        {
            edited.Write(text[done..at]);
            edited.Write(Encoding.ASCII.GetBytes(insert));
            done = end;
        }

        edited.Write(text[done..]);
        return Fitted(edited.ToArray(), length);
    }

    private static List<Entry> Entries(ReadOnlySpan<byte> text)
    {
        List<Entry> entries = [];
        Utf8JsonReader json = new(text, new JsonReaderOptions { MaxDepth = VmDescriptionReader.MaxNesting });
        json.Read();
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            bool devices = json.ValueTextEquals("devices"u8);
            json.Read();
            if (!devices)
            {
                json.Skip();
                continue;
            }

            // A member that stands twice counts the last time, as for the reader.
            entries.Clear();
            while (json.Read() && json.TokenType == JsonTokenType.StartObject)
            {
                entries.Add(ReadEntry(ref json));
            }
        }

        return entries;
    }

    private static Entry ReadEntry(ref Utf8JsonReader json)
    {
        int start = (int)json.TokenStartIndex;
        string name = "";
        long instance = 0;
        int? arrayEnd = null;
        bool isEmpty = true;
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            string property = json.GetString()!;
            json.Read();
            if (property == "name" && json.TokenType == JsonTokenType.String)
            {
                name = json.GetString()!;
            }
            else if (property == "instance_id" && json.TokenType == JsonTokenType.Number)
            {
                instance = json.GetInt64();
            }
            else if (property == "subsections")
            {
                isEmpty = true;
                while (json.Read() && json.TokenType != JsonTokenType.EndArray)
                {
                    isEmpty = false;
                    json.Skip();
                }

                arrayEnd = (int)json.TokenStartIndex;
            }
            else
            {
                json.Skip();
            }
        }

        return new Entry(name, instance, start, (int)json.TokenStartIndex + 1, arrayEnd, isEmpty);
    }

    // QEMU writes a blank behind every comma and colon; without them the text says the same.
    private static byte[] Fitted(byte[] text, int length)
    {
        if (text.Length <= length)
        {
            return [.. text, .. Enumerable.Repeat((byte)' ', length - text.Length)];
        }

        int excess = text.Length - length;
        List<byte> shorter = new(text.Length);
        bool quoted = false;
        for (int i = 0; i < text.Length; i++)
        {
            if (!quoted && excess > 0 && text[i] == (byte)' ')
            {
                excess--;
                continue;
            }

            quoted ^= text[i] == (byte)'"' && (!quoted || !IsEscaped(text, i));
            shorter.Add(text[i]);
        }

        return [.. shorter];
    }

    private static bool IsEscaped(byte[] text, int quote)
    {
        int at = quote;
        while (at > 0 && text[at - 1] == (byte)'\\')
        {
            at--;
        }

        return (quote - at) % 2 != 0;
    }
}
