using System.Buffers.Binary;
using System.Text;

namespace Xstate.Tests.Artifacts.Firecracker;

/// <summary>
/// One virtual CPU of a vmstate file, part by part, and files of every version made of such parts. Knows nothing of the decoder: what it
/// writes for 4.0.0 is held against a file that Firecracker's own crates wrote, and the other versions differ from that by what their
/// released sources differ.
/// </summary>
internal sealed record SnapshotParts
{
    private static readonly int[] Structures = [128, 1024, 4, 144, 312, 64];

    public required byte[][] Cpuid { get; init; }

    public required byte[][][] MsrLists { get; init; }

    /// <summary>struct kvm_debugregs to struct kvm_vcpu_events.</summary>
    public required byte[][] Registers { get; init; }

    public required byte[] Xcrs { get; init; }

    public required byte[] Xsave { get; init; }

    /// <summary>Words behind the area, from 1.12 on.</summary>
    public byte[] Extra { get; init; } = [];

    public required uint TscKhz { get; init; }

    /// <summary>
    /// The virtual CPUs of a file with snapshot version 4.0.0, and everything before their number and behind the last of them.
    /// </summary>
    public static (byte[] Before, SnapshotParts[] Vcpus, byte[] Behind) Take(byte[] file, int vcpuOffset)
    {
        BinaryReader reader = new(new MemoryStream(file));
        byte[] before = reader.ReadBytes(vcpuOffset);
        SnapshotParts[] vcpus = [.. Enumerable.Range(0, (int)reader.ReadUInt64()).Select(_ => TakeOne(reader))];
        return (before, vcpus, reader.ReadBytes(file.Length - (int)reader.BaseStream.Position - 8));
    }

    /// <summary>
    /// A bincode file of a snapshot version, such as 6.0.0, as a release, such as 1.12, writes it: 8.0.0 alone does not tell.
    /// </summary>
    public static byte[] Bincode(string version, string release, IReadOnlyCollection<SnapshotParts> vcpus, byte[]? behind = null)
    {
        MemoryStream output = new();
        BinaryWriter writer = new(output);
        writer.Write(0x0710_1984_8664_0000UL);
        WriteText(writer, version);
        int minor = int.Parse(release.Split('.')[1], System.Globalization.CultureInfo.InvariantCulture);
        bool blobs = minor >= 8;
        WriteVmInfo(writer);
        switch (minor)
        {
            case <= 10:
                WriteRegions(writer, minor);
                WriteChips(writer, blobs);
                WriteCapabilities(writer);
                break;
            case 11:
                WriteRegions(writer, minor);
                WriteCapabilities(writer);
                WriteChips(writer, blobs);
                break;
            default:
                WriteCapabilities(writer);
                WriteRegions(writer, minor);
                if (minor >= 13)
                {
                    WriteAllocators(writer, minor == 13 ? 3 : 4);
                }

                WriteChips(writer, blobs);
                break;
        }

        writer.Write((ulong)vcpus.Count);
        foreach (SnapshotParts vcpu in vcpus)
        {
            vcpu.Write(writer, blobs, xsave2: minor >= 12, lists: true, tsc: true);
        }

        writer.Write(behind ?? Noise(300));
        return Seal(output);
    }

    /// <summary>
    /// A versionize file: what stands before and behind the virtual CPUs is noise, because the decoder may not look at it.
    /// </summary>
    public static byte[] Versionize(ushort dataVersion, IReadOnlyCollection<SnapshotParts> vcpus)
    {
        MemoryStream output = new();
        BinaryWriter writer = new(output);
        writer.Write(0x0710_1984_8664_0001UL);
        writer.Write(dataVersion);
        writer.Write(Noise(2_000));
        writer.Write((ulong)vcpus.Count);
        foreach (SnapshotParts vcpu in vcpus)
        {
            vcpu.Write(writer, blobs: false, xsave2: false, lists: dataVersion >= 6, tsc: dataVersion >= 3);
        }

        writer.Write(Noise(3_000));
        return Seal(output);
    }

