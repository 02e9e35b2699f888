namespace Xstate.Cli.Input.Parquet;

/// <summary>What stands before a page.</summary>
/// <param name="Kind">What it holds.</param>
/// <param name="Stored">Bytes that follow.</param>
/// <param name="Length">Bytes of its content.</param>
internal readonly record struct PageHeader(PageKind Kind, int Stored, int Length)
{
    private const int RunLengths = 3;

    /// <summary>Values, those that are not there among them.</summary>
    public int Values { get; init; }

    /// <summary>How its values are written.</summary>
    public int Encoding { get; init; }

    /// <summary>Bytes of the definition levels; in a page of the second version only.</summary>
    public int DefinitionBytes { get; init; }

    /// <summary>Bytes of the repetition levels; in a page of the second version only.</summary>
    public int RepetitionBytes { get; init; }

    /// <summary>Whether the values are compressed as the column says.</summary>
    public bool IsCompressed { get; init; }

    /// <summary>Reads a header.</summary>
    public static PageHeader Read(ref ThriftReader thrift)
    {
        long at = thrift.Offset;
        PageHeader header = new((PageKind)(-1), -1, -1) { Values = -1, Encoding = -1, IsCompressed = true };
        for (int id = 0; thrift.TryReadField(ref id, out ThriftType type);)
        {
            switch (id, type)
            {
                case (1, ThriftType.Int32):
                    header = header with { Kind = (PageKind)thrift.ReadInteger("a kind of page", 0, int.MaxValue) };
                    break;
                case (2, ThriftType.Int32):
                    header = header with { Length = (int)thrift.ReadInteger("a page of bytes", 0, ParquetFormat.MaxPage) };
                    break;
                case (3, ThriftType.Int32):
                    header = header with { Stored = (int)thrift.ReadInteger("a page of bytes", 0, ParquetFormat.MaxPage) };
                    break;
                case (5 or 7 or 8, ThriftType.Struct):
                    header = ReadContent(ref thrift, header, id == 8);
                    break;
                default:
                    thrift.Skip(type);
                    break;
            }
        }

        bool isWhole = header is { Stored: >= 0, Length: >= 0 } && (header.Kind == PageKind.Index || header is { Values: >= 0 });
        return isWhole && Enum.IsDefined(header.Kind) ? header
            : throw ParquetFormat.Malformed(at, "no header of a page", "its kind, lengths and values");
    }

    private static PageHeader ReadContent(ref ThriftReader thrift, PageHeader header, bool isSecond)
    {
        for (int id = 0; thrift.TryReadField(ref id, out ThriftType type);)
        {
            int place = isSecond ? id + 10 : id;
            switch (place, type)
            {
                case (1 or 11, ThriftType.Int32):
                    header = header with { Values = (int)thrift.ReadInteger("values", 0, int.MaxValue) };
                    break;
                case (2 or 14, ThriftType.Int32):
                    header = header with { Encoding = (int)thrift.ReadInteger("an encoding", 0, int.MaxValue) };
                    break;
                case (3 or 4, ThriftType.Int32):
                    thrift.ReadInteger("levels in the encoding", RunLengths, RunLengths);
                    break;
                case (15, ThriftType.Int32):
                    header = header with { DefinitionBytes = (int)thrift.ReadInteger("levels of bytes", 0, ParquetFormat.MaxPage) };
                    break;
                case (16, ThriftType.Int32):
                    header = header with { RepetitionBytes = (int)thrift.ReadInteger("levels of bytes", 0, ParquetFormat.MaxPage) };
                    break;
                case (17, ThriftType.True or ThriftType.False):
                    header = header with { IsCompressed = type == ThriftType.True };
                    break;
                default:
                    thrift.Skip(type);
                    break;
            }
        }

        return header;
    }
}
