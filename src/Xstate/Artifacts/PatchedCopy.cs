namespace Xstate.Artifacts;

/// <summary>Bytes of a file that are stored; between such ranges are holes, which read as zeros.</summary>
/// <param name="Offset">The first one.</param>
/// <param name="End">Behind the last one.</param>
internal readonly record struct StoredRange(long Offset, long End);

/// <summary>Tells where a file has stored bytes.</summary>
/// <param name="from">An offset in the file.</param>
/// <returns>The first range with a byte at or behind the offset, from the offset on; null when only a hole follows.</returns>
internal delegate StoredRange? StoredRanges(long from);

/// <summary>
/// Copies an artifact with patches applied, so that a change to a few bytes of a large file keeps every other byte without being held in
/// memory.
/// </summary>
internal static class PatchedCopy
{
    /// <summary>
    /// Writes the changed artifact. A core of 64 GB is mostly holes, and its copy shall not take 64 GB of a disk: long runs of zeros are
    /// not written into an output that can seek, and holes that the caller knows of are not even read.
    /// </summary>
    /// <param name="original">The original's content, seekable; read from its beginning.</param>
    /// <param name="patches">The changes, by offset, not overlapping.</param>
    /// <param name="output">Where the changed artifact goes: an empty stream, or the end of one.</param>
    /// <param name="stored">Where the original has stored bytes; null reads all of it.</param>
    /// <exception cref="ArgumentException">Patches overlap, are out of order, or lie beyond the end.</exception>
    /// <exception cref="MalformedArtifactException">The original does not have the bytes that a patch expects.</exception>
    public static void Write(Stream original, IEnumerable<ArtifactPatch> patches, Stream output, StoredRanges? stored = null)
    {
        ArgumentNullException.ThrowIfNull(original);
        ArgumentNullException.ThrowIfNull(patches);
        ArgumentNullException.ThrowIfNull(output);
        SparseCopy copy = new(original, output, stored);
        original.Position = 0;
        foreach (ArtifactPatch patch in patches)
        {
            if (patch.Offset < original.Position || patch.Offset > original.Length)
            {
                throw new ArgumentException($"a patch at {patch.Offset} after {original.Position} of {original.Length} bytes",
                    nameof(patches));
            }

            copy.Next(patch.Offset - original.Position);
            Expect(original, patch);
            output.Write(patch.Replacement.Span);
        }

        copy.Next(original.Length - original.Position);
        copy.Finish();
    }

    // The registers of all threads of a process lie closer together than this, and so do those of a virtual CPU.
    private const int MaxOneWrite = 1 << 20;

    /// <summary>
    /// Changes bytes of a file where they are, after all of them were found to be what they should be. Only for changes that keep every
    /// length. Changes that lie within a mebibyte are one write.
    /// </summary>
    /// <param name="file">The file, seekable and writable.</param>
    /// <param name="patches">The changes.</param>
    /// <exception cref="ArgumentException">A patch changes the length.</exception>
    /// <exception cref="MalformedArtifactException">The file does not have the bytes that a patch expects; nothing was written.</exception>
    public static void InPlace(Stream file, IReadOnlyList<ArtifactPatch> patches)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(patches);
        foreach (ArtifactPatch patch in patches)
        {
            if (patch.Found.Length != patch.Replacement.Length)
            {
                throw new ArgumentException(
                    $"the patch at {patch.Offset} puts {patch.Replacement.Length} bytes in place of {patch.Found.Length}", nameof(patches));
            }

            file.Position = patch.Offset;
            Expect(file, patch);
        }

        if (patches.Count == 0)
        {
            return;
        }

        long first = patches.Min(patch => patch.Offset);
        long end = patches.Max(patch => patch.Offset + patch.Replacement.Length);
        if (end - first <= MaxOneWrite)
        {
            WriteAsOne(file, patches, first, (int)(end - first));
            return;
        }

        foreach (ArtifactPatch patch in patches)
        {
            file.Position = patch.Offset;
            file.Write(patch.Replacement.Span);
        }
    }

    // One call, with what lies between as it is: whoever ends the process between two would leave a register that the file has twice with
    // two values.
    private static void WriteAsOne(Stream file, IReadOnlyList<ArtifactPatch> patches, long first, int length)
    {
        byte[] bytes = new byte[length];
        file.Position = first;
        file.ReadExactly(bytes);
        foreach (ArtifactPatch patch in patches)
        {
            patch.Replacement.Span.CopyTo(bytes.AsSpan((int)(patch.Offset - first)));
        }

        file.Position = first;
        file.Write(bytes);
    }

    private static void Expect(Stream original, ArtifactPatch patch)
    {
        byte[] found = new byte[patch.Found.Length];
        int read = original.ReadAtLeast(found, found.Length, throwOnEndOfStream: false);
        if (read != found.Length || !found.AsSpan().SequenceEqual(patch.Found.Span))
        {
            throw new MalformedArtifactException("artifact", patch.Offset, "other bytes than were decoded",
                "the file as it was when it was read");
        }
    }
}
