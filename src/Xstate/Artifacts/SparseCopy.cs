namespace Xstate.Artifacts;

/// <summary>
/// Copies pieces of one stream to the end of another and leaves holes where there is nothing but zeros, as far as the other can have them.
/// </summary>
internal sealed class SparseCopy(Stream from, Stream to, StoredRanges? stored)
{
    private const int ChunkLength = 1 << 18;

    // The block of most file systems: a hole cannot be smaller, and its place has to be one block's.
    private const int BlockLength = 4096;

    // What is skipped over must be behind the end: only there it reads as zeros.
    private readonly bool _canSkip = to.CanSeek && to.Position == to.Length;
    private readonly byte[] _chunk = new byte[ChunkLength];
    private StoredRange _range;

    /// <summary>Copies so many bytes from where the original stands.</summary>
    /// <exception cref="EndOfStreamException">The original ends before.</exception>
    public void Next(long length)
    {
        while (length > 0)
        {
            long hole = _canSkip ? Math.Min(length, HoleHere()) : 0;
            if (hole > 0)
            {
                from.Position += hole;
                to.Position += hole;
                length -= hole;
                continue;
            }

            // Up to where a block of the output ends, so that every later piece is whole blocks.
            long wanted = Math.Min(length, ChunkLength - (_canSkip ? to.Position % BlockLength : 0));
            wanted = _range.End > from.Position ? Math.Min(wanted, _range.End - from.Position) : wanted;
            int read = from.ReadAtLeast(_chunk.AsSpan(0, (int)wanted), (int)wanted, throwOnEndOfStream: false);
            if (read == 0)
            {
                throw new EndOfStreamException("the original became shorter while it was copied");
            }

            Write(_chunk.AsSpan(0, read));
            length -= read;
        }
    }

    /// <summary>Makes the output as long as what was copied: a hole at its end is none until then.</summary>
    public void Finish()
    {
        if (_canSkip && to.Length < to.Position)
        {
            to.SetLength(to.Position);
        }
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        int data = 0;
        while (_canSkip && data < bytes.Length)
        {
            int length = (int)Math.Min(bytes.Length - data, BlockLength - ((to.Position + data) % BlockLength));
            bool isHole = length == BlockLength && !bytes.Slice(data, length).ContainsAnyExcept((byte)0);
            data += isHole ? 0 : length;
            if (isHole)
            {
                to.Write(bytes[..data]);
                to.Position += length;
                bytes = bytes[(data + length)..];
                data = 0;
            }
        }

        to.Write(bytes);
    }

    // How far it is to the next stored byte.
    private long HoleHere()
    {
        if (stored is not null && from.Position >= _range.End)
        {
            _range = stored(from.Position) ?? new StoredRange(from.Length, from.Length);
        }

        return Math.Max(0, _range.Offset - from.Position);
    }
}
