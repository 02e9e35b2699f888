using System.Text.Json;
using Xstate.Artifacts.Json;

namespace Xstate.Artifacts.UndoFile;

/// <summary>Writes undo files.</summary>
internal static class UndoFileWriter
{
    /// <summary>The record as UTF-8 JSON.</summary>
    public static byte[] Write(UndoRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        using JsonOutput output = new();
        Utf8JsonWriter writer = output.Writer;
        writer.WriteStartObject();
        writer.WriteString(UndoFileReader.Document[0], UndoFileReader.Format);
        writer.WriteNumber(UndoFileReader.Document[1], JsonEnvelope.Version);
        writer.WriteNumber(UndoFileReader.Document[2], record.OriginalLength);
        writer.WriteString(UndoFileReader.Document[3], Convert.ToHexStringLower(record.OriginalSha256.Span));
        writer.WriteString(UndoFileReader.Document[4], Convert.ToHexStringLower(record.RepairedSha256.Span));
        writer.WriteStartArray(UndoFileReader.Document[5]);
        foreach (UndoRun run in record.Runs)
        {
            for (int start = 0; start < run.Bytes.Length; start += UndoFileReader.MaxRunLength)
            {
                ReadOnlySpan<byte> piece = run.Bytes.Span.Slice(start, Math.Min(UndoFileReader.MaxRunLength, run.Bytes.Length - start));
                Utf8JsonWriter line = output.BeginLine();
                line.WriteNumber(UndoFileReader.Run[0], run.Offset + start);
                line.WriteString(UndoFileReader.Run[1], Convert.ToHexStringLower(piece));
                output.EndItem();
            }
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
        return output.ToBytes();
    }
}
