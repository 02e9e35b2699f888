using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Xstate.Artifacts.FirecrackerCpu;
using Xstate.Artifacts.HostFile;
using Xstate.Artifacts.KvmXcrs;
using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Artifacts;

/// <summary>What a file turned out to be. Exactly one of the six results is not null.</summary>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed record Artifact
{
    private ICaptureEncoder? _encoder;

    private Artifact(string format)
    {
        Format = format;
    }

    /// <summary>All formats, in the order in which their recognisers are asked.</summary>
    public static ImmutableArray<ArtifactFormat> Formats => ArtifactFormats.All;

    /// <summary>The format's name.</summary>
    public string Format { get; }

    /// <summary>Extended state of virtual CPUs or threads.</summary>
    public Capture? Capture { get; private init; }

    /// <summary>A recorded host.</summary>
    public HostRecord? Host { get; private init; }

    /// <summary>CPUID answers.</summary>
    public CpuidDump? Cpuid { get; private init; }

    /// <summary>Extended control registers of one virtual CPU.</summary>
    internal KvmXcrsBlob? Xcrs { get; private init; }

    /// <summary>CPU models by the names of their features: components without a layout.</summary>
    internal CpuModelList? Models { get; private init; }

    /// <summary>A CPU template: changes of a CPUID that is elsewhere.</summary>
    internal CpuTemplate? Template { get; private init; }

    /// <summary>What the decoder noticed: ambiguity, damage, hazards.</summary>
    public ImmutableArray<Finding> Findings { get; private init; } = [];

    /// <summary>
    /// The capture without damage that the artifact's writer did to it, as far as it can be undone from the bytes alone; null when there is
    /// none.
    /// </summary>
    public Capture? Repaired { get; private init; }

    /// <summary>Whether a changed capture can be written back into this artifact.</summary>
    public bool CanEncode => _encoder is not null;

    /// <summary>Recognises and reads a stream from its current position to its end, decompressing it first where needed.</summary>
    /// <param name="stream">Any readable stream. In one that can seek, decoders of large formats read only where the answer is; others are
    /// copied first.</param>
    /// <param name="options">A format to take for granted, limits, and what decompresses.</param>
    /// <exception cref="ArgumentException">The options name a format that does not exist.</exception>
    /// <exception cref="MalformedArtifactException">No format fits, the bytes are not what the format says, or a limit is
    /// exceeded.</exception>
    public static Artifact Open(Stream stream, ArtifactOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        options ??= ArtifactOptions.Default;
        ArtifactFormat? given = options.Format is null ? null : ArtifactFormats.Find(options.Format);
        Stream content = ArtifactContent.Open(stream, options);
        try
        {
            using ArtifactSource source = new(content, options);
            return (given ?? ArtifactFormats.Recognize(source)).Read(source, options.Limits).WithVmm();
        }
        finally
        {
            if (!ReferenceEquals(content, stream))
            {
                content.Dispose();
            }
        }
    }

    /// <summary>Recognises and reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">A format to take for granted, limits, and what decompresses.</param>
    /// <exception cref="ArgumentException">The options name a format that does not exist.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="MalformedArtifactException">No format fits, the bytes are not what the format says, or a limit is
    /// exceeded.</exception>
    public static Artifact Open(string path, ArtifactOptions? options = null)
    {
        using FileStream file = File.OpenRead(path);
        return Open(file, options);
    }

    /// <summary>
    /// Recognises and reads a stream, as <see cref="Open(Stream, ArtifactOptions?)"/> does, for input that may be anything.
    /// </summary>
    /// <param name="stream">Any readable stream.</param>
    /// <param name="artifact">What it is.</param>
    /// <param name="error">Why it is no artifact, with format, offset, found and expected.</param>
    /// <param name="options">A format to take for granted, limits, and what decompresses.</param>
    /// <exception cref="ArgumentException">The options name a format that does not exist.</exception>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    public static bool TryOpen(Stream stream, [NotNullWhen(true)] out Artifact? artifact,
        [NotNullWhen(false)] out MalformedArtifactException? error, ArtifactOptions? options = null)
    {
        artifact = null;
        error = null;
        try
        {
            artifact = Open(stream, options);
            return true;
        }
        catch (MalformedArtifactException malformed)
        {
            error = malformed;
            return false;
        }
    }

    /// <summary>The changes to the artifact's bytes that make it hold a changed capture, by offset; none for an unchanged one.</summary>
    /// <param name="changed">This artifact's capture with changed states: the same ones, in the same order.</param>
    /// <param name="content">The bytes that it was read from, uncompressed and seekable, as <see cref="ArtifactContent.Open"/> gives
    /// them.</param>
    /// <param name="options">What the artifact was opened with.</param>
    /// <exception cref="NotSupportedException">The format cannot be written, or has no place for the change.</exception>
    internal ImmutableArray<ArtifactPatch> Encode(Capture changed, Stream content, ArtifactOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(changed);
        ArgumentNullException.ThrowIfNull(content);
        if (_encoder is null || Capture is null)
        {
            throw new NotSupportedException($"{Format} cannot be written back");
        }

        if (changed.States.Length != Capture.States.Length)
        {
            throw new ArgumentException($"{changed.States.Length} states, not the {Capture.States.Length} that were read", nameof(changed));
        }

        content.Position = 0;
        using ArtifactSource source = new(content, options ?? ArtifactOptions.Default);
        return _encoder.Encode(changed, source);
    }

    /// <summary>A running process or machine, read by other means than a file. It cannot be written back as one.</summary>
    public static Artifact OfLive(Capture capture, ImmutableArray<Finding> findings)
    {
        ArgumentNullException.ThrowIfNull(capture);
        return Of(capture, capture.Format, encoder: null, findings);
    }

    internal static Artifact Of(Capture capture, string format, ICaptureEncoder? encoder = null,
        ImmutableArray<Finding> findings = default, Capture? repaired = null) =>
        new(format) { Capture = capture, _encoder = encoder, Findings = findings.IsDefault ? [] : findings, Repaired = repaired };

    internal static Artifact Of(HostRecord host) => new(HostFileReader.Format) { Host = host };

    internal static Artifact Of(CpuidDump dump) => new(dump.Format) { Cpuid = dump, Findings = CpuFindings.Of(dump) };

    /// <summary>
    /// An artifact of CPUID answers that come from elsewhere than a file, such as a device, with what they lack as findings.
    /// </summary>
    public static Artifact FromCpuid(CpuidDump dump)
    {
        ArgumentNullException.ThrowIfNull(dump);
        return Of(dump);
    }

    internal static Artifact Of(CpuModelList models) => new(models.Format) { Models = models, Findings = CpuFindings.Of(models) };

    internal static Artifact Of(CpuTemplate template) => new(template.Format) { Template = template };

    internal static Artifact OfFingerprint(HostRecord host) =>
        new(FingerprintReader.Format) { Host = host, Findings = CpuFindings.Of(host, FingerprintReader.Format) };

    internal static Artifact Of(KvmXcrsBlob xcrs) => new(KvmXcrsReader.Format) { Xcrs = xcrs };

    // A capture that was converted keeps the name of the format that it came from, and with it the program that restores it.
    private Artifact WithVmm() => this with { Capture = WithVmm(Capture), Repaired = WithVmm(Repaired) };

    private static Capture? WithVmm(Capture? capture) =>
        capture is not null && ArtifactFormats.All.FirstOrDefault(format => format.Name == capture.Format)?.Vmm is { } vmm
        ? capture with { Vmm = vmm } : capture;
}
