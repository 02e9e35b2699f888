namespace Xstate.Artifacts;

/// <summary>Brings any stream to what a decoder works on: uncompressed bytes that it can seek in.</summary>
internal static class ArtifactContent
{
    private const int LongestMagic = 9;

    /// <summary>
    /// The content of a stream from its current position on: the stream itself when it can seek, has a length and is not compressed, else a
    /// copy in memory or, beyond
    /// <see cref="ArtifactLimits.MaxWholeFile"/>, in a temporary file that goes when the copy is disposed.
    /// </summary>
    /// <exception cref="MalformedArtifactException">The compressed bytes are damaged, exceed a limit, or nothing here can decompress
    /// them.</exception>
    public static Stream Open(Stream stream, ArtifactOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        options ??= ArtifactOptions.Default;
        Stream seekable = Spool.IsNeeded(stream) ? Spool.Copy(stream, options.Limits) : stream;
        Compression? compression = Recognize(seekable);
        if (compression is null)
        {
            return seekable;
        }

        try
        {
            return Decompress(seekable, compression.Value, options);
        }
        finally
        {
            if (!ReferenceEquals(seekable, stream))
            {
                seekable.Dispose();
            }
        }
    }

    /// <summary>
    /// How the bytes at the stream's position are compressed, by their magic; null when they are not. The position stays.
    /// </summary>
    public static Compression? Recognize(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        long position = stream.Position;
        Span<byte> magic = stackalloc byte[LongestMagic];
        magic = magic[..stream.ReadAtLeast(magic, magic.Length, throwOnEndOfStream: false)];
        stream.Position = position;
        return magic switch
        {
            [0x1F, 0x8B, 8, ..] => Compression.Gzip,
            [(byte)'B', (byte)'Z', (byte)'h', >= (byte)'1' and <= (byte)'9', ..] => Compression.Bzip2,
            [0xFD, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0, ..] => Compression.Xz,
            [0x28, 0xB5, 0x2F, 0xFD, ..] => Compression.Zstd,
            [0x89, (byte)'L', (byte)'Z', (byte)'O', 0, 0x0D, 0x0A, 0x1A, 0x0A] => Compression.Lzop,
            [0x04, 0x22, 0x4D, 0x18, ..] => Compression.Lz4,
            _ => null,
        };
    }

    internal static Stream Decompress(Stream compressed, Compression compression, ArtifactOptions options)
    {
        long position = compressed.Position;
        try
        {
            using Stream content = (compression == Compression.Gzip
                ? new WholeGzip(compressed) : options.Decompressor?.Invoke(compression, compressed))
                ?? throw new MalformedArtifactException("artifact", position, $"{compression} compression",
                    "bytes that are not compressed, or gzip: nothing here decompresses others");
            return Spool.Copy(content, options.Limits);
        }
        catch (InvalidDataException error)
        {
            throw new MalformedArtifactException("artifact", position, $"damaged {compression} data ({error.Message})",
                "a whole compressed file");
        }
    }
}
