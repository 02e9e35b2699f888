using System.Collections.Immutable;
using System.Security.Cryptography;

namespace Xstate.Artifacts.UndoFile;

/// <summary>Bytes of the original where the repaired file has others.</summary>
/// <param name="Offset">Offset in the original.</param>
/// <param name="Bytes">The original bytes.</param>
public sealed record UndoRun(long Offset, ReadOnlyMemory<byte> Bytes);

/// <summary>
/// What turns a repaired artifact back into its original, bit for bit: the removed bytes, with hashes that keep it from being applied to any other file.
/// </summary>
/// <param name="OriginalLength">Length of the original.</param>
/// <param name="OriginalSha256">Hash of the original.</param>
/// <param name="RepairedSha256">Hash of the repaired file.</param>
/// <param name="Runs">Differing bytes, by offset.</param>
public sealed record UndoRecord(long OriginalLength, ReadOnlyMemory<byte> OriginalSha256, ReadOnlyMemory<byte> RepairedSha256, ImmutableArray<UndoRun> Runs)
{
    // Equal bytes between two differences are cheaper to repeat than to interrupt a run for.
    private const int MaxGap = 16;

    /// <summary>The record that leads from a repaired file back to its original.</summary>
    public static UndoRecord Create(ReadOnlySpan<byte> original, ReadOnlySpan<byte> repaired)
    {
        ImmutableArray<UndoRun>.Builder runs = ImmutableArray.CreateBuilder<UndoRun>();
        int position = 0;
        while (position < original.Length)
        {
            position += Common(original[position..], position < repaired.Length ? repaired[position..] : []);
            if (position >= original.Length)
            {
                break;
            }

            int end = EndOfRun(original, repaired, position);
            runs.Add(new UndoRun(position, original[position..end].ToArray()));
            position = end;
        }

        return new UndoRecord(original.Length, SHA256.HashData(original), SHA256.HashData(repaired), runs.ToImmutable());
    }

    /// <summary>The original.</summary>
    /// <exception cref="MalformedArtifactException">The file is not the repaired one, or the record does not give the original back.</exception>
    public byte[] Apply(ReadOnlySpan<byte> repaired)
    {
        Expect(SHA256.HashData(repaired), RepairedSha256, "the file that this undo record belongs to");
        byte[] original = new byte[OriginalLength];
        repaired[..(int)Math.Min(repaired.Length, OriginalLength)].CopyTo(original);
        foreach (UndoRun run in Runs)
        {
            run.Bytes.Span.CopyTo(original.AsSpan((int)run.Offset));
        }

        Expect(SHA256.HashData(original), OriginalSha256, "runs that give the original back");
        return original;
    }

    private static void Expect(byte[] found, ReadOnlyMemory<byte> expected, string what)
    {
        if (!found.AsSpan().SequenceEqual(expected.Span))
        {
            throw new MalformedArtifactException(UndoFileReader.Format, 0, $"SHA-256 {Convert.ToHexStringLower(found)}", $"{what}, SHA-256 {Convert.ToHexStringLower(expected.Span)}");
        }
    }

    private static int Common(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right) => left.CommonPrefixLength(right);

    // A run ends where enough equal bytes follow.
    private static int EndOfRun(ReadOnlySpan<byte> original, ReadOnlySpan<byte> repaired, int start)
    {
        int end = start + 1;
        int equal = 0;
        for (int i = start + 1; i < original.Length && equal < MaxGap; i++)
        {
            bool same = i < repaired.Length && original[i] == repaired[i];
            equal = same ? equal + 1 : 0;
            end = same ? end : i + 1;
        }

        return end;
    }
}
