using System.IO.Compression;
using System.Security.Cryptography;

namespace Xstate.Artifacts;

/// <summary>
/// The content of a gzip file that is whole. The framework's stream ends without a word where the file ends early, in the data or in the
/// trailer. A file of gzip may be several members (RFC 1952, section 2.2),
/// so one more is put behind it, of random bytes: they come out at the end if and only if every member before ended with its trailer,
/// whose CRC and length the framework compares.
/// </summary>
internal sealed class WholeGzip : Stream
{
    private const int SealLength = 32;

    private readonly GZipStream _content;
    private readonly byte[] _seal = RandomNumberGenerator.GetBytes(SealLength);

    // What may be the seal stays here until something follows it.
    private readonly byte[] _held = new byte[SealLength];
    private int _heldLength;

    /// <summary>The content of the bytes from a stream's position on; the stream stays open.</summary>
    public WholeGzip(Stream compressed)
    {
        using MemoryStream member = new();
        using (GZipStream seal = new(member, CompressionLevel.NoCompression, leaveOpen: true))
        {
            seal.Write(_seal);
        }

        _content = new GZipStream(new Chain(compressed, new MemoryStream(member.ToArray())), CompressionMode.Decompress);
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        if (buffer.IsEmpty)
        {
            return 0;
        }

        byte[] bytes = new byte[SealLength + buffer.Length];
        _held.AsSpan(0, _heldLength).CopyTo(bytes);
        int length = _heldLength;
        while (length <= SealLength)
        {
            int read = ReadContent(bytes.AsSpan(length, bytes.Length - length));
            if (read == 0)
            {
                return bytes.AsSpan(0, length).SequenceEqual(_seal)
                    ? 0
                    : throw new InvalidDataException("it ends early, or something that is not gzip follows it");
            }

            length += read;
        }

        int given = length - SealLength;
        bytes.AsSpan(0, given).CopyTo(buffer);
        bytes.AsSpan(given, SealLength).CopyTo(_held);
        _heldLength = SealLength;
        return given;
    }

    // What the framework says of a file that ends within its trailer is about the next file in it, which is this class's own.
    private int ReadContent(Span<byte> buffer)
    {
        try
        {
            return _content.Read(buffer);
        }
        catch (InvalidDataException error)
        {
            throw new InvalidDataException("it ends early, or bytes of it are damaged", error);
        }
    }

    public override void Flush() => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _content.Dispose();
        }

        base.Dispose(disposing);
    }

    // One stream behind another.
    private sealed class Chain(Stream first, Stream second) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer) => first.Read(buffer) is > 0 and var read ? read : second.Read(buffer);

        public override void Flush() => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
