using System.Text.Json;
using Xstate.Artifacts.Json;
using Xstate.Captures;

namespace Xstate.Artifacts.HostFile;

/// <summary>Reads Xstate's host record: JSON with <c>"format": "xstate-host"</c> (docs/schemas/host.schema.json).</summary>
internal static class HostFileReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "xstate-host";

    internal static bool Recognizes(ReadOnlySpan<byte> head) => JsonEnvelope.Recognizes(head, Format) || IsAnswer(head);

    /// <summary>
    /// Reads the record. Unknown members are errors: a record that says more than this version understands must not be half believed.
    /// </summary>
    /// <exception cref="MalformedArtifactException">The bytes are not such a record, or a limit is exceeded.</exception>
    public static HostRecord Read(ReadOnlySpan<byte> json, ArtifactLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        if (!IsAnswer(json))
        {
            return ReadRecord(json, limits);
        }

        Range place = RecordOf(json);
        try
        {
            return ReadRecord(json[place], limits);
        }
        catch (MalformedArtifactException inside)
        {
            // Whoever looks for it counts from the beginning of the file.
            throw new MalformedArtifactException(inside.Format, place.Start.Value + inside.Offset, inside.Found, inside.Expected);
        }
    }

    private static HostRecord ReadRecord(ReadOnlySpan<byte> json, ArtifactLimits limits)
    {
        JsonEnvelope.Check(json, Format);
        JsonCursor cursor = new(json, Format, limits);
        HostRecord host = HostFields.Read(ref cursor, isDocument: true);
        cursor.End();
        return host;
    }

    // What xstate host --json prints begins with its version and its verb.
    private static bool IsAnswer(ReadOnlySpan<byte> head)
    {
        Utf8JsonReader reader = new(head, isFinalBlock: false, default);
        try
        {
            return reader.Read() && reader.TokenType == JsonTokenType.StartObject
                && reader.Read() && reader.TokenType == JsonTokenType.PropertyName && reader.ValueTextEquals("schemaVersion"u8)
                && reader.Read()
                && reader.Read() && reader.TokenType == JsonTokenType.PropertyName && reader.ValueTextEquals("verb"u8)
                && reader.Read() && reader.TokenType == JsonTokenType.String && reader.ValueTextEquals("host"u8);
        }
        catch (JsonException)
        {
            return false;
        }
    }

    // Where the answer carries the record whole.
    private static Range RecordOf(ReadOnlySpan<byte> answer)
    {
        Utf8JsonReader reader = new(answer);
        try
        {
            while (reader.Read())
            {
                if (reader.CurrentDepth != 1 || reader.TokenType != JsonTokenType.PropertyName)
                {
                    continue;
                }

                bool isRecord = reader.ValueTextEquals("record"u8);
                reader.Read();
                int start = (int)reader.TokenStartIndex;
                reader.Skip();
                if (isRecord)
                {
                    return start..(int)reader.BytesConsumed;
                }
            }
        }
        catch (JsonException error)
        {
            throw new MalformedArtifactException(Format, 0, error.Message, "the JSON answer of xstate host");
        }

        throw new MalformedArtifactException(Format, 0, "no member record", "the JSON answer of xstate host, which has one");
    }
}
