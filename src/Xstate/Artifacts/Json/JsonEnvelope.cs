using System.Text.Json;

namespace Xstate.Artifacts.Json;

/// <summary>
/// The two members by which Xstate's own files say what they are: <c>"format"</c> and <c>"version"</c>, anywhere at the top level.
/// </summary>
internal static class JsonEnvelope
{
    /// <summary>The only version so far.</summary>
    public const int Version = 1;

    /// <summary>
    /// Whether the start of a file is a JSON object of the given format. Broken JSON after the format member does not matter here.
    /// </summary>
    public static bool Recognizes(ReadOnlySpan<byte> head, string format)
    {
        ReadOnlySpan<byte> text = head.TrimStart(" \t\r\n"u8);
        return text.StartsWith("{"u8) && Scan(text, format) is { HasFormat: true };
    }

    /// <summary>
    /// Throws unless the document states the format and a version that can be read. Comes before reading, so that a newer file is not
    /// blamed for its new members.
    /// </summary>
    public static void Check(ReadOnlySpan<byte> json, string format)
    {
        (bool hasFormat, long versionOffset, string? version) = Scan(json, format);
        if (!hasFormat)
        {
            throw new MalformedArtifactException(format, 0, "no such member", $"a JSON object with \"format\": \"{format}\"");
        }

        if (version is not null && version != "1")
        {
            throw new MalformedArtifactException(format, versionOffset, $"version {version}", $"version {Version}");
        }
    }

    /// <summary>Reads the value of <c>format</c> or <c>version</c> where the document has it.</summary>
    public static void ReadMember(in JsonCursor cursor, bool isFormat, string format)
    {
        if (isFormat)
        {
            cursor.ReadWord([format]);
        }
        else
        {
            cursor.ReadInteger(Version, Version);
        }
    }

    private static (bool HasFormat, long VersionOffset, string? Version) Scan(ReadOnlySpan<byte> json, string format)
    {
        Utf8JsonReader reader = new(json, isFinalBlock: false, default);
        bool hasFormat = false;
        long offset = 0;
        string? version = null;
        try
        {
            while (reader.Read())
            {
                if (reader.CurrentDepth != 1 || reader.TokenType != JsonTokenType.PropertyName)
                {
                    continue;
                }

                bool isFormat = reader.ValueTextEquals("format"u8);
                bool isVersion = reader.ValueTextEquals("version"u8);
                if (!reader.Read())
                {
                    break;
                }

                hasFormat |= isFormat && reader.TokenType == JsonTokenType.String && reader.ValueTextEquals(format);
                if (isVersion && reader.TokenType == JsonTokenType.Number)
                {
                    offset = reader.TokenStartIndex;
                    version = System.Text.Encoding.ASCII.GetString(reader.ValueSpan[..Math.Min(reader.ValueSpan.Length, 20)]);
                }
            }
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // What comes after the break is the reader's to report, with its path.
        }

        return (hasFormat, offset, version);
    }
}
