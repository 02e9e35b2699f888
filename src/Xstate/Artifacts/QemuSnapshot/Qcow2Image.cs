using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text;

namespace Xstate.Artifacts.QemuSnapshot;

/// <summary>One internal snapshot.</summary>
/// <param name="EntryOffset">Where its entry of the snapshot table is.</param>
/// <param name="Id">Its id, a number as text.</param>
/// <param name="Name">Its name.</param>
/// <param name="L1Offset">Where its table of level 1 is.</param>
/// <param name="L1Entries">Entries of that table.</param>
/// <param name="StateLength">Bytes of the virtual machine's state; 0 for a snapshot of the disk alone.</param>
/// <param name="DiskLength">Bytes of the disk when it was taken.</param>
internal sealed record Qcow2Snapshot(long EntryOffset, string Id, string Name, long L1Offset, int L1Entries, long StateLength,
    long DiskLength);

/// <summary>The parts of a qcow2 image that lead to the state of its snapshots: header, snapshot table, and reference counts.</summary>
internal sealed class Qcow2Image
{
    /// <summary>Where every offset in a table of clusters has its bits; the others are flags.</summary>
    public const ulong OffsetMask = 0x00FF_FFFF_FFFF_FE00;

    private const string Format = QemuSnapshotReader.Format;
    private const uint Magic = 0x5146_49FB;
    private const int HeaderLengthV2 = 72;
    private const int HeaderLengthV3 = 104;
    private const int MinClusterBits = 9;
    private const int MaxClusterBits = 21;
    private const int RefcountTableField = 48;
    private const int EntryLength = 40;
    private const int MaxExtra = 1024;
    private const ulong ExternalData = 1 << 2;
    private const ulong ExtendedL2 = 1 << 4;

    private readonly ArtifactSource _source;
    private readonly long _refcountTable;
    private readonly long _refcountTableEntries;
    private readonly int _refcountOrder;

    /// <summary>Reads the header and the snapshot table.</summary>
    /// <exception cref="MalformedArtifactException">It is not an image of version 2 or 3, keeps its data elsewhere, or has no
    /// snapshot.</exception>
    public Qcow2Image(ArtifactSource source, ArtifactLimits limits)
    {
        _source = source;
        byte[] header = source.Bytes(Format, 0, HeaderLengthV2, "the header");
        uint version = Word(header, 4);
        if (Word(header, 0) != Magic || version is not (2 or 3))
        {
            throw new MalformedArtifactException(Format, 0, $"magic 0x{Word(header, 0):x8}, version {version}",
                "\"QFI\\xFB\" and version 2 or 3");
        }

        ClusterBits = (int)Math.Min(Word(header, 20), int.MaxValue);
        if (ClusterBits is < MinClusterBits or > MaxClusterBits)
        {
            throw new MalformedArtifactException(Format, 20, $"clusters of 2^{Word(header, 20)} bytes",
                $"2^{MinClusterBits} to 2^{MaxClusterBits}");
        }

        DiskLength = (long)Math.Min(Long(header, 24), long.MaxValue);
        _refcountTable = OffsetOf(Long(header, RefcountTableField), RefcountTableField);
        _refcountTableEntries = ((long)Word(header, 56) << ClusterBits) / sizeof(ulong);
        _refcountOrder = 4;
        if (version == 3)
        {
            ReadVersion3(source.Bytes(Format, 0, HeaderLengthV3, "the header of version 3"), out _refcountOrder);
        }

        uint count = Word(header, 60);
        if (count == 0 || count > limits.MaxSnapshots)
        {
            throw new MalformedArtifactException(Format, 60, $"{count} internal snapshots",
                $"1 to {limits.MaxSnapshots}: a disk without snapshots holds no extended state");
        }

        Snapshots = ReadSnapshots(OffsetOf(Long(header, 64), 64), (int)count);
    }

    /// <summary>Clusters have 2 to this power of bytes.</summary>
    public int ClusterBits { get; }

    /// <summary>Bytes of a cluster.</summary>
    public int ClusterLength => 1 << ClusterBits;

    /// <summary>A table of level 2 fills a cluster; this many bits of a cluster's number select its entry.</summary>
    public int L2Bits => ClusterBits - 3;

    /// <summary>Bytes of the disk now.</summary>
    public long DiskLength { get; }

