namespace Xstate.Artifacts;

/// <summary>
/// Brings an artifact that has to be held in memory there, within the limit and without trusting a length that the file states.
/// </summary>
internal static class WholeFile
{
    private const int FirstChunk = 1 << 16;

    /// <summary>Everything from the stream's position to its end.</summary>
    /// <exception cref="MalformedArtifactException">There is more than the limit.</exception>
    public static ReadOnlyMemory<byte> Read(Stream stream, int maxLength)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (!Spool.IsNeeded(stream))
        {
            long length = stream.Length - stream.Position;
            if (length > maxLength)
            {
                throw TooLong(maxLength, $"{length} bytes");
            }

            byte[] whole = new byte[length];
            int read = stream.ReadAtLeast(whole, whole.Length, throwOnEndOfStream: false);
            return whole.AsMemory(0, read);
        }

        byte[] bytes = new byte[Math.Min(FirstChunk, maxLength)];
        int filled = 0;
        while (true)
        {
            filled += stream.ReadAtLeast(bytes.AsSpan(filled), bytes.Length - filled, throwOnEndOfStream: false);
            if (filled < bytes.Length)
            {
                return bytes.AsMemory(0, filled);
            }

            if (filled == maxLength)
            {
                return stream.ReadByte() < 0 ? bytes : throw TooLong(maxLength, "more");
            }

            Array.Resize(ref bytes, (int)Math.Min(maxLength, bytes.Length * 2L));
        }
    }

    private static MalformedArtifactException TooLong(int maxLength, string found) =>
        new("artifact", maxLength, found, $"at most {maxLength} bytes");
}
