using System.Buffers.Binary;
using System.Text;

namespace Xstate.Artifacts.Firecracker;

/// <summary>What a vmstate file says of itself before its state.</summary>
/// <param name="Version">The snapshot version as it stands there, or the data version of the versionize encoding.</param>
/// <param name="Releases">The Firecracker releases that write it, as far as known.</param>
/// <param name="Major">Major number of the snapshot version; 0 for the versionize encoding.</param>
/// <param name="DataVersion">Data version of the versionize encoding; 0 for bincode.</param>
/// <param name="StateOffset">Where the state begins.</param>
internal sealed record SnapshotHeader(string Version, string Releases, int Major, int DataVersion, int StateOffset)
{
    /// <summary>The magic number of x86, without the format version in its low 16 bits.</summary>
    public const ulong X86Magic = 0x0710_1984_8664_0000;

    /// <summary>The magic number of aarch64.</summary>
    public const ulong ArmMagic = 0x0710_1984_AAAA_0000;

    /// <summary>Bytes of the CRC at the end.</summary>
    public const int TrailerLength = sizeof(ulong);

    private const ulong MagicMask = ~0xFFFFUL;
    private const int MaxVersionLength = 64;

    // From 0.23, whose data version was 1, to 1.6, whose data version is 10.
    private static readonly string[] VersionizeReleases = ["0.23", "0.24", "0.25", "1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6"];

    /// <summary>Whether a file begins with the magic number of either architecture.</summary>
    public static bool HasMagic(ReadOnlySpan<byte> head) =>
        head.Length >= sizeof(ulong) && (BinaryPrimitives.ReadUInt64LittleEndian(head) & MagicMask) is X86Magic or ArmMagic;

    /// <summary>Reads the header.</summary>
    public static SnapshotHeader Read(ReadOnlySpan<byte> file)
    {
        if (!HasMagic(file))
        {
            throw new MalformedArtifactException(FirecrackerReader.Format, 0, Quotation.Of(file[..Math.Min(file.Length, sizeof(ulong))]),
                $"the magic number 0x{X86Magic:x}");
        }

        ulong magic = BinaryPrimitives.ReadUInt64LittleEndian(file);
        if ((magic & MagicMask) == ArmMagic)
        {
            throw new MalformedArtifactException(FirecrackerReader.Format, 0, "a snapshot of an aarch64 guest, which has no XSAVE state",
                "one of an x86-64 guest");
        }

        return (magic & ~MagicMask) switch
        {
            0 => ReadBincode(file),
            1 => ReadVersionize(file),
            ulong other => throw new MalformedArtifactException(FirecrackerReader.Format, 0, $"format version {other}",
                "1 (Firecracker up to 1.6) or 0 (1.7 to 1.14)"),
        };
    }

    private static SnapshotHeader ReadBincode(ReadOnlySpan<byte> file)
    {
        BincodeCursor cursor = new(file, sizeof(ulong));
        int length = cursor.Count("bytes of the version", MaxVersionLength, 1);
        int start = cursor.Offset;
        string version = Encoding.ASCII.GetString(cursor.Take(length, "the version"));
        int dot = version.IndexOf('.', StringComparison.Ordinal);
        if (dot <= 0 || !int.TryParse(version.AsSpan(0, dot), System.Globalization.NumberStyles.None, null, out int major) || major == 0)
        {
            throw new MalformedArtifactException(FirecrackerReader.Format, start, Quotation.Of(file.Slice(start, length)),
                "a version such as 4.0.0");
        }

        string releases = string.Join(" or ", SnapshotVersion.All.Where(known => known.Major == major).Select(known => known.Releases));
        return new SnapshotHeader(version, releases, major, 0, cursor.Offset);
    }

    private static SnapshotHeader ReadVersionize(ReadOnlySpan<byte> file)
    {
        BincodeCursor cursor = new(file, sizeof(ulong));
        int version = BinaryPrimitives.ReadUInt16LittleEndian(cursor.Take(sizeof(ushort), "the data version"));
        return version >= 1 && version <= VersionizeReleases.Length
            ? new SnapshotHeader($"data version {version}", VersionizeReleases[version - 1], 0, version, cursor.Offset)
            : throw new MalformedArtifactException(FirecrackerReader.Format, sizeof(ulong), $"data version {version}",
                $"1 to {VersionizeReleases.Length}");
    }
}
