namespace Xstate.Cli.Output;

/// <summary>
/// An output whose errors are told apart from those of an input, by its name. Where nobody reads any more, which is no error, the rest is
/// dropped.
/// </summary>
internal sealed class GuardedStream(Stream inner, string name) : Stream
{
    private const int BrokenPipe = 32;
    private bool _closed;

    public override bool CanRead => inner.CanRead;

    public override bool CanSeek => inner.CanSeek;

    public override bool CanWrite => true;

    public override long Length => inner.Length;

    public override long Position
    {
        get => inner.Position;
        set => Guard(() => inner.Position = value);
    }

    public override int Read(byte[] buffer, int offset, int count) => inner.Read(buffer, offset, count);

    public override int Read(Span<byte> buffer) => inner.Read(buffer);

    public override void Write(byte[] buffer, int offset, int count) => Guard(() => inner.Write(buffer, offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        if (_closed)
        {
            return;
        }

        try
        {
            inner.Write(buffer);
        }
        catch (Exception error) when (IsRefusal(error))
        {
            Refused(error);
        }
    }

    public override void Flush() => Guard(inner.Flush);

    public override long Seek(long offset, SeekOrigin origin) => inner.Seek(offset, origin);

    public override void SetLength(long value) => Guard(() => inner.SetLength(value));

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            inner.Dispose();
        }

        base.Dispose(disposing);
    }

    private static bool IsRefusal(Exception error) => error is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException;

    private void Guard(Action write)
    {
        if (_closed)
        {
            return;
        }

        try
        {
            write();
        }
        catch (Exception error) when (IsRefusal(error))
        {
            Refused(error);
        }
    }

    private void Refused(Exception error)
    {
        if (error is not IOException { HResult: BrokenPipe })
        {
            throw new OutputException(name, error);
        }

        _closed = true;
    }
}
