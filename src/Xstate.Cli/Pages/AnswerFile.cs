using System.Text.Json;
using Xstate.Artifacts;
using Xstate.Cli.Input;
using Xstate.Reports;

namespace Xstate.Cli.Pages;

/// <summary>Reads files with JSON answers of the command: one answer, one of many files, or one a line.</summary>
internal static class AnswerFile
{
    private const string Format = "answer of xstate --json";
    private const string Expected = "an answer that a verb prints with --json";
    private const int MaxLength = 512 << 20;

    /// <summary>The answers of a file; those for several files one by one.</summary>
    /// <exception cref="MalformedArtifactException">It holds something else.</exception>
    public static List<ReportPart> Read(string path)
    {
        using Stream stream = ArtifactInput.OpenStream(path);
        return Parse(ReadAll(stream));
    }

    /// <summary>The answers of a text.</summary>
    public static List<ReportPart> Parse(ReadOnlyMemory<byte> text)
    {
        List<ReportPart> parts = [];
        ReadOnlySpan<byte> bytes = text.Span;
        int skipped = bytes.StartsWith("\uFEFF"u8) ? 3 : 0;
        Utf8JsonReader reader = new(bytes[skipped..], new JsonReaderOptions { AllowMultipleValues = true });
        long start = 0;
        try
        {
            while (reader.Read())
            {
                start = reader.TokenStartIndex + skipped;
                Add(parts, JsonElement.ParseValue(ref reader), start);
            }
        }
        catch (JsonException error)
        {
            throw new MalformedArtifactException(Format, reader.BytesConsumed + skipped, $"no JSON ({Line(error.Message)})", Expected);
        }
        catch (InvalidOperationException)
        {
            // A string with half of a surrogate pair cannot be written again.
            throw new MalformedArtifactException(Format, start, "a string that is no text", "strings in Unicode");
        }

        return parts.Count > 0 ? parts : throw new MalformedArtifactException(Format, 0, "nothing", Expected);
    }

    private static void Add(List<ReportPart> parts, JsonElement answer, long offset)
    {
        bool isAnswer = answer.ValueKind == JsonValueKind.Object && answer.TryGetProperty("verb", out JsonElement verb)
            && verb.ValueKind == JsonValueKind.String && answer.TryGetProperty("schemaVersion", out JsonElement version)
            && version.ValueKind == JsonValueKind.Number;
        if (!isAnswer)
        {
            throw new MalformedArtifactException(Format, offset, "JSON that is no answer", "an object with schemaVersion and verb");
        }

        if (!answer.GetProperty("schemaVersion").TryGetInt32(out int number) || number != JsonAnswer.SchemaVersion)
        {
            string found = $"schemaVersion {answer.GetProperty("schemaVersion").GetRawText()}";
            throw new MalformedArtifactException(Format, offset, found, $"{JsonAnswer.SchemaVersion}");
        }

        if (answer.TryGetProperty("files", out JsonElement files) && files.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement one in files.EnumerateArray())
            {
                Add(parts, one, offset);
            }

            return;
        }

        RequireText(answer);
        parts.Add(new ReportPart(answer));
    }

    // What cannot be written again is found before anything is.
    private static void RequireText(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String:
                _ = element.GetString();
                break;
            case JsonValueKind.Array:
                foreach (JsonElement item in element.EnumerateArray())
                {
                    RequireText(item);
                }

                break;
            case JsonValueKind.Object:
                foreach (JsonProperty field in element.EnumerateObject())
                {
                    _ = field.Name;
                    RequireText(field.Value);
                }

                break;
            default:
                break;
        }
    }

    private static string Line(string message) => message.ReplaceLineEndings(" ").Split(" LineNumber", 2)[0].TrimEnd('.');

    private static byte[] ReadAll(Stream stream)
    {
        using MemoryStream bytes = new();
        byte[] buffer = new byte[1 << 16];
        for (int read = stream.Read(buffer); read > 0; read = stream.Read(buffer))
        {
            bytes.Write(buffer, 0, read);
            if (bytes.Length > MaxLength)
            {
                throw new UsageException($"answers have at most {MaxLength} bytes");
            }
        }

        return bytes.ToArray();
    }
}
