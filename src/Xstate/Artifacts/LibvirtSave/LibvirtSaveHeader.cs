using System.Buffers.Binary;
using System.Text;

namespace Xstate.Artifacts.LibvirtSave;

/// <summary>What libvirt writes before the stream.</summary>
/// <param name="DomainXml">The domain's definition.</param>
/// <param name="CookieXml">What libvirt noted at run time, with the CPU model as it was expanded; null when there is none.</param>
/// <param name="WasRunning">Whether the guest runs again after the restore.</param>
/// <param name="Compression">How the stream is compressed; null when it is not.</param>
/// <param name="StreamOffset">Where the stream begins.</param>
internal sealed record LibvirtSaveHeader(string DomainXml, string? CookieXml, bool WasRunning, Compression? Compression, long StreamOffset)
{
    /// <summary>Offset of the field that says how the stream is compressed.</summary>
    public const int CompressionOffset = MagicLength + (3 * sizeof(uint));

    private const int MagicLength = 16;
    private const int Length = MagicLength + (19 * sizeof(uint));
    private const uint Version = 2;
    private const uint Sparse = 6;

    // In the order of the field's values, from 1 on; 0 is the plain stream.
    private static readonly Compression[] Compressions = [Artifacts.Compression.Gzip, Artifacts.Compression.Bzip2,
        Artifacts.Compression.Xz, Artifacts.Compression.Lzop, Artifacts.Compression.Zstd];

    public static ReadOnlySpan<byte> Complete => "LibvirtQemudSave"u8;

    public static ReadOnlySpan<byte> Partial => "LibvirtQemudPart"u8;

    /// <summary>
    /// Whether RAM has fixed places in the stream (QEMU's mapped-ram, libvirt 11.2); the devices lie behind it as in any stream.
    /// </summary>
    public bool IsSparse { get; private init; }

    /// <summary>Reads the header and the XML behind it.</summary>
    /// <exception cref="MalformedArtifactException">It is not a whole save of version 2 from a little-endian host.</exception>
    public static LibvirtSaveHeader Read(ArtifactSource source, ArtifactLimits limits)
    {
        const string Format = LibvirtSaveReader.Format;
        byte[] header = source.Bytes(Format, 0, Length, "the header");
        if (header.AsSpan().StartsWith(Partial))
        {
            throw new MalformedArtifactException(Format, 0, "\"LibvirtQemudPart\"",
                "\"LibvirtQemudSave\": libvirt was interrupted while it wrote this save, and would not load it either");
        }

        if (!header.AsSpan().StartsWith(Complete))
        {
            throw new MalformedArtifactException(Format, 0, Quotation.Of(header.AsSpan(0, MagicLength)), "\"LibvirtQemudSave\"");
        }

        uint version = Word(header, 0);
        if (version != Version)
        {
            bool swapped = BinaryPrimitives.ReverseEndianness(version) == Version;
            throw new MalformedArtifactException(Format, MagicLength, swapped ? $"version {Version} in the other byte order"
                : $"version {version}", $"version {Version}{(swapped ? ", written on a little-endian host as every x86 host is" : "")}");
        }

        uint xmlLength = Word(header, 1);
        if (xmlLength > limits.MaxDomainXml)
        {
            throw new MalformedArtifactException(Format, MagicLength + sizeof(uint), $"{xmlLength} bytes of XML",
                $"at most {limits.MaxDomainXml}");
        }

        uint kind = Word(header, 3);
        bool sparse = kind == Sparse;
        if (kind > Compressions.Length && !sparse)
        {
            throw new MalformedArtifactException(Format, CompressionOffset, $"compression {kind}", $"0 to {Sparse}");
        }

        byte[] xml = source.Bytes(Format, Length, (int)xmlLength, "the domain's XML");
        uint cookie = Word(header, 4);
        if (cookie > xmlLength)
        {
            throw new MalformedArtifactException(Format, MagicLength + (4 * sizeof(uint)), $"a cookie at {cookie}",
                $"an offset within {xmlLength} bytes, or 0");
        }

        return new LibvirtSaveHeader(TextOf(xml), cookie == 0 ? null : TextOf(xml.AsSpan((int)cookie)), Word(header, 2) != 0, kind == 0
            || sparse ? null : Compressions[kind - 1], Length + xmlLength)
        { IsSparse = sparse };
    }

    private static uint Word(byte[] header, int index) =>
        BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(MagicLength + (index * sizeof(uint))));

    private static string TextOf(ReadOnlySpan<byte> bytes)
    {
        int end = bytes.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? bytes : bytes[..end]);
    }
}
