using System.Buffers.Binary;
using System.Numerics;

namespace Xstate.Cli.Input.Parquet;

/// <summary>The values of one column, one after another, through all groups of rows; of its pages one is in memory.</summary>
internal sealed class ParquetColumn
{
    private const int Plain = 0;
    private const int PlainDictionary = 2;
    private const int RleDictionary = 8;

    private readonly Stream _file;
    private PageReader? _pages;
    private long _values;
    private int _left;
    private HybridReader _repetitions;
    private HybridReader _definitions;
    private HybridReader _indices;
    private byte[] _content = [];
    private int _position;
    private bool _isIndexed;
    private byte[] _dictionary = [];
    private int[] _entries = [];
    private (int Start, int Length) _value;
    private byte[] _source = [];

    public ParquetColumn(Stream file, ParquetLeaf leaf)
    {
        (_file, Leaf) = (file, leaf);
    }

    /// <summary>The column.</summary>
    public ParquetLeaf Leaf { get; }

    /// <summary>Whether there is a value, or the place of one, at which this stands.</summary>
    public bool HasCurrent { get; private set; }

    /// <summary>Which list goes on: 0 is the first of a row.</summary>
    public int Repetition { get; private set; }

    /// <summary>How much of the path to the value is there.</summary>
    public int Definition { get; private set; }

    /// <summary>Whether the value is there.</summary>
    public bool HasValue => Definition == Leaf.MaxDefinition;

    /// <summary>Where its page begins in the file.</summary>
    public long Offset => _pages?.Offset ?? 0;

    /// <summary>The bytes of the value.</summary>
    public ReadOnlySpan<byte> Bytes => _source.AsSpan(_value.Start, _value.Length);

    /// <summary>The value of a column of numbers.</summary>
    public ulong Number => Leaf.Type == ParquetType.Int32 ? BinaryPrimitives.ReadUInt32LittleEndian(Bytes)
        : BinaryPrimitives.ReadUInt64LittleEndian(Bytes);

    /// <summary>Begins with the part of a group of rows, and stands at its first value.</summary>
    public void Begin(ParquetChunk chunk)
    {
        _pages = new PageReader(_file, chunk);
        (_values, _left, _entries) = (chunk.Values, 0, []);
        MoveNext();
    }

    /// <summary>Goes to the next value, or behind the last.</summary>
    public void MoveNext()
    {
        while (_left == 0)
        {
            if (!_pages!.Read())
            {
                HasCurrent = false;
                if (_values > 0)
                {
                    throw Fail(FormattableString.Invariant($"pages without {_values} of their values"), "as many as the column has");
                }

                return;
            }

            TakePage();
        }

        _left--;
        _values--;
        HasCurrent = true;
        Repetition = Leaf.Depth == 0 ? 0 : Level(ref _repetitions, Leaf.Depth);
        Definition = Leaf.MaxDefinition == 0 ? 0 : Level(ref _definitions, Leaf.MaxDefinition);
        if (HasValue)
        {
            TakeValue();
        }
    }

    private int Level(ref HybridReader levels, int most) => levels.Next() is var level && level <= most ? (int)level
        : throw Fail(FormattableString.Invariant($"level {level}"), FormattableString.Invariant($"at most {most}"));

    private void TakePage()
    {
        PageHeader header = _pages!.Header;
        switch (header.Kind)
        {
            case PageKind.Dictionary:
                TakeDictionary(header);
                return;
            case PageKind.Index:
                return;
        }

        if (header.Values > _values)
        {
            throw Fail(FormattableString.Invariant($"a page of {header.Values} values"), FormattableString.Invariant($"at most {_values}"));
        }

        (_content, _position, _left) = (_pages.Content, 0, header.Values);
        bool isSecond = header.Kind == PageKind.DataV2;
        _repetitions = TakeLevels(Leaf.Depth, isSecond ? header.RepetitionBytes : null);
        _definitions = TakeLevels(Leaf.MaxDefinition, isSecond ? header.DefinitionBytes : null);
        _isIndexed = header.Encoding is PlainDictionary or RleDictionary;
        if (_isIndexed)
        {
            int width = _position < _content.Length ? _content[_position++] : 0;
            _indices = new HybridReader(_content, _position, _content.Length, width, Offset);
        }
        else if (header.Encoding != Plain)
        {
            throw Fail(FormattableString.Invariant($"values in encoding {header.Encoding}"), "PLAIN or RLE_DICTIONARY");
        }
    }

    // In a page of the first version their length stands before them, where there are any.
    private HybridReader TakeLevels(int most, int? length)
    {
        if (length is null && most == 0)
        {
            return default;
        }

        int bytes = length ?? TakeLength(_content, ref _position);
        if (bytes > _content.Length - _position)
        {
            throw Fail(FormattableString.Invariant($"levels of {bytes} bytes"), "no more than the page has");
        }

        _position += bytes;
        return new HybridReader(_content, _position - bytes, _position, BitOperations.Log2((uint)most) + 1, Offset);
    }

    private void TakeDictionary(PageHeader header)
    {
        byte[] content = _pages!.Content;
        int position = 0;
        int width = FixedWidth;

        // Each entry has a byte at least, but an empty text, which has the four of its length.
        if (header.Values > content.Length / Math.Max(width, 4) || header.Encoding is not (Plain or PlainDictionary))
        {
            throw Fail(FormattableString.Invariant($"a dictionary of {header.Values} values in encoding {header.Encoding}"),
                "no more than its bytes, PLAIN");
        }

        int[] entries = new int[header.Values];
        for (int i = 0; i < entries.Length; i++)
        {
            entries[i] = position;
            TakeSpan(content, ref position);
        }

        (_dictionary, _entries) = (content, entries);
    }

    private int FixedWidth => Leaf.Type switch
    {
        ParquetType.Int32 => sizeof(int),
        ParquetType.Int64 => sizeof(long),
        _ => 0,
    };

    private void TakeValue()
    {
        if (!_isIndexed)
        {
            _source = _content;
            _value = TakeSpan(_content, ref _position);
            return;
        }

        uint index = _indices.Next();
        if (index >= _entries.Length)
        {
            throw Fail(FormattableString.Invariant($"entry {index}"), FormattableString.Invariant($"one of {_entries.Length}"));
        }

        int position = _entries[index];
        _source = _dictionary;
        _value = TakeSpan(_dictionary, ref position);
    }

    private (int Start, int Length) TakeSpan(byte[] content, ref int position)
    {
        int length = FixedWidth is var width and > 0 ? width : TakeLength(content, ref position);
        if (length > content.Length - position)
        {
            throw Fail(FormattableString.Invariant($"a value of {length} bytes"), "no more than the page has");
        }

        position += length;
        return (position - length, length);
    }

    private int TakeLength(byte[] content, ref int position)
    {
        if (content.Length - position < sizeof(int))
        {
            throw Fail("the end of a page", "a length");
        }

        uint length = BinaryPrimitives.ReadUInt32LittleEndian(content.AsSpan(position));
        position += sizeof(int);
        return length <= int.MaxValue ? (int)length
            : throw Fail(FormattableString.Invariant($"a length of {length}"), "no more than the page has");
    }

    private Exception Fail(string found, string expected) =>
        ParquetFormat.Malformed(Offset, $"in column {Quotation.Of(Leaf.Name)} {found}", expected);
}
