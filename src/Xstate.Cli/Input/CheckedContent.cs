namespace Xstate.Cli.Input;

/// <summary>
/// What a package decompresses. On damaged bytes packages throw whatever their code runs into, of types of their own, and for bytes that
/// end early too; here all of that is
/// <see cref="InvalidDataException"/>. An error of reading the file itself stays what it is.
/// </summary>
internal sealed class CheckedContent : ForwardStream
{
    private readonly Stream _content;

    /// <summary>Content that a package opens.</summary>
    public CheckedContent(Func<Stream> open)
    {
        try
        {
            _content = open();
        }
        catch (Exception error) when (IsDamage(error))
        {
            throw Damaged(error);
        }
    }

    public override int Read(Span<byte> buffer)
    {
        try
        {
            return _content.Read(buffer);
        }
        catch (Exception error) when (IsDamage(error))
        {
            throw Damaged(error);
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            try
            {
                _content.Dispose();
            }
            catch (Exception error) when (IsDamage(error))
            {
                // It has been told by Read, or nobody asked.
            }
        }

        base.Dispose(disposing);
    }

    private static bool IsDamage(Exception error) =>
        error is EndOfStreamException or not (IOException or OutOfMemoryException or InvalidDataException);

    private static InvalidDataException Damaged(Exception error)
    {
        bool isUnknown = error is NotImplementedException or NotSupportedException;
        return new InvalidDataException(isUnknown ? $"it uses what is not read here: {error.Message}" : error.Message.TrimEnd('.'), error);
    }
}
