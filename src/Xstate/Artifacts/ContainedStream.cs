namespace Xstate.Artifacts;

/// <summary>What a container holds, as a stream of its own that is read where the container has its bytes.</summary>
internal sealed class ContainedStream(long length, ContainedStream.Reader readAt) : Stream
{
    /// <summary>Fills the whole buffer from an offset of the content; the range is inside its length.</summary>
    public delegate void Reader(long offset, Span<byte> buffer);

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length => length;

    public override long Position { get; set; }

    /// <summary>The rest of an artifact from an offset on.</summary>
    public static ContainedStream From(ArtifactSource source, long offset) =>
        new(source.Length - offset, (at, buffer) => source.ReadAt(offset + at, buffer));

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        int count = (int)Math.Min(buffer.Length, Math.Max(0, length - Position));
        if (count > 0)
        {
            readAt(Position, buffer[..count]);
            Position += count;
        }

        return count;
    }

    public override long Seek(long offset, SeekOrigin origin) =>
        Position = offset + origin switch
        {
            SeekOrigin.Begin => 0,
            SeekOrigin.Current => Position,
            SeekOrigin.End => length,
            _ => throw new ArgumentOutOfRangeException(nameof(origin)),
        };

    public override void Flush()
    {
    }

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
