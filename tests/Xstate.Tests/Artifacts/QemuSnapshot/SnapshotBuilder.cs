using System.Buffers.Binary;
using System.Text;

namespace Xstate.Tests.Artifacts.QemuSnapshot;

/// <summary>
/// Writes qcow2 images of version 3 with the state of snapshots in clusters of 4 KiB, last cluster first: own work from the format's
/// specification.
/// </summary>
internal sealed class SnapshotBuilder
{
    private const int ClusterBits = 12;
    private const int Cluster = 1 << ClusterBits;
    private const long DiskLength = 1 << 20;
    private readonly List<(string Name, byte[] State)> _snapshots = [];

    public ulong Refcount { get; init; } = 1;

    public int RefcountOrder { get; init; } = 4;

    public ulong IncompatibleFeatures { get; init; }

    /// <summary>A cluster of every state that has no place and reads as zeros; -1 for none.</summary>
    public int Hole { get; init; } = -1;

    public SnapshotBuilder Add(string name, byte[] state)
    {
        _snapshots.Add((name, state));
        return this;
    }

    public byte[] Build()
    {
        int stateClusters = _snapshots.Sum(snapshot => 2 + ((snapshot.State.Length + Cluster - 1) / Cluster));
        byte[] image = new byte[(4 + stateClusters) * Cluster];
        Word(image, 0, 0x5146_49FB);
        Word(image, 4, 3);
        Word(image, 20, ClusterBits);
        Long(image, 24, DiskLength);
        Long(image, 48, Cluster);
        Word(image, 56, 1);
        Word(image, 60, (uint)_snapshots.Count);
        Long(image, 64, 3 * Cluster);
        Long(image, 72, IncompatibleFeatures);
        Word(image, 96, (uint)RefcountOrder);
        Word(image, 100, 104);
        Long(image, Cluster, 2 * Cluster);
        int next = 4;
        int entry = 3 * Cluster;
        foreach ((string name, byte[] state) in _snapshots)
        {
            entry = WriteEntry(image, entry, name, next * Cluster, state.Length);

            // Behind the disk: the second entry of level 1 covers the second 2 MiB.
            Long(image, (next * Cluster) + 8, (ulong)(next + 1) * Cluster);
            int clusters = (state.Length + Cluster - 1) / Cluster;
            for (int i = 0; i < clusters; i++)
            {
                int at = next + 2 + (clusters - 1 - i);
                SetRefcount(image, at);
                if (i == Hole)
                {
                    continue;
                }

                Long(image, ((next + 1) * Cluster) + (i * 8), (ulong)at * Cluster);
                state.AsSpan(i * Cluster, Math.Min(Cluster, state.Length - (i * Cluster))).CopyTo(image.AsSpan(at * Cluster));
            }

            next += 2 + clusters;
        }

        return image;
    }

    private static int WriteEntry(byte[] image, int at, string name, long l1, int stateLength)
    {
        Long(image, at, (ulong)l1);
        Word(image, at + 8, 2);
        BinaryPrimitives.WriteUInt16BigEndian(image.AsSpan(at + 12), 1);
        BinaryPrimitives.WriteUInt16BigEndian(image.AsSpan(at + 14), (ushort)name.Length);
        Word(image, at + 36, 16);
        Long(image, at + 40, (ulong)stateLength);
        Long(image, at + 48, DiskLength);
        image[at + 56] = (byte)'1';
        Encoding.ASCII.GetBytes(name).CopyTo(image, at + 57);
        return (at + 57 + name.Length + 7) & ~7;
    }

    private void SetRefcount(byte[] image, int cluster)
    {
        int bits = 1 << RefcountOrder;
        int block = 2 * Cluster;
        if (bits < 8)
        {
            image[block + (cluster * bits / 8)] |= (byte)(Refcount << (cluster * bits % 8));
            return;
        }

        for (int i = 0; i < bits / 8; i++)
        {
            image[block + (cluster * bits / 8) + i] = (byte)(Refcount >> (bits - 8 - (8 * i)));
        }
    }

    private static void Word(byte[] image, int at, uint value) => BinaryPrimitives.WriteUInt32BigEndian(image.AsSpan(at), value);

    private static void Long(byte[] image, int at, ulong value) => BinaryPrimitives.WriteUInt64BigEndian(image.AsSpan(at), value);
}
