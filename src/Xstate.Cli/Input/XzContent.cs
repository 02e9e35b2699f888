using SharpCompress.Compressors.Xz;

namespace Xstate.Cli.Input;

/// <summary>
/// The streams of an .xz file, one behind the other, with padding between them (section 2 of the format's description). The package reads
/// one.
/// </summary>
internal sealed class XzContent(Stream compressed) : ForwardStream
{
    // Stream padding is zeros, in units of four bytes.
    private const int PaddingUnit = 4;

    private XZStream? _current = new(compressed);

    public override int Read(Span<byte> buffer)
    {
        byte[] chunk = new byte[buffer.Length];
        while (_current is not null)
        {
            int read = _current.Read(chunk, 0, chunk.Length);
            if (read > 0 || buffer.IsEmpty)
            {
                chunk.AsSpan(0, read).CopyTo(buffer);
                return read;
            }

            _current = HasMore() ? new XZStream(compressed) : null;
        }

        return 0;
    }

    // Leaves the file at the first byte of the next stream.
    private bool HasMore()
    {
        long end = compressed.Position;
        int value;
        while ((value = compressed.ReadByte()) == 0)
        {
        }

        long padding = compressed.Position - end - (value < 0 ? 0 : 1);
        if (padding % PaddingUnit != 0)
        {
            throw new InvalidDataException($"{padding} bytes of padding behind a stream, and not a multiple of {PaddingUnit}");
        }

        if (value >= 0)
        {
            compressed.Position--;
        }

        return value >= 0;
    }
}
