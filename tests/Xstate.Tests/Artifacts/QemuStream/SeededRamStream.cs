namespace Xstate.Tests.Artifacts.QemuStream;

/// <summary>A file of any size that exists only where it is read: a head, RAM pages that follow from a seed, a tail.</summary>
internal sealed class SeededRamStream(byte[] head, long ramLength, byte[] tail, ulong seed) : Stream
{
    /// <summary>Bytes that were asked for and given.</summary>
    public long BytesRead { get; private set; }

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length => head.Length + ramLength + tail.Length;

    public override long Position { get; set; }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        int read = (int)Math.Min(buffer.Length, Math.Max(0, Length - Position));
        for (int i = 0; i < read; i++)
        {
            long at = Position + i;
            long inRam = at - head.Length;
            buffer[i] = inRam < 0 ? head[at] : inRam >= ramLength
                ? tail[inRam - ramLength] : (byte)(((ulong)inRam * 0x9E37_79B9_7F4A_7C15 + seed) >> 56);
        }

        Position += read;
        BytesRead += read;
        return read;
    }

    public override long Seek(long offset, SeekOrigin origin) =>
        Position = offset + (origin == SeekOrigin.Begin ? 0 : origin == SeekOrigin.Current ? Position : Length);

    public override void Flush()
    {
    }

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
