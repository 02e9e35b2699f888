using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text;

namespace Xstate.Artifacts.QemuStream;

/// <summary>
/// Reads the extended state of a QEMU migration stream: what <c>migrate</c> writes to a file, and what qcow2 snapshots and libvirt saves
/// contain. Only the end of the stream is read: the description, and through it the virtual CPUs.
/// </summary>
internal static class QemuStreamReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "qemu-stream";

    /// <summary>The four bytes at the start, followed by the version.</summary>
    internal const uint Magic = 0x5145_564D;

    private const uint Version = 3;
    private const byte TypeConfiguration = 7;
    private const int HeaderLength = sizeof(uint) + sizeof(uint);

    internal static bool Recognizes(ReadOnlySpan<byte> head) => head.Length >= HeaderLength
        && BinaryPrimitives.ReadUInt32BigEndian(head) == Magic;

    /// <summary>Reads a plain stream.</summary>
    internal static Artifact Read(ArtifactSource source, ArtifactLimits limits)
    {
        QemuStreamContent content = ReadContent(source, limits);
        return Artifact.Of(content.ToCapture(Format, ""), Format, new QemuStreamEncoder(limits), content.Findings);
    }

    /// <summary>Reads a stream wherever it lies.</summary>
    /// <param name="source">The stream.</param>
    /// <param name="limits">Ceilings.</param>
    /// <param name="told">Who wrote it, as the file around it says.</param>
    /// <exception cref="MalformedArtifactException">It is not a stream of version 3 with a description, or its virtual CPUs are not where
    /// that leads.</exception>
    internal static QemuStreamContent ReadContent(ArtifactSource source, ArtifactLimits limits, WriterEvidence? told = null)
    {
        byte[] header = source.Bytes(Format, 0, HeaderLength, "the header");
        if (BinaryPrimitives.ReadUInt32BigEndian(header) != Magic)
        {
            throw new MalformedArtifactException(Format, 0, Quotation.Of(header), "\"QEVM\"");
        }

        uint version = BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(sizeof(uint)));
        if (version != Version)
        {
            throw new MalformedArtifactException(Format, sizeof(uint), $"version {version}", $"version {Version}");
        }

        VmDescription description = VmDescriptionReader.Read(source, limits);
        ImmutableArray<CpuSection> cpus = ReadSections(source, limits, description);
        WriterEvidence writer = WriterEvidence.Of(description, cpus, told);
        return new QemuStreamContent(description, MachineName(source), writer, cpus);
    }

    /// <summary>The virtual CPUs' sections, once for each.</summary>
    internal static ImmutableArray<CpuSection> ReadSections(ArtifactSource source, ArtifactLimits limits, VmDescription description)
    {
        ImmutableArray<CpuSection>.Builder sections = ImmutableArray.CreateBuilder<CpuSection>();
        HashSet<int> ids = [];
        foreach (CpuPlace place in new SectionWalk(source, limits).Find(description))
        {
            CpuSection section = new(source, place, limits);
            sections.Add(ids.Add(section.Id) ? section : throw new MalformedArtifactException(Format, place.BodyOffset,
                $"virtual CPU {section.Id} again", "each one once"));
        }

        return sections.ToImmutable();
    }

    // The configuration section, which QEMU 2.4 and later write first: a length and the machine type.
    private static string? MachineName(ArtifactSource source)
    {
        ReadOnlySpan<byte> head = source.Head[HeaderLength..];
        if (head is not [TypeConfiguration, 0, 0, 0, byte length, .. ReadOnlySpan<byte> rest] || rest.Length < length)
        {
            return null;
        }

        ReadOnlySpan<byte> name = rest[..length];
        return name.ContainsAnyExceptInRange((byte)0x21, (byte)0x7E) ? null : Encoding.ASCII.GetString(name);
    }
}
