using System.IO.Compression;
using K4os.Compression.LZ4;
using ZstdSharp;

namespace Xstate.Cli.Input.Parquet;

/// <summary>Reads the pages of a column's part one by one, unpacked.</summary>
internal sealed class PageReader
{
    private const int UsualHeader = 1 << 12;

    private readonly Stream _file;
    private readonly ParquetChunk _chunk;
    private long _next;

    public PageReader(Stream file, ParquetChunk chunk)
    {
        (_file, _chunk, _next) = (file, chunk, chunk.Start);
    }

    /// <summary>Where the page that was read last begins in the file.</summary>
    public long Offset { get; private set; }

    /// <summary>Its header.</summary>
    public PageHeader Header { get; private set; }

    /// <summary>Its content.</summary>
    public byte[] Content { get; private set; } = [];

    /// <summary>Reads the next page; false behind the last.</summary>
    public bool Read()
    {
        long end = _chunk.Start + _chunk.Length;
        if (_next == end)
        {
            return false;
        }

        Offset = _next;
        (Header, int length) = ReadHeader(end);
        if (Header.Stored > end - _next - length)
        {
            throw ParquetFormat.Malformed(Offset, FormattableString.Invariant($"a page of {Header.Stored} bytes"),
                FormattableString.Invariant($"at most {end - _next - length}, which the column has"));
        }

        byte[] stored = new byte[Header.Stored];
        _file.Position = _next + length;
        _file.ReadExactly(stored);
        _next += length + Header.Stored;
        Content = Header.Kind == PageKind.Index ? [] : Unpack(stored);
        return true;
    }

    // A header may have the least and the greatest value in it: most are short.
    private (PageHeader Header, int Length) ReadHeader(long end)
    {
        for (int window = UsualHeader; ; window = ParquetFormat.MaxPageHeader)
        {
            byte[] bytes = new byte[Math.Min(window, end - _next)];
            _file.Position = _next;
            _file.ReadExactly(bytes);
            try
            {
                ThriftReader thrift = new(bytes, _next);
                PageHeader header = PageHeader.Read(ref thrift);
                return (header, thrift.Position);
            }
            catch (ThriftEndException ended)
            {
                if (bytes.Length < UsualHeader || window == ParquetFormat.MaxPageHeader)
                {
                    throw ParquetFormat.Malformed(ended.Offset, "the end of the column", "the rest of a page's header");
                }
            }
        }
    }

    // The levels of a page of the second version stand before the values and are not compressed.
    private byte[] Unpack(byte[] stored)
    {
        int levels = Header.Kind == PageKind.DataV2 ? Header.DefinitionBytes + Header.RepetitionBytes : 0;
        if (levels > stored.Length || levels > Header.Length)
        {
            throw ParquetFormat.Malformed(Offset, FormattableString.Invariant($"levels of {levels} bytes"), "no more than the page has");
        }

        ParquetCodec codec = Header.IsCompressed ? _chunk.Codec : ParquetCodec.Uncompressed;
        if (codec == ParquetCodec.Uncompressed)
        {
            return stored.Length == Header.Length ? stored : throw Unsound(codec);
        }

        byte[] content = new byte[Header.Length];
        stored.AsSpan(0, levels).CopyTo(content);
        return TryUnpack(codec, stored, levels, content.AsSpan(levels)) ? content : throw Unsound(codec);
    }

    private static bool TryUnpack(ParquetCodec codec, byte[] stored, int start, Span<byte> content)
    {
        ReadOnlySpan<byte> packed = stored.AsSpan(start);
        try
        {
            switch (codec)
            {
                case ParquetCodec.Snappy:
                    return Snappy.TryUnpack(packed, content);
                case ParquetCodec.Zstd:
                    using (Decompressor zstd = new())
                    {
                        return packed.IsEmpty && content.IsEmpty || zstd.Unwrap(packed, content) == content.Length;
                    }

                case ParquetCodec.Lz4Raw:
                    return packed.IsEmpty && content.IsEmpty || LZ4Codec.Decode(packed, content) == content.Length;
                default:
                    using (GZipStream gzip = new(new MemoryStream(stored, start, packed.Length), CompressionMode.Decompress))
                    {
                        return gzip.ReadAtLeast(content, content.Length, throwOnEndOfStream: false) == content.Length
                            && gzip.ReadByte() < 0;
                    }
            }
        }
        catch (Exception error) when (error is InvalidDataException or ZstdException)
        {
            return false;
        }
    }

    private Exception Unsound(ParquetCodec codec) => ParquetFormat.Malformed(
        Offset, "a page that does not unpack", FormattableString.Invariant($"{codec} of {Header.Length} bytes").ToLowerInvariant());
}
