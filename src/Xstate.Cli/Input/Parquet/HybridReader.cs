namespace Xstate.Cli.Input.Parquet;

/// <summary>
/// Small numbers, of which runs of one number or groups of eight that are packed bit by bit take turns (RLE_DICTIONARY and the levels of
/// values).
/// </summary>
internal struct HybridReader
{
    private const int GroupLength = 8;
    private const int MaxWidth = 32;

    private readonly byte[] _bytes;
    private readonly int _width;
    private readonly int _end;
    private readonly long _page;
    private int _position;
    private long _left;
    private bool _isPacked;
    private uint _value;
    private int _bit;

    /// <param name="bytes">The content of a page.</param>
    /// <param name="start">Where the numbers begin in it.</param>
    /// <param name="end">Where they end.</param>
    /// <param name="width">Bits of a number.</param>
    /// <param name="page">Where the page is in the file.</param>
    public HybridReader(byte[] bytes, int start, int end, int width, long page)
    {
        if (width > MaxWidth)
        {
            throw ParquetFormat.Malformed(page, FormattableString.Invariant($"numbers of {width} bits"), "at most 32");
        }

        (_bytes, _position, _end, _width, _page) = (bytes, start, end, width, page);
    }

    /// <summary>The next number.</summary>
    public uint Next()
    {
        if (_left == 0)
        {
            Begin();
        }

        _left--;
        return _isPacked ? Unpack() : _value;
    }

    private void Begin()
    {
        ulong head = 0;
        for (int shift = 0; ; shift += 7)
        {
            byte part = Take();
            head |= (ulong)(part & 0x7F) << shift;
            if ((part & 0x80) == 0)
            {
                break;
            }

            if (shift > MaxWidth)
            {
                throw Fail("the length of a run beyond 32 bits");
            }
        }

        _isPacked = (head & 1) != 0;
        _left = (long)(head >> 1) * (_isPacked ? GroupLength : 1);
        if (_left == 0)
        {
            throw Fail("a run of nothing");
        }

        if (_isPacked)
        {
            _bit = 0;
            return;
        }

        _value = 0;
        for (int i = 0; i < (_width + 7) / 8; i++)
        {
            _value |= (uint)Take() << (8 * i);
        }
    }

    private uint Unpack()
    {
        ulong value = 0;
        int got = 0;
        while (got < _width)
        {
            if (_position >= _end)
            {
                throw Fail("the end");
            }

            int take = Math.Min(8 - _bit, _width - got);
            value |= (ulong)(_bytes[_position] >> _bit & (1 << take) - 1) << got;
            got += take;
            _bit += take;
            if (_bit == 8)
            {
                _bit = 0;
                _position++;
            }
        }

        return (uint)value;
    }

    private byte Take() => _position < _end ? _bytes[_position++] : throw Fail("the end");

    private readonly Exception Fail(string found) =>
        ParquetFormat.Malformed(_page, FormattableString.Invariant($"{found} at byte {_position} of a page"), "as many numbers as values");
}
