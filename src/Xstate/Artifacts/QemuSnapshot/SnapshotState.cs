using System.Buffers.Binary;

namespace Xstate.Artifacts.QemuSnapshot;

/// <summary>
/// The state of one snapshot: a stream whose clusters lie anywhere in the image, found through the snapshot's own tables when they are
/// asked for.
/// </summary>
internal sealed class SnapshotState(ArtifactSource source, Qcow2Image image, Qcow2Snapshot snapshot)
{
    private const string Format = QemuSnapshotReader.Format;
    private const ulong Compressed = 1UL << 62;
    private const ulong ReadsAsZero = 1;

    // The state begins where the disk's table of level 1 ends: behind the disk, rounded up to what one of its entries covers.
    private readonly long _start = RoundUp(snapshot.DiskLength, image.ClusterBits + image.L2Bits);
    private long _cachedTable = -1;
    private byte[] _cache = [];

    /// <summary>Bytes of the state.</summary>
    public long Length => snapshot.StateLength;

    /// <summary>The stream.</summary>
    public ArtifactSource Open() => new(new ContainedStream(Length, Read), ArtifactOptions.Default);

    /// <summary>
    /// Where a byte of the state is in the image, and how many follow it there; null where the cluster has no place and reads as zeros.
    /// </summary>
    public (long? Offset, int Length) Locate(long offset)
    {
        long guest = _start + offset;
        int within = (int)(guest & (image.ClusterLength - 1));
        int length = (int)Math.Min(image.ClusterLength - within, Length - offset);
        ulong entry = L2Entry(guest >> image.ClusterBits);
        if ((entry & Compressed) != 0)
        {
            throw new MalformedArtifactException(Format, snapshot.EntryOffset, $"a compressed cluster at {offset} of the state",
                "plain clusters, as savevm writes them");
        }

        long cluster = (long)(entry & Qcow2Image.OffsetMask);
        return cluster == 0 || (entry & ReadsAsZero) != 0 ? (null, length) : (cluster + within, length);
    }

    private void Read(long offset, Span<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            (long? at, int length) = Locate(offset);
            Span<byte> part = buffer[..Math.Min(buffer.Length, length)];
            part.Clear();
            if (at is { } place)
            {
                // A file that ends inside its last cluster continues with zeros.
                source.ReadAt(place, part);
            }

            offset += part.Length;
            buffer = buffer[part.Length..];
        }
    }

    private ulong L2Entry(long cluster)
    {
        long index = cluster >> image.L2Bits;
        if (index >= snapshot.L1Entries)
        {
            throw new MalformedArtifactException(Format, snapshot.EntryOffset,
                $"{snapshot.L1Entries} entries of level 1 in snapshot '{Quotation.Cut(snapshot.Name)}'",
                $"more than {index}, for a state of {Length} bytes");
        }

        byte[] l1 = source.Bytes(Format, snapshot.L1Offset + (index * sizeof(ulong)), sizeof(ulong), "an entry of level 1");
        long table = (long)(BinaryPrimitives.ReadUInt64BigEndian(l1) & Qcow2Image.OffsetMask);
        if (table == 0)
        {
            return 0;
        }

        if (table != _cachedTable)
        {
            _cache = source.Bytes(Format, table, image.ClusterLength, "a table of level 2");
            _cachedTable = table;
        }

        return BinaryPrimitives.ReadUInt64BigEndian(_cache.AsSpan((int)(cluster & ((1L << image.L2Bits) - 1)) * sizeof(ulong)));
    }

    private static long RoundUp(long value, int bits)
    {
        long unit = 1L << bits;
        return (value + unit - 1) & ~(unit - 1);
    }
}
