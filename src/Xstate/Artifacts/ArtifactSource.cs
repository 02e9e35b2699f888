namespace Xstate.Artifacts;

/// <summary>
/// Random access to the bytes of one artifact, for decoders that read where the answer is: a core of 100 GB costs its headers and notes.
/// Offsets count from where the artifact begins.
/// </summary>
internal sealed class ArtifactSource : IDisposable
{
    // Enough for the preamble of every text dump seen; recognisers of binary formats look at the first kilobytes.
    private const int HeadLength = 1 << 16;

    private readonly Stream _stream;
    private readonly long _start;
    private readonly ArtifactOptions _options;
    private readonly byte[] _head;
    private readonly List<IDisposable> _owned = [];

    /// <summary>A source over a stream that can seek, from its current position to its end.</summary>
    public ArtifactSource(Stream stream, ArtifactOptions options)
    {
        _stream = stream;
        _options = options;
        _start = stream.Position;
        Length = Math.Max(0, stream.Length - _start);
        _head = new byte[Math.Min(Length, HeadLength)];
        Array.Resize(ref _head, ReadAt(0, _head));
    }

    /// <summary>Bytes of the artifact.</summary>
    public long Length { get; }

    /// <summary>The first bytes, up to 64 KiB.</summary>
    public ReadOnlySpan<byte> Head => _head;

    /// <summary>Fills a buffer from an offset; fewer bytes only at the end.</summary>
    /// <returns>The number of bytes read, 0 beyond the end.</returns>
    public int ReadAt(long offset, Span<byte> buffer)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        if (offset >= Length)
        {
            return 0;
        }

        _stream.Position = _start + offset;
        return _stream.ReadAtLeast(buffer, (int)Math.Min(buffer.Length, Length - offset), throwOnEndOfStream: false);
    }

    /// <summary>Exactly these bytes. The caller has held the length against a limit.</summary>
    /// <param name="format">The format, for the error.</param>
    /// <param name="offset">Where they begin.</param>
    /// <param name="length">How many.</param>
    /// <param name="what">What they are, for the error.</param>
    /// <exception cref="MalformedArtifactException">The artifact ends before.</exception>
    public byte[] Bytes(string format, long offset, int length, string what)
    {
        if (offset < 0 || length < 0 || offset > Length - length)
        {
            throw new MalformedArtifactException(format, Math.Clamp(offset, 0, Length), "the end of the file",
                $"{length} bytes of {what} at {offset}");
        }

        byte[] bytes = new byte[length];
        int read = ReadAt(offset, bytes);
        return read == length ? bytes : throw new MalformedArtifactException(format, offset + read, "the end of the file",
            $"{length} bytes of {what}");
    }

    /// <summary>Everything.</summary>
    /// <exception cref="MalformedArtifactException">There is more than the limit.</exception>
    public ReadOnlyMemory<byte> Whole(int maxLength)
    {
        _stream.Position = _start;
        return WholeFile.Read(_stream, maxLength);
    }

    /// <summary>What a compressed part of this artifact holds, from an offset to the end. It lives as long as this source.</summary>
    /// <exception cref="MalformedArtifactException">The bytes are damaged, exceed a limit, or nothing here can decompress them.</exception>
    public ArtifactSource Decompressed(Compression compression, long offset)
    {
        _stream.Position = _start + offset;
        Stream content = ArtifactContent.Decompress(_stream, compression, _options);
        _owned.Add(content);
        ArtifactSource inner = new(content, _options);
        _owned.Add(inner);
        return inner;
    }

    /// <summary>Gives back what was decompressed for decoders; the stream itself belongs to the caller.</summary>
    public void Dispose()
    {
        foreach (IDisposable item in _owned)
        {
            item.Dispose();
        }

        _owned.Clear();
    }
}
