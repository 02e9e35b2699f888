namespace Xstate.Cli.Input.Parquet;

/// <summary>Unpacks a block of Snappy (github.com/google/snappy, format_description.txt).</summary>
internal static class Snappy
{
    private const int LongLiteral = 60;

    /// <summary>Unpacks a block whose length is known.</summary>
    /// <returns>Whether the block is sound and fills <paramref name="content"/> to the last byte.</returns>
    public static bool TryUnpack(ReadOnlySpan<byte> block, Span<byte> content)
    {
        int from = 0;
        long length = 0;
        for (int shift = 0; ; shift += 7)
        {
            if (from == block.Length || shift > 28)
            {
                return false;
            }

            length |= (long)(block[from] & 0x7F) << shift;
            if ((block[from++] & 0x80) == 0)
            {
                break;
            }
        }

        return length == content.Length && TryUnpackElements(block[from..], content);
    }

    private static bool TryUnpackElements(ReadOnlySpan<byte> block, Span<byte> content)
    {
        int from = 0;
        int to = 0;
        while (from < block.Length)
        {
            byte tag = block[from++];
            (int count, int bytes) = (tag & 3) switch
            {
                0 when tag >> 2 < LongLiteral => ((tag >> 2) + 1, 0),
                0 => (0, (tag >> 2) - LongLiteral + 1),
                1 => ((tag >> 2 & 7) + 4, 1),
                2 => ((tag >> 2) + 1, 2),
                _ => ((tag >> 2) + 1, 4),
            };
            if (block.Length - from < bytes)
            {
                return false;
            }

            uint number = 0;
            for (int i = 0; i < bytes; i++)
            {
                number |= (uint)block[from++] << (8 * i);
            }

            long length = (tag & 3) == 0 && bytes > 0 ? number + 1L : count;
            if (length > content.Length - to)
            {
                return false;
            }

            if ((tag & 3) == 0)
            {
                if (length > block.Length - from)
                {
                    return false;
                }

                block.Slice(from, (int)length).CopyTo(content[to..]);
                from += (int)length;
                to += (int)length;
                continue;
            }

            long distance = (tag & 3) == 1 ? (long)(tag >> 5) << 8 | number : number;
            if (distance == 0 || distance > to)
            {
                return false;
            }

            // What is copied may be part of the copy.
            for (int i = 0; i < length; i++, to++)
            {
                content[to] = content[to - (int)distance];
            }
        }

        return to == content.Length;
    }
}
