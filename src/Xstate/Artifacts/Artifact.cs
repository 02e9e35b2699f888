using System.Collections.Immutable;
using Xstate.Artifacts.CaptureFile;
using Xstate.Artifacts.CpuidRaw;
using Xstate.Artifacts.HostFile;
using Xstate.Artifacts.InstLatx64;
using Xstate.Artifacts.KvmCpuid2;
using Xstate.Artifacts.KvmXcrs;
using Xstate.Artifacts.KvmXsave;
using Xstate.Artifacts.Text;
using Xstate.Captures;

namespace Xstate.Artifacts;

/// <summary>What a file turned out to be. Exactly one of the four results is not null.</summary>
public sealed record Artifact
{
    // Enough for the preamble of every text dump seen; recognisers of binary formats look at the first kilobytes.
    private const int HeadLength = 1 << 16;

    private Artifact(string format)
    {
        Format = format;
    }

    /// <summary>
    /// All formats, in the order in which their recognisers are asked: those with a magic or a keyword first, those that have only a length last.
    /// </summary>
    public static ImmutableArray<ArtifactFormat> Formats { get; } =
    [
        new(CaptureFileReader.Format, "Xstate's own capture, JSON", (head, _) => CaptureFileReader.Recognizes(head), (bytes, limits) => Of(CaptureFileReader.Read(bytes.Span, limits), CaptureFileReader.Format)),
        new(HostFileReader.Format, "Xstate's own host record, JSON", (head, _) => HostFileReader.Recognizes(head), (bytes, limits) => Of(HostFileReader.Read(bytes.Span, limits))),
        new(CpuidRawReader.Format, "text of cpuid -r or cpuid -1 -r", (head, _) => CpuidRawReader.Recognizes(head), (bytes, limits) => Of(CpuidRawReader.Read(bytes.Span, limits))),
        new(InstLatx64Reader.Format, "CPUID text of AIDA64 and InstLatx64", (head, _) => InstLatx64Reader.Recognizes(head), (bytes, limits) => Of(InstLatx64Reader.Read(bytes.Span, limits))),
        new(KvmCpuid2Reader.Format, "struct kvm_cpuid2", KvmCpuid2Reader.Recognizes, (bytes, limits) => Of(KvmCpuid2Reader.ReadDump(bytes.Span, limits))),
        new(KvmXcrsReader.Format, "struct kvm_xcrs", (_, length) => KvmXcrsReader.Recognizes(length), (bytes, _) => Of(KvmXcrsReader.Read(bytes.Span))),
        new(KvmXsaveReader.Format, "struct kvm_xsave: 4096 bytes or KVM_CAP_XSAVE2's size", KvmXsaveReader.Recognizes, (bytes, limits) => Of(KvmXsaveReader.Read(bytes, limits), KvmXsaveReader.Format)),
    ];

    /// <summary>The format's name.</summary>
    public string Format { get; }

    /// <summary>Extended state of virtual CPUs or threads.</summary>
    public Capture? Capture { get; private init; }

    /// <summary>A recorded host.</summary>
    public HostRecord? Host { get; private init; }

    /// <summary>CPUID answers.</summary>
    public CpuidDump? Cpuid { get; private init; }

    /// <summary>Extended control registers of one virtual CPU.</summary>
    public KvmXcrsBlob? Xcrs { get; private init; }

    /// <summary>Recognises and reads a stream from its current position to its end.</summary>
    /// <param name="stream">Any readable stream; one that can seek is read at once, others in growing pieces.</param>
    /// <param name="options">A format to take for granted, and limits.</param>
    /// <exception cref="ArgumentException">The options name a format that does not exist.</exception>
    /// <exception cref="MalformedArtifactException">No format fits, the bytes are not what the format says, or a limit is exceeded.</exception>
    public static Artifact Open(Stream stream, ArtifactOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        options ??= ArtifactOptions.Default;
        ArtifactFormat? given = options.Format is null ? null : Find(options.Format);
        ReadOnlyMemory<byte> bytes = WholeFile.Read(stream, options.Limits.MaxWholeFile);
        return (given ?? Recognize(bytes.Span)).Read(bytes, options.Limits);
    }

    internal static Artifact Of(Capture capture, string format) => new(format) { Capture = capture };

    internal static Artifact Of(HostRecord host) => new(HostFileReader.Format) { Host = host };

    internal static Artifact Of(CpuidDump dump) => new(dump.Format) { Cpuid = dump };

    internal static Artifact Of(KvmXcrsBlob xcrs) => new(KvmXcrsReader.Format) { Xcrs = xcrs };

    private static ArtifactFormat Find(string name) =>
        Formats.FirstOrDefault(format => format.Name == name)
        ?? throw new ArgumentException($"there is no format {name}; there are {Names}", nameof(name));

    private static ArtifactFormat Recognize(ReadOnlySpan<byte> bytes)
    {
        ReadOnlySpan<byte> head = bytes[..Math.Min(bytes.Length, HeadLength)];
        foreach (ArtifactFormat format in Formats)
        {
            if (format.Recognizes(head, bytes.Length))
            {
                return format;
            }
        }

        // An image with a hostile header is still an image: its length is all that a kernel asks for before it looks inside.
        return KvmXsaveReader.RecognizesLength(bytes.Length)
            ? Find(KvmXsaveReader.Format)
            : throw new MalformedArtifactException("artifact", 0, $"{bytes.Length} bytes that begin {Quotation.Of(head)}", $"one of {Names}");
    }

    private static string Names => string.Join(", ", Formats.Select(format => format.Name));
}
