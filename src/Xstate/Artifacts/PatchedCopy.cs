namespace Xstate.Artifacts;

/// <summary>Copies an artifact with patches applied, so that a change to a few bytes of a large file keeps every other byte without being held in memory.</summary>
public static class PatchedCopy
{
    private const int ChunkLength = 1 << 18;

    /// <summary>Writes the changed artifact.</summary>
    /// <param name="original">The original's content, seekable; read from its beginning.</param>
    /// <param name="patches">The changes, by offset, not overlapping.</param>
    /// <param name="output">Where the changed artifact goes.</param>
    /// <exception cref="ArgumentException">Patches overlap, are out of order, or lie beyond the end.</exception>
    /// <exception cref="MalformedArtifactException">The original does not have the bytes that a patch expects.</exception>
    public static void Write(Stream original, IEnumerable<ArtifactPatch> patches, Stream output)
    {
        ArgumentNullException.ThrowIfNull(original);
        ArgumentNullException.ThrowIfNull(patches);
        ArgumentNullException.ThrowIfNull(output);
        byte[] chunk = new byte[ChunkLength];
        original.Position = 0;
        foreach (ArtifactPatch patch in patches)
        {
            if (patch.Offset < original.Position || patch.Offset > original.Length)
            {
                throw new ArgumentException($"a patch at {patch.Offset} after {original.Position} of {original.Length} bytes", nameof(patches));
            }

            Copy(original, output, patch.Offset - original.Position, chunk);
            Expect(original, patch);
            output.Write(patch.Replacement.Span);
        }

        Copy(original, output, original.Length - original.Position, chunk);
    }

    /// <summary>Changes bytes of a file where they are, after all of them were found to be what they should be. Only for changes that keep every length.</summary>
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
                throw new ArgumentException($"the patch at {patch.Offset} puts {patch.Replacement.Length} bytes in place of {patch.Found.Length}", nameof(patches));
            }

            file.Position = patch.Offset;
            Expect(file, patch);
        }

        foreach (ArtifactPatch patch in patches)
        {
            file.Position = patch.Offset;
            file.Write(patch.Replacement.Span);
        }
    }

    private static void Expect(Stream original, ArtifactPatch patch)
    {
        byte[] found = new byte[patch.Found.Length];
        int read = original.ReadAtLeast(found, found.Length, throwOnEndOfStream: false);
        if (read != found.Length || !found.AsSpan().SequenceEqual(patch.Found.Span))
        {
            throw new MalformedArtifactException("artifact", patch.Offset, "other bytes than were decoded", "the file as it was when it was read");
        }
    }

    private static void Copy(Stream from, Stream to, long length, byte[] chunk)
    {
        while (length > 0)
        {
            int read = from.Read(chunk, 0, (int)Math.Min(length, chunk.Length));
            if (read == 0)
            {
                throw new EndOfStreamException("the original became shorter while it was copied");
            }

            to.Write(chunk, 0, read);
            length -= read;
        }
    }
}
