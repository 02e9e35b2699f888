using System.Collections.Immutable;
using System.Security.Cryptography;

namespace Xstate.Artifacts.UndoFile;

/// <summary>Bytes of the original where the repaired file has others.</summary>
/// <param name="Offset">Offset in the original.</param>
/// <param name="Bytes">The original bytes.</param>
internal sealed record UndoRun(long Offset, ReadOnlyMemory<byte> Bytes);

/// <summary>
/// What turns a repaired artifact back into its original, bit for bit: the removed bytes, with hashes that keep it from being applied to
/// any other file.
/// </summary>
/// <param name="OriginalLength">Length of the original.</param>
/// <param name="OriginalSha256">Hash of the original.</param>
/// <param name="RepairedSha256">Hash of the repaired file.</param>
/// <param name="Runs">Differing bytes, by offset.</param>
internal sealed record UndoRecord(long OriginalLength, ReadOnlyMemory<byte> OriginalSha256, ReadOnlyMemory<byte> RepairedSha256,
    ImmutableArray<UndoRun> Runs)
{
    private const int ChunkLength = 1 << 18;

    /// <summary>The record that leads from a repaired file back to its original; both are read once, in pieces.</summary>
    /// <param name="original">The original, from its current position on.</param>
    /// <param name="repaired">The repaired file, from its current position on.</param>
    public static UndoRecord Create(Stream original, Stream repaired)
    {
        ArgumentNullException.ThrowIfNull(original);
        ArgumentNullException.ThrowIfNull(repaired);
        ImmutableArray<UndoRun>.Builder runs = ImmutableArray.CreateBuilder<UndoRun>();
        using IncrementalHash originalHash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using IncrementalHash repairedHash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] left = new byte[ChunkLength];
        byte[] right = new byte[ChunkLength];
        long offset = 0;
        while (true)
        {
            int leftLength = original.ReadAtLeast(left, left.Length, throwOnEndOfStream: false);
            int rightLength = repaired.ReadAtLeast(right, right.Length, throwOnEndOfStream: false);
            if (leftLength == 0 && rightLength == 0)
            {
                break;
            }

            originalHash.AppendData(left, 0, leftLength);
            repairedHash.AppendData(right, 0, rightLength);
            foreach (ArtifactPatch patch in ArtifactPatch.Between(left.AsMemory(0, leftLength), right.AsMemory(0, rightLength), offset))
            {
                if (!patch.Found.IsEmpty)
                {
                    runs.Add(new UndoRun(patch.Offset, patch.Found.ToArray()));
                }
            }

            offset += leftLength;
        }

        return new UndoRecord(offset, originalHash.GetHashAndReset(), repairedHash.GetHashAndReset(), runs.ToImmutable());
    }

    /// <summary>Writes the original, in pieces. What was written counts only when this returns.</summary>
    /// <param name="repaired">The repaired file, seekable; read from its beginning.</param>
    /// <param name="original">Where the original goes.</param>
    /// <exception cref="MalformedArtifactException">The file is not the repaired one, or the record does not give the original
    /// back.</exception>
    public void Apply(Stream repaired, Stream original)
    {
        ArgumentNullException.ThrowIfNull(repaired);
        ArgumentNullException.ThrowIfNull(original);
        repaired.Position = 0;
        Expect(SHA256.HashData(repaired), RepairedSha256, "the file that this undo record belongs to");
        repaired.Position = 0;
        long beyond = repaired.Length;
        foreach (UndoRun run in Runs)
        {
            // What the file does not have, the runs have, without a gap: whatever the length says, no more is written than these.
            beyond = run.Offset <= beyond ? Math.Max(beyond, run.Offset + run.Bytes.Length) : beyond;
        }

        if (OriginalLength > beyond)
        {
            throw new MalformedArtifactException(UndoFileReader.Format, 0, $"a length of {OriginalLength} bytes",
                $"at most the {beyond} bytes that the file and the runs have");
        }

        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] chunk = new byte[ChunkLength];
        int next = 0;
        for (long offset = 0; offset < OriginalLength; offset += ChunkLength)
        {
            Span<byte> piece = chunk.AsSpan(0, (int)Math.Min(ChunkLength, OriginalLength - offset));
            piece[repaired.ReadAtLeast(piece, piece.Length, throwOnEndOfStream: false)..].Clear();
            next = Overlay(piece, offset, next);
            hash.AppendData(piece);
            original.Write(piece);
        }

        Expect(hash.GetHashAndReset(), OriginalSha256, "runs that give the original back");
    }

    // Lays the runs over a piece of the file, from the first that may touch it; returns the first that may touch the next piece.
    private int Overlay(Span<byte> piece, long offset, int first)
    {
        int next = first;
        for (; next < Runs.Length && Runs[next].Offset < offset + piece.Length; next++)
        {
            UndoRun run = Runs[next];
            long start = Math.Max(run.Offset, offset);
            long end = Math.Min(run.Offset + run.Bytes.Length, offset + piece.Length);
            if (start < end)
            {
                run.Bytes.Span[(int)(start - run.Offset)..(int)(end - run.Offset)].CopyTo(piece[(int)(start - offset)..]);
            }

            if (run.Offset + run.Bytes.Length > offset + piece.Length)
            {
                break;
            }
        }

        return next;
    }

    private static void Expect(byte[] found, ReadOnlyMemory<byte> expected, string what)
    {
        if (!found.AsSpan().SequenceEqual(expected.Span))
        {
            throw new MalformedArtifactException(UndoFileReader.Format, 0, $"SHA-256 {Convert.ToHexStringLower(found)}",
                $"{what}, SHA-256 {Convert.ToHexStringLower(expected.Span)}");
        }
    }
}