    /// <summary>The snapshots, oldest first.</summary>
    public ImmutableArray<Qcow2Snapshot> Snapshots { get; }

    /// <summary>The number of users of the cluster at an offset of the file.</summary>
    public ulong RefcountAt(long offset)
    {
        long cluster = offset >> ClusterBits;
        int perBlock = (ClusterLength * 8) >> _refcountOrder;
        long index = cluster / perBlock;
        if (index >= _refcountTableEntries)
        {
            throw new MalformedArtifactException(Format, RefcountTableField,
                $"{_refcountTableEntries} entries in the table of reference counts", $"one for the cluster at {offset}");
        }

        ulong block = Long(_source.Bytes(Format, _refcountTable + (index * sizeof(ulong)), sizeof(ulong), "a reference count"), 0)
            & OffsetMask;
        if (block == 0)
        {
            return 0;
        }

        long bit = (cluster % perBlock) << _refcountOrder;
        long at = OffsetOf(block, RefcountTableField) + (bit / 8);
        byte[] bytes = _source.Bytes(Format, at, Math.Max(1, 1 << _refcountOrder >> 3), "a reference count");
        ulong count = 0;
        foreach (byte part in bytes)
        {
            count = count << 8 | part;
        }

        return _refcountOrder >= 3 ? count : count >> (int)(bit % 8) & ((1UL << (1 << _refcountOrder)) - 1);
    }

    /// <summary>An offset that a table has, inside what a file can have.</summary>
    public static long OffsetOf(ulong value, long where) =>
        value <= OffsetMask ? (long)value : throw new MalformedArtifactException(Format, where, $"offset 0x{value:x}",
            $"at most 0x{OffsetMask:x}");

    private static void ReadVersion3(byte[] header, out int refcountOrder)
    {
        ulong features = Long(header, 72);
        if ((features & (ExternalData | ExtendedL2)) != 0)
        {
            throw new MalformedArtifactException(Format, 72, $"incompatible features 0x{features:x}",
                "neither an external data file nor extended tables of level 2: their snapshots are not read");
        }

        uint order = Word(header, 96);
        refcountOrder = order <= 6 ? (int)order : throw new MalformedArtifactException(Format, 96, $"reference counts of 2^{order} bits",
            "at most 2^6");
    }

    private ImmutableArray<Qcow2Snapshot> ReadSnapshots(long offset, int count)
    {
        ImmutableArray<Qcow2Snapshot>.Builder snapshots = ImmutableArray.CreateBuilder<Qcow2Snapshot>();
        for (int i = 0; i < count; i++)
        {
            byte[] entry = _source.Bytes(Format, offset, EntryLength, $"snapshot {i}");
            uint extra = Word(entry, 36);
            if (extra > MaxExtra)
            {
                throw new MalformedArtifactException(Format, offset + 36, $"{extra} bytes of extra data", $"at most {MaxExtra}");
            }

            int idLength = BinaryPrimitives.ReadUInt16BigEndian(entry.AsSpan(12));
            int nameLength = BinaryPrimitives.ReadUInt16BigEndian(entry.AsSpan(14));
            byte[] rest = _source.Bytes(Format, offset + EntryLength, (int)extra + idLength + nameLength, $"snapshot {i}");
            ulong state = extra >= sizeof(ulong) ? Long(rest, 0) : Word(entry, 32);
            ulong disk = extra >= 2 * sizeof(ulong) ? Long(rest, sizeof(ulong)) : 0;
            if (state > OffsetMask || disk > OffsetMask)
            {
                throw new MalformedArtifactException(Format, offset + EntryLength, $"{state} bytes of state of a disk of {disk}",
                    $"at most {OffsetMask}");
            }

            string id = Encoding.UTF8.GetString(rest, (int)extra, idLength);
            string name = Encoding.UTF8.GetString(rest, (int)extra + idLength, nameLength);
            snapshots.Add(new Qcow2Snapshot(offset, id, name, OffsetOf(Long(entry, 0), offset),
                (int)Math.Min(Word(entry, 8), int.MaxValue), (long)state, disk == 0 ? DiskLength : (long)disk));
            offset = (offset + EntryLength + rest.Length + 7) & ~7L;
        }

        return snapshots.ToImmutable();
    }

    private static uint Word(byte[] bytes, int offset) => BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(offset));

    private static ulong Long(byte[] bytes, int offset) => BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(offset));
}
