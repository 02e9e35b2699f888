using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text;

namespace Xstate.Cli.Input.Parquet;

/// <summary>The metadata at the end of a file: its columns, and where their parts are.</summary>
internal sealed class ParquetFooter
{
    private const int Repeated = 2;
    private const int MaxName = 255;

    // Names as the format has them, for messages.
    private static readonly string[] Types =
        ["BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"];

    private static readonly string[] Codecs = ["UNCOMPRESSED", "SNAPPY", "GZIP", "LZO", "BROTLI", "LZ4", "ZSTD", "LZ4_RAW"];

    private readonly long _end;

    private ParquetFooter(long end)
    {
        _end = end;
    }

    /// <summary>The columns.</summary>
    public ImmutableArray<ParquetLeaf> Leaves { get; private set; } = [];

    /// <summary>The groups of rows, in their order.</summary>
    public ImmutableArray<ParquetRowGroup> Groups { get; private set; } = [];

    /// <summary>Reads the metadata of a file that can seek.</summary>
    public static ParquetFooter Read(Stream file)
    {
        long length = file.Length;
        Span<byte> tail = stackalloc byte[ParquetFormat.TailLength];
        if (length < ParquetFormat.Magic.Length + tail.Length)
        {
            throw ParquetFormat.Malformed(length, "the end", "the metadata of the file");
        }

        file.Position = length - tail.Length;
        file.ReadExactly(tail);
        if (!tail.EndsWith(ParquetFormat.Magic))
        {
            throw ParquetFormat.Malformed(length - ParquetFormat.Magic.Length, Convert.ToHexStringLower(tail[^4..]),
                "PAR1: the end of the file is missing, or it is encrypted");
        }

        uint size = BinaryPrimitives.ReadUInt32LittleEndian(tail);
        if (size > ParquetFormat.MaxFooter || size > length - tail.Length - ParquetFormat.Magic.Length)
        {
            throw ParquetFormat.Malformed(length - tail.Length, FormattableString.Invariant($"metadata of {size} bytes"),
                "no more than there are, and at most 64 MiB");
        }

        long start = length - tail.Length - size;
        byte[] bytes = new byte[size];
        file.Position = start;
        file.ReadExactly(bytes);
        ParquetFooter footer = new(start);
        try
        {
            footer.Parse(new ThriftReader(bytes, start));
        }
        catch (ThriftEndException end)
        {
            throw ParquetFormat.Malformed(end.Offset, "the end of the metadata", "the rest of a value");
        }

        return footer;
    }

    private void Parse(ThriftReader thrift)
    {
        for (int id = 0; thrift.TryReadField(ref id, out ThriftType type);)
        {
            switch (id, type)
            {
                case (2, ThriftType.List):
                    ParseSchema(ref thrift);
                    break;
                case (4, ThriftType.List) when !Leaves.IsEmpty:
                    ParseGroups(ref thrift);
                    break;
                default:
                    thrift.Skip(type);
                    break;
            }
        }

        if (Leaves.IsEmpty)
        {
            throw ParquetFormat.Malformed(thrift.Offset, "no column", "the columns of VM records");
        }
    }

    // The tree of columns, node by node from the root; of each group how many of its children are to come is on the stack.
    private void ParseSchema(ref ThriftReader thrift)
    {
        int count = thrift.ReadList(out _);
        if (count > ParquetFormat.MaxNodes)
        {
            throw ParquetFormat.Malformed(thrift.Offset, FormattableString.Invariant($"{count} columns"),
                FormattableString.Invariant($"at most {ParquetFormat.MaxNodes}"));
        }

        Stack<Group> groups = new();
        ImmutableArray<ParquetLeaf>.Builder leaves = ImmutableArray.CreateBuilder<ParquetLeaf>();
        for (int i = 0; i < count; i++)
        {
            long at = thrift.Offset;
            Node node = ParseNode(ref thrift);
            while (groups.TryPeek(out Group? full) && full.Children == 0)
            {
                groups.Pop();
            }

            if (i > 0 && groups.Count == 0)
            {
                throw ParquetFormat.Malformed(at, "a column outside of the schema", "as many as its groups have");
            }

            Group? parent = groups.TryPeek(out Group? above) ? above : null;
            string name = parent?.Name ?? (i == 0 ? null : node.Name) ?? "";
            int definition = (parent?.Definition ?? 0) + (i > 0 && node.Repetition != 0 ? 1 : 0);
            ImmutableArray<int> lists = parent?.Lists ?? [];
            lists = i > 0 && node.Repetition == Repeated ? lists.Add(definition) : lists;
            if (parent is not null)
            {
                parent.Children--;
            }

            if (node.Children > 0 || i == 0)
            {
                groups.Push(new Group(i == 0 ? null : name, definition, lists) { Children = node.Children });
            }
            else
            {
                leaves.Add(new ParquetLeaf(name, TypeOf(node, at), definition, lists));
            }
        }

        Leaves = leaves.ToImmutable();
    }

    private static ParquetType TypeOf(Node node, long at) => (ParquetType)node.Type is var type && Enum.IsDefined(type) ? type
        : throw ParquetFormat.Malformed(at,
            $"the column {Quotation.Of(node.Name)} of type {NameOf(Types, node.Type)}", "BYTE_ARRAY, INT32 or INT64");

    private static string NameOf(string[] names, int number) =>
        number >= 0 && number < names.Length ? names[number] : FormattableString.Invariant($"{number}");

