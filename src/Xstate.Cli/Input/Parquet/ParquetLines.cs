using System.Buffers;
using System.Globalization;
using System.Text.Json;
using System.Text.Unicode;
using Xstate.Fleet;

namespace Xstate.Cli.Input.Parquet;

/// <summary>
/// A Parquet file read as JSON Lines: each row is a line, each column a member. So all that holds of a line of VM records holds of a row,
/// its number included. Of each column one page is in memory.
/// </summary>
internal sealed class ParquetLines : ForwardStream
{
    private static readonly Dictionary<string, int> Depths = new(StringComparer.Ordinal)
    {
        ["vm"] = 0,
        ["host"] = 0,
        ["guestCpuid"] = 0,
        ["xcr0"] = 0,
        ["inUse"] = 1,
        ["msrs"] = 2,
        ["cpuid"] = 2,
    };

    private static readonly byte[] TooLong = [.. Enumerable.Repeat((byte)'x', VmRecordReader.MaxLine)];

    private readonly Stream _file;
    private readonly ParquetFooter _footer;
    private readonly ParquetColumn[] _columns;
    private readonly ArrayBufferWriter<byte> _line = new();
    private readonly Utf8JsonWriter _json;
    private int _read;
    private int _group = -1;
    private long _rows;

    /// <summary>Reads the metadata of a file.</summary>
    public ParquetLines(Stream file)
    {
        _file = file;
        _footer = ParquetFooter.Read(file);
        _columns = [.. _footer.Leaves.Select(leaf => new ParquetColumn(file, leaf))];
        _json = new Utf8JsonWriter(_line, new JsonWriterOptions { SkipValidation = true });
        HashSet<string> names = [];
        foreach (ParquetLeaf leaf in _footer.Leaves)
        {
            if (!Depths.TryGetValue(leaf.Name, out int depth) || leaf.Depth != depth || !names.Add(leaf.Name))
            {
                throw ParquetFormat.Malformed(file.Length,
                    FormattableString.Invariant($"the column {Quotation.Of(leaf.Name)} with values in {leaf.Depth} lists"),
                    "vm, host, guestCpuid, xcr0, inUse (a list), msrs and cpuid (lists of lists), each once");
            }
        }
    }

    /// <summary>Whether a file is one, by its first bytes.</summary>
    public static bool IsAt(ReadOnlySpan<byte> start) => start.StartsWith(ParquetFormat.Magic);

    public override int Read(Span<byte> buffer)
    {
        if (_read == _line.WrittenCount && !WriteRow())
        {
            return 0;
        }

        int length = Math.Min(buffer.Length, _line.WrittenCount - _read);
        _line.WrittenSpan.Slice(_read, length).CopyTo(buffer);
        _read += length;
        return length;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _json.Dispose();
            _file.Dispose();
        }

        base.Dispose(disposing);
    }

    private bool WriteRow()
    {
        while (_rows == 0)
        {
            if (++_group >= _footer.Groups.Length)
            {
                return false;
            }

            _rows = _footer.Groups[_group].Rows;
            for (int i = 0; i < _columns.Length; i++)
            {
                _columns[i].Begin(_footer.Groups[_group].Chunks[i]);
            }
        }

        _rows--;
        _read = 0;
        _line.ResetWrittenCount();
        _json.Reset();
        _json.WriteStartObject();
        foreach (ParquetColumn column in _columns)
        {
            if (!column.HasCurrent || column.Repetition != 0)
            {
                throw Fail(column, column.HasCurrent ? "the rest of a list" : "the end", "a row");
            }

            WriteMember(column);
            if (column.HasCurrent && (_rows == 0 || column.Repetition != 0))
            {
                throw Fail(column, "a value more", "as many rows as the group has");
            }
        }

        _json.WriteEndObject();
        _json.Flush();
        _line.Write("\n"u8);
        return true;
    }

    private void WriteMember(ParquetColumn column)
    {
        ParquetLeaf leaf = column.Leaf;
        if (leaf.Depth > 0 ? !leaf.HasList(0, column.Definition) : !column.HasValue)
        {
            column.MoveNext();
            return;
        }

        _json.WritePropertyName(leaf.Name);
        int open = 0;
        do
        {
            // What stands before the list that goes on is closed.
            if (column.Repetition > open || (open > 0 && column.Repetition == 0))
            {
                throw Fail(column, "a list that goes on", "one that has begun");
            }

            for (; open > column.Repetition; open--)
            {
                _json.WriteEndArray();
            }

            open = WriteElement(column, open);
            column.MoveNext();
        }
        while (column.HasCurrent && column.Repetition > 0);

        for (; open > 0; open--)
        {
            _json.WriteEndArray();
        }
    }

    // The lists within the list that is open, and the value.
    private int WriteElement(ParquetColumn column, int open)
    {
        ParquetLeaf leaf = column.Leaf;
        for (; open < leaf.Depth; open++)
        {
            if (!leaf.HasList(open, column.Definition))
            {
                _json.WriteNullValue();
                return open;
            }

            _json.WriteStartArray();
            if (column.Definition < leaf.Lists[open])
            {
                return open + 1;
            }
        }

        WriteValue(column);
        return open;
    }

    private void WriteValue(ParquetColumn column)
    {
        // A line that is too long is told as such; it need not be longer.
        if (_line.WrittenCount + _json.BytesPending > VmRecordReader.MaxLine)
        {
            return;
        }

        if (!column.HasValue)
        {
            _json.WriteNullValue();
            return;
        }

        if (column.Leaf.Type != ParquetType.ByteArray)
        {
            _json.WriteStringValue(string.Create(CultureInfo.InvariantCulture, $"0x{column.Number:x}"));
            return;
        }

        ReadOnlySpan<byte> text = column.Bytes;
        if (!Utf8.IsValid(text))
        {
            throw Fail(column, "bytes that are no UTF-8", "text");
        }

        // A text that makes the line too long anyway is as good as any other, and need not be 64 MiB.
        _json.WriteStringValue(text.Length <= VmRecordReader.MaxLine ? text : TooLong);
    }

    private Exception Fail(ParquetColumn column, string found, string expected) => ParquetFormat.Malformed(
        column.Offset,
        FormattableString.Invariant($"in column {Quotation.Of(column.Leaf.Name)}, group of rows {_group + 1}, {found}"), expected);
}
