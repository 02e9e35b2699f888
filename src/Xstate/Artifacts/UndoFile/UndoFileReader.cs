using System.Collections.Immutable;
using System.Security.Cryptography;
using Xstate.Artifacts.Json;

namespace Xstate.Artifacts.UndoFile;

/// <summary>Reads the undo files that <c>fix</c> leaves beside its output.</summary>
internal static class UndoFileReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "xstate-undo";

    internal static readonly string[] Document = ["format", "version", "length", "original", "repaired", "runs"];
    internal static readonly string[] Run = ["offset", "hex"];

    // JSON numbers are exact up to here.
    private const long MaxLength = 1L << 53;

    /// <summary>Longest run that is written as one item.</summary>
    internal const int MaxRunLength = 16_384;

    /// <summary>Reads an undo file.</summary>
    /// <exception cref="MalformedArtifactException">The bytes are not an undo file, or exceed a limit.</exception>
    public static UndoRecord Read(ReadOnlySpan<byte> json, ArtifactLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        JsonEnvelope.Check(json, Format);
        JsonCursor cursor = new(json, Format, limits);
        cursor.BeginObject();
        ulong seen = 0;
        long length = 0;
        byte[] original = [];
        byte[] repaired = [];
        ImmutableArray<UndoRun> runs = [];
        while (cursor.NextMember(Document, ref seen, out int member))
        {
            switch (member)
            {
                case 0 or 1:
                    JsonEnvelope.ReadMember(cursor, member == 0, Format);
                    break;
                case 2:
                    length = cursor.ReadInteger(0, MaxLength);
                    break;
                case 3:
                    original = ReadHash(cursor);
                    break;
                case 4:
                    repaired = ReadHash(cursor);
                    break;
                default:
                    runs = ReadRuns(ref cursor, length);
                    break;
            }
        }

        cursor.Require(Document, seen, 0, 1, 2, 3, 4, 5);
        cursor.End();
        return new UndoRecord(length, original, repaired, runs);
    }

    private static byte[] ReadHash(in JsonCursor cursor)
    {
        byte[] hash = new byte[SHA256.HashSizeInBytes];
        return cursor.ReadHexBytes(hash) == hash.Length ? hash : throw cursor.Malformed($"{hash.Length} bytes of a SHA-256");
    }

    private static ImmutableArray<UndoRun> ReadRuns(ref JsonCursor cursor, long length)
    {
        ImmutableArray<UndoRun>.Builder runs = ImmutableArray.CreateBuilder<UndoRun>();
        byte[] buffer = new byte[MaxRunLength];
        cursor.BeginArray();
        long end = 0;
        while (cursor.NextItem(cursor.Limits.MaxWholeFile))
        {
            cursor.BeginObject();
            ulong seen = 0;
            long offset = 0;
            int count = 0;
            while (cursor.NextMember(Run, ref seen, out int member))
            {
                if (member == 0)
                {
                    offset = cursor.ReadInteger(end, length);
                }
                else
                {
                    count = cursor.ReadHexBytes(buffer);
                }
            }

            cursor.Require(Run, seen, 0, 1);
            end = offset + count;
            if (end > length)
            {
                throw cursor.Malformed($"{count} bytes at {offset}", $"runs within {length} bytes, the length first");
            }

            runs.Add(new UndoRun(offset, buffer.AsSpan(0, count).ToArray()));
        }

        return runs.ToImmutable();
    }
}