    private static Node ParseNode(ref ThriftReader thrift)
    {
        Node node = new("", -1, 0, 0);
        for (int id = 0; thrift.TryReadField(ref id, out ThriftType type);)
        {
            switch (id, type)
            {
                case (1, ThriftType.Int32):
                    node = node with { Type = (int)thrift.ReadInteger("a type", 0, int.MaxValue) };
                    break;
                case (3, ThriftType.Int32):
                    node = node with { Repetition = (int)thrift.ReadInteger("a repetition", 0, Repeated) };
                    break;
                case (4, ThriftType.Binary):
                    ReadOnlySpan<byte> name = thrift.ReadBinary();
                    node = node with { Name = Encoding.UTF8.GetString(name[..Math.Min(name.Length, MaxName)]) };
                    break;
                case (5, ThriftType.Int32):
                    node = node with { Children = (int)thrift.ReadInteger("children", 0, ParquetFormat.MaxNodes) };
                    break;
                default:
                    thrift.Skip(type);
                    break;
            }
        }

        return node;
    }

    private void ParseGroups(ref ThriftReader thrift)
    {
        int count = thrift.ReadList(out _);
        if (count > ParquetFormat.MaxRowGroups)
        {
            throw ParquetFormat.Malformed(thrift.Offset, FormattableString.Invariant($"{count} groups of rows"),
                FormattableString.Invariant($"at most {ParquetFormat.MaxRowGroups}"));
        }

        ImmutableArray<ParquetRowGroup>.Builder groups = ImmutableArray.CreateBuilder<ParquetRowGroup>();
        for (int i = 0; i < count; i++)
        {
            groups.Add(ParseGroup(ref thrift));
        }

        Groups = groups.ToImmutable();
    }

    private ParquetRowGroup ParseGroup(ref ThriftReader thrift)
    {
        long at = thrift.Offset;
        long rows = -1;
        ImmutableArray<ParquetChunk>.Builder chunks = ImmutableArray.CreateBuilder<ParquetChunk>();
        for (int id = 0; thrift.TryReadField(ref id, out ThriftType type);)
        {
            switch (id, type)
            {
                case (1, ThriftType.List):
                    for (int columns = thrift.ReadList(out _); columns > 0; columns--)
                    {
                        chunks.Add(ParseColumn(ref thrift));
                    }

                    break;
                case (3, ThriftType.Int64):
                    rows = thrift.ReadInteger("rows", 0, long.MaxValue);
                    break;
                default:
                    thrift.Skip(type);
                    break;
            }
        }

        return rows >= 0 && chunks.Count == Leaves.Length ? new ParquetRowGroup(rows, chunks.ToImmutable())
            : throw ParquetFormat.Malformed(at, FormattableString.Invariant($"a group of {rows} rows in {chunks.Count} columns"),
                FormattableString.Invariant($"rows in {Leaves.Length} columns"));
    }

    private ParquetChunk ParseColumn(ref ThriftReader thrift)
    {
        long at = thrift.Offset;
        ParquetChunk? chunk = null;
        for (int id = 0; thrift.TryReadField(ref id, out ThriftType type);)
        {
            switch (id, type)
            {
                case (1, ThriftType.Binary):
                    throw ParquetFormat.Malformed(at, "a column in another file", "all columns in this one");
                case (3, ThriftType.Struct):
                    chunk = ParseChunk(ref thrift);
                    break;
                default:
                    thrift.Skip(type);
                    break;
            }
        }

        return chunk ?? throw ParquetFormat.Malformed(at, "a column without metadata", "where its pages are");
    }

    private ParquetChunk ParseChunk(ref ThriftReader thrift)
    {
        long at = thrift.Offset;
        (long codec, long values, long length, long data, long dictionary) = (0, 0, 0, 0, 0);
        for (int id = 0; thrift.TryReadField(ref id, out ThriftType type);)
        {
            switch (id, type)
            {
                case (4, ThriftType.Int32):
                    codec = thrift.ReadInteger("a codec", 0, int.MaxValue);
                    break;
                case (5, ThriftType.Int64):
                    values = thrift.ReadInteger("values", 0, long.MaxValue);
                    break;
                case (7, ThriftType.Int64):
                    length = thrift.ReadInteger("a length", 0, _end);
                    break;
                case (9, ThriftType.Int64):
                    data = thrift.ReadInteger("an offset", 0, _end);
                    break;
                case (11, ThriftType.Int64):
                    dictionary = thrift.ReadInteger("an offset", 0, _end);
                    break;
                default:
                    thrift.Skip(type);
                    break;
            }
        }

        // Some writers leave 0 where there is no dictionary.
        long start = dictionary > 0 && dictionary < data ? dictionary : data;
        return !Enum.IsDefined((ParquetCodec)codec)
            ? throw ParquetFormat.Malformed(at, $"pages compressed with {NameOf(Codecs, (int)codec)}",
                "SNAPPY, GZIP, ZSTD, LZ4_RAW or none")
            : start < ParquetFormat.Magic.Length || length > _end - start
            ? throw ParquetFormat.Malformed(at, FormattableString.Invariant($"pages at {start} of {length} bytes"),
                "pages before the metadata")
            : new ParquetChunk(start, length, values, (ParquetCodec)codec);
    }

    private sealed record Node(string Name, int Type, int Repetition, int Children);

    private sealed record Group(string? Name, int Definition, ImmutableArray<int> Lists)
    {
        public int Children { get; set; }
    }
}
