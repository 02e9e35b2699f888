using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Xstate.Artifacts;
using Xstate.Tests.Artifacts.Mutations;

namespace Xstate.Fuzz;

/// <summary>
/// Every text of every sample: JSON's strings and names of members, words of XML and of lines, and what can be read in a binary file. Where
/// a list or a kind of line repeats itself, its first and its last one.
/// </summary>
internal static partial class TextPlaces
{
    /// <summary>A line that would be taken for one of the command's own, if it came to stand at the beginning of a line.</summary>
    public const string Forged = "  FORGED: loads, and the guest sees the same";

    /// <summary>What stands at its end, longer than what is quoted: text has not all of it, JSON has.</summary>
    public const string End = "END-OF-TEXT";

    private const int ShortestInBinary = 3;
    private const int PlacesOfABinary = 200;
    private static readonly string Evil =
        $"\u001b]0;P\u0007\u001b[8m\u009b8m\u202e\u2066\n{Forged}\n\r\u0000\u0085\u2028{new string('x', 64)}{End}";

    // XML has no control characters below 0x20 but tabs and line feeds.
    private static readonly string EvilInXml = $"\u009b8m\u202e\u2066\n{Forged}\n\u0085\u2028{new string('x', 64)}{End}";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<TextPlace> Find(IEnumerable<MutationSample> samples) =>
        [.. samples.Where(sample => ArtifactContent.Recognize(new MemoryStream(sample.Bytes)) is null).SelectMany(Of)];

    private static IEnumerable<TextPlace> Of(MutationSample sample)
    {
        byte[] bytes = sample.Bytes;
        (List<(int Start, int Length, string Kind, string Where)> found, Func<byte[]> evil) =
            bytes is [(byte)'{' or (byte)'[', ..] && Json(bytes) is { } strings
            ? (strings, (Func<byte[]>)(() => JsonSerializer.SerializeToUtf8Bytes(Evil)))
            : IsText(bytes) ? (Words(bytes), () => Encoding.UTF8.GetBytes(bytes[0] == '<' ? EvilInXml : Evil))
            : (Readable(bytes), () => []);
        bool fits = evil().Length > 0;

        // Of lines and words a decoder takes each by itself: what is between two of them is no text.
        bool isWhole = fits && bytes[0] is (byte)'{' or (byte)'[' or (byte)'<';
        return FirstAndLast(found).Select(place => new TextPlace(sample.Name, sample.Group, place.Where, isWhole, () =>
        {
            byte[] other = fits ? evil() : Repeated(place.Length);
            byte[] changed = [.. bytes.AsSpan(0, place.Start), .. other, .. bytes.AsSpan(place.Start + place.Length)];
            return sample.Mend is { } mend ? mend(changed) : changed;
        }));
    }

    private static IEnumerable<(int Start, int Length, string Kind,
        string Where)> FirstAndLast(List<(int Start, int Length, string Kind, string Where)> found) =>
        found.GroupBy(place => place.Kind, StringComparer.Ordinal)
        .SelectMany(places => places.Count() == 1 ? [places.First()] : new[] { places.First(), places.Last() });

    private static List<(int Start, int Length, string Kind, string Where)>? Json(byte[] bytes)
    {
        List<(int, int, string, string)> found = [];
        List<string> path = [];
        Utf8JsonReader reader = new(bytes, new JsonReaderOptions { AllowMultipleValues = true });
        try
        {
            string name = "";
            while (reader.Read())
            {
                switch (reader.TokenType)
                {
                    case JsonTokenType.StartObject or JsonTokenType.StartArray:
                        path.Add(name);
                        name = "";
                        break;
                    case JsonTokenType.EndObject or JsonTokenType.EndArray:
                        path.RemoveAt(path.Count - 1);
                        break;
                    case JsonTokenType.PropertyName or JsonTokenType.String:
                        bool isName = reader.TokenType == JsonTokenType.PropertyName;
                        name = isName ? reader.GetString()! : name;
                        string where = $"{string.Join('.', path)}.{name}{(isName ? " (name)" : "")}";
                        found.Add(((int)reader.TokenStartIndex, reader.ValueSpan.Length + 2, where, where));
                        name = isName ? name : "";
                        break;
                }
            }

            return found;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static bool IsText(byte[] bytes) => bytes.Length > 0 && !bytes.AsSpan(0, Math.Min(bytes.Length, 4096))
        .ContainsAny([(byte)0, (byte)1, (byte)2, (byte)0xFF]);

    private static List<(int Start, int Length, string Kind, string Where)> Words(byte[] bytes)
    {
        // As many characters as bytes: places are the same in both.
        List<(int, int, string, string)> found = [];
        int start = 0;
        int number = 0;
        foreach (string line in Encoding.Latin1.GetString(bytes).Split('\n'))
        {
            number++;
            string shape = Digits().Replace(line, "#");
            int word = 0;
            foreach (Match match in Word().Matches(line))
            {
                word++;
                found.Add((start + match.Index, match.Length, $"{word.ToString(CultureInfo.InvariantCulture)} of {shape}",
                    $"line {number}, word {word}"));
            }

            start += line.Length + 1;
        }

        return found;
    }

    private static List<(int Start, int Length, string Kind, string Where)> Readable(byte[] bytes)
    {
        List<(int Start, int Length, string Kind, string Where)> found = [];
        int start = 0;
        for (int i = 0; i <= bytes.Length; i++)
        {
            if (i < bytes.Length && bytes[i] is >= 0x20 and < 0x7F)
            {
                continue;
            }

            if (i - start >= ShortestInBinary)
            {
                found.Add((start, i - start, Encoding.Latin1.GetString(bytes, start, i - start), $"offset {start}"));
            }

            start = i + 1;
        }

        // Registers and memory look like text now and then; what is text stands at the beginning, or is spread over the file.
        return found.Count <= PlacesOfABinary ? found
            : [.. found.Take(PlacesOfABinary / 2), .. Enumerable.Range(0, PlacesOfABinary / 2)
                .Select(i => found[(int)((long)i * found.Count * 2 / PlacesOfABinary)])];
    }

    // As long as what was there: lengths around it stay right, so that it is read as the text that it stands for.
    private static byte[] Repeated(int length)
    {
        byte[] evil = Encoding.UTF8.GetBytes($"\u001b[8m\n{Forged}\n\u009b\u202e");
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++)
        {
            bytes[i] = evil[i % evil.Length];
        }

        return bytes;
    }

    [GeneratedRegex(@"[^\s<>""'=,;(){}\[\]]{2,}", RegexOptions.None, 10_000)]
    private static partial Regex Word();

    [GeneratedRegex("[0-9A-Fa-f]+", RegexOptions.None, 10_000)]
    private static partial Regex Digits();
}
