using Xstate.Artifacts.Hexdumps;

namespace Xstate.Artifacts;

/// <summary>
/// Brings any stream to what a decoder works on: bytes that it can seek in, neither compressed nor written out as a hexdump.
/// </summary>
internal static class ArtifactContent
{
    private const int LongestMagic = 9;

    // Enough for the first line with bytes, however it was pasted; one of strace may begin far behind its call.
    private const int HexdumpHead = 1024;

    /// <summary>
    /// The content of a stream from its current position on: the stream itself when it can seek, has a length and holds the bytes as they
    /// are, else a copy in memory or, beyond
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
        bool isHexdump = compression is null && IsHexdump(seekable);
        if (compression is null && !isHexdump)
        {
            return seekable;
        }

        try
        {
            return isHexdump ? ReadHexdump(seekable, options.Limits) : Unpack(Decompress(seekable, compression!.Value, options), options);
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

    /// <summary>
    /// Whether the bytes at the stream's position are the text of a hexdump, which <see cref="Open"/> turns back. The position stays.
    /// </summary>
    public static bool IsHexdump(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        long position = stream.Position;
        Span<byte> head = stackalloc byte[HexdumpHead];
        head = head[..stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false)];
        stream.Position = position;
        return HexdumpText.Recognizes(head);
    }

    // A hexdump may be compressed, but no hexdump of something compressed, or of a hexdump, is taken for what is inside.
    private static Stream Unpack(Stream content, ArtifactOptions options)
    {
        if (!IsHexdump(content))
        {
            return content;
        }

        using (content)
        {
            return ReadHexdump(content, options.Limits);
        }
    }

    private static MemoryStream ReadHexdump(Stream text, ArtifactLimits limits)
    {
        MemoryStream content = new(HexdumpText.Read(WholeFile.Read(text, limits.MaxWholeFile).Span, limits));
        return Recognize(content) is null && !IsHexdump(content) ? content
            : throw new MalformedArtifactException(HexdumpText.Format, 0, "the dump of a file that is compressed or itself a dump",
                "the dump of an artifact; xxd -r turns a dump back into the file");
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
