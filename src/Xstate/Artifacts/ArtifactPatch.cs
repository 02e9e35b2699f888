using System.Collections.Immutable;

namespace Xstate.Artifacts;

/// <summary>One place where a changed artifact differs from its original.</summary>
/// <param name="Offset">Where, in the original.</param>
/// <param name="Found">The original's bytes there; empty to insert, or to append at the end.</param>
/// <param name="Replacement">What takes their place; of another length only in formats that can move what follows.</param>
internal sealed record ArtifactPatch(long Offset, ReadOnlyMemory<byte> Found, ReadOnlyMemory<byte> Replacement)
{
    // Equal bytes between two differences are cheaper to repeat than to interrupt a patch for.
    private const int MaxGap = 16;

    /// <summary>
    /// The patches that lead from some bytes of the original to others: one for each run of differing bytes, and one for what is longer or
    /// shorter at the end.
    /// </summary>
    /// <param name="found">Bytes of the original.</param>
    /// <param name="replacement">What they should be.</param>
    /// <param name="offset">Where they are in the original.</param>
    public static ImmutableArray<ArtifactPatch> Between(ReadOnlyMemory<byte> found, ReadOnlyMemory<byte> replacement, long offset = 0)
    {
        ImmutableArray<ArtifactPatch>.Builder patches = ImmutableArray.CreateBuilder<ArtifactPatch>();
        int common = Math.Min(found.Length, replacement.Length);
        ReadOnlySpan<byte> left = found.Span[..common];
        ReadOnlySpan<byte> right = replacement.Span[..common];
        int position = left.CommonPrefixLength(right);
        while (position < common)
        {
            int end = EndOfRun(left, right, position);
            patches.Add(new ArtifactPatch(offset + position, found[position..end], replacement[position..end]));
            position = end + left[end..].CommonPrefixLength(right[end..]);
        }

        if (found.Length != replacement.Length)
        {
            patches.Add(new ArtifactPatch(offset + common, found[common..], replacement[common..]));
        }

        return patches.ToImmutable();
    }

    // A run ends where enough equal bytes follow.
    private static int EndOfRun(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right, int start)
    {
        int end = start + 1;
        while (end < left.Length)
        {
            int equal = left[end..].CommonPrefixLength(right[end..]);
            if (equal >= MaxGap || end + equal == left.Length)
            {
                return end;
            }

            end += equal + 1;
        }

        return end;
    }
}
