using System.Buffers.Binary;

namespace Xstate.Artifacts.Firecracker;

/// <summary>
/// Recognises the vmstate file of Firecracker 1.15 and later, which has no magic number at a fixed place: its encoding (bitcode) sorts the
/// values of all structures by column and packs their bits, so that only the very version that wrote a file can read it. What is left of
/// the format is the CRC over the whole file.
/// </summary>
internal static class FirecrackerBitcodeReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "firecracker-bitcode";

    // Firecracker's own ceiling for the file, and less than the state of one vCPU can take.
    private const int MaxLength = 10_000_000;
    private const int MinLength = 1024;

    internal static bool Recognizes(ArtifactSource source)
    {
        if (source.Length is < MinLength or > MaxLength || SnapshotHeader.HasMagic(source.Head))
        {
            return false;
        }

        // Zeros have a CRC of zero, and no file of zeros is a snapshot.
        Span<byte> trailer = stackalloc byte[SnapshotHeader.TrailerLength];
        source.ReadAt(source.Length - trailer.Length, trailer);
        return BinaryPrimitives.ReadUInt64LittleEndian(trailer) != 0 && CrcOf(source) == 0;
    }

    /// <summary>Says what to do instead.</summary>
    internal static Artifact Read(ArtifactSource source, ArtifactLimits limits) => throw new MalformedArtifactException(
        Format,
        0,
        Recognizes(source)
            ? "no magic number but a valid CRC64: a snapshot of Firecracker 1.15 or later, whose bitcode encoding only the version that "
                + "wrote it can read"
            : "neither the magic number nor the CRC64 of a Firecracker snapshot",
        "a snapshot of Firecracker 0.23 to 1.14; of a later one, restore it with its own version and save KVM's images (kvm_xsave, "
        + "kvm_xcrs, kvm_cpuid2), or look at "
        + "`snapshot-editor info-vmstate vcpu-states` of that version");

    private static ulong CrcOf(ArtifactSource source)
    {
        byte[] chunk = new byte[1 << 16];
        ulong crc = 0;
        for (long at = 0; at < source.Length;)
        {
            int read = source.ReadAt(at, chunk);
            if (read == 0)
            {
                return ulong.MaxValue;
            }

            crc = Crc64.Of(chunk.AsSpan(0, read), crc);
            at += read;
        }

        return crc;
    }
}