    /// <summary>The CRC, computed bit by bit.</summary>
    public static ulong Crc(ReadOnlySpan<byte> bytes)
    {
        ulong crc = 0;
        foreach (byte value in bytes)
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (crc >> 1) ^ ((crc & 1) * 0x95AC_9329_AC4B_C9B5UL);
            }
        }

        return crc;
    }

    private static byte[] Seal(MemoryStream output)
    {
        byte[] trailer = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(trailer, Crc(output.ToArray()));
        output.Write(trailer);
        return output.ToArray();
    }

    private static SnapshotParts TakeOne(BinaryReader reader)
    {
        byte[][] cpuid = TakeList(reader);
        byte[][][] msrs = [.. Enumerable.Range(0, (int)reader.ReadUInt64()).Select(_ => TakeList(reader))];
        byte[][] registers = [.. Structures.Select(_ => TakeBlob(reader))];
        byte[] xcrs = TakeBlob(reader);
        byte[] xsave = TakeBlob(reader);
        Assert.Equal(1, reader.ReadByte());
        return new SnapshotParts
        {
            Cpuid = cpuid,
            MsrLists = msrs,
            Registers = registers,
            Xcrs = xcrs,
            Xsave = xsave,
            TscKhz = reader.ReadUInt32()
        };
    }

    private static byte[][] TakeList(BinaryReader reader)
    {
        TakeBlob(reader);
        return [.. Enumerable.Range(0, (int)reader.ReadUInt64()).Select(_ => TakeBlob(reader))];
    }

    private static byte[] TakeBlob(BinaryReader reader) => reader.ReadBytes((int)reader.ReadUInt64());

    private void Write(BinaryWriter writer, bool blobs, bool xsave2, bool lists, bool tsc)
    {
        WriteList(writer, Cpuid, blobs);
        if (lists)
        {
            writer.Write((ulong)MsrLists.Length);
            foreach (byte[][] list in MsrLists)
            {
                WriteList(writer, list, blobs);
            }
        }
        else
        {
            WriteList(writer, [.. MsrLists.SelectMany(list => list)], blobs);
        }

        foreach (byte[] structure in (byte[][])[.. Registers, Xcrs])
        {
            WriteStructure(writer, structure, blobs);
        }

        if (xsave2)
        {
            WriteStructure(writer, [.. BitConverter.GetBytes((ulong)Extra.Length / 4), .. Xsave], blobs: true);
            writer.Write((ulong)Extra.Length / 4);
            writer.Write(Extra);
        }
        else
        {
            WriteStructure(writer, Xsave, blobs);
        }

        if (tsc)
        {
            writer.Write((byte)1);
            writer.Write(TscKhz);
        }
    }

    private static void WriteList(BinaryWriter writer, byte[][] entries, bool blobs)
    {
        WriteStructure(writer, [.. BitConverter.GetBytes((ulong)entries.Length)], blobs);
        writer.Write((ulong)entries.Length);
        foreach (byte[] entry in entries)
        {
            WriteStructure(writer, entry, blobs);
        }
    }

    private static void WriteStructure(BinaryWriter writer, byte[] bytes, bool blobs)
    {
        if (blobs)
        {
            writer.Write((ulong)bytes.Length);
        }

        writer.Write(bytes);
    }

    private static void WriteText(BinaryWriter writer, string text)
    {
        writer.Write((ulong)text.Length);
        writer.Write(Encoding.ASCII.GetBytes(text));
    }

    private static void WriteVmInfo(BinaryWriter writer)
    {
        writer.Write(2048UL);
        writer.Write((byte)1);
        writer.Write(4U);
        WriteText(writer, "/images/vmlinux");
        writer.Write((byte)1);
        WriteText(writer, "/images/initrd");
        writer.Write((byte)1);
        WriteText(writer, "console=ttyS0 reboot=k");
        writer.Write(1U);
    }

    private static void WriteRegions(BinaryWriter writer, int minor)
    {
        writer.Write(2UL);
        for (ulong region = 0; region < 2; region++)
        {
            writer.Write(region << 32);
            writer.Write(0x4000_0000UL);
            if (minor <= 10)
            {
                writer.Write(region * 0x4000_0000UL);
            }
            else if (minor >= 14)
            {
                writer.Write((uint)region);
                writer.Write(3UL);
                writer.Write((ReadOnlySpan<byte>)[1, 0, 1]);
            }
        }
    }

    private static void WriteCapabilities(BinaryWriter writer)
    {
        writer.Write(2UL);
        WriteText(writer, "!56");
        WriteText(writer, "171");
    }

    private static void WriteChips(BinaryWriter writer, bool blobs)
    {
        foreach (int length in (int[])[112, 48, 520, 520, 520])
        {
            WriteStructure(writer, Noise(length), blobs);
        }
    }

    // Two allocators of numbers, one of them used up and with freed numbers; allocators of addresses with trees of three, one and no
    // intervals.
    private static void WriteAllocators(BinaryWriter writer, int addresses)
    {
        writer.Write(5U);
        writer.Write((byte)1);
        writer.Write(9U);
        writer.Write(23U);
        writer.Write(0UL);
        writer.Write(24U);
        writer.Write((byte)0);
        writer.Write(4095U);
        writer.Write(2UL);
        writer.Write(30U);
        writer.Write(31U);
        for (int i = 0; i < addresses; i++)
        {
            writer.Write(0xC000_0000UL);
            writer.Write(0xFEBF_FFFFUL);
            WriteNode(writer, i == 0 ? 2 : i == 1 ? 1 : 0);
        }
    }

    private static void WriteNode(BinaryWriter writer, int height)
    {
        writer.Write((byte)(height > 0 ? 1 : 0));
        if (height > 0)
        {
            writer.Write(0xC000_0000UL);
            writer.Write(0xC000_0FFFUL);
            writer.Write((uint)(height & 1));
            WriteNode(writer, height - 1);
            WriteNode(writer, height - 1);
            writer.Write((ulong)height);
        }
    }

    private static byte[] Noise(int length)
    {
        byte[] bytes = new byte[length];
        SplitMix64 random = new((ulong)length);
        random.Fill(bytes);
        return bytes;
    }
}
