using System.Collections.Immutable;
using Xstate.Artifacts.CaptureFile;
using Xstate.Artifacts.CloudHypervisor;
using Xstate.Artifacts.CpuidRaw;
using Xstate.Artifacts.Criu;
using Xstate.Artifacts.ElfCore;
using Xstate.Artifacts.FeatureLists;
using Xstate.Artifacts.Firecracker;
using Xstate.Artifacts.FirecrackerCpu;
using Xstate.Artifacts.HostFile;
using Xstate.Artifacts.InstLatx64;
using Xstate.Artifacts.KvmCpuid2;
using Xstate.Artifacts.KvmXcrs;
using Xstate.Artifacts.KvmXsave;
using Xstate.Artifacts.Libcpuid;
using Xstate.Artifacts.LibvirtCpudata;
using Xstate.Artifacts.LibvirtCpuModel;
using Xstate.Artifacts.LibvirtSave;
using Xstate.Artifacts.Minidump;
using Xstate.Artifacts.PastedDumps;
using Xstate.Artifacts.ProcCpuinfo;
using Xstate.Artifacts.QemuSnapshot;
using Xstate.Artifacts.QemuStream;
using Xstate.Artifacts.QmpCpu;
using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Artifacts;

/// <summary>What a file turned out to be. Exactly one of the six results is not null.</summary>
public sealed record Artifact
{
    private ICaptureEncoder? _encoder;

    private Artifact(string format)
    {
        Format = format;
    }

    /// <summary>
    /// All formats, in the order in which their recognisers are asked: those with a magic or a keyword first, those that have only a length
    /// last.
    /// </summary>
    public static ImmutableArray<ArtifactFormat> Formats { get; } =
    [
        Whole(CaptureFileReader.Format, "Xstate's own capture, JSON", source => CaptureFileReader.Recognizes(source.Head),
            (bytes, limits) => Of(CaptureFileReader.Read(bytes.Span, limits), CaptureFileReader.Format, new CaptureFileEncoder(limits))),
        Whole(HostFileReader.Format, "Xstate's own host record, JSON", source => HostFileReader.Recognizes(source.Head),
            (bytes, limits) => Of(HostFileReader.Read(bytes.Span, limits))),
        new(ElfCoreReader.Format, "ELF core of an x86 process", ElfCoreReader.Recognizes, ElfCoreReader.Read),
        new(MinidumpReader.Format, "minidump of an x86-64 process (Windows, Breakpad, Crashpad)",
            source => MinidumpReader.Recognizes(source.Head), MinidumpReader.Read),
        new(QemuStreamReader.Format, "QEMU migration stream", source => QemuStreamReader.Recognizes(source.Head),
            QemuStreamReader.Read) { Vmm = Vmm.Qemu },
        new(QemuSnapshotReader.Format, "qcow2 image with an internal snapshot of a running machine (savevm)",
            source => QemuSnapshotReader.Recognizes(source.Head), QemuSnapshotReader.Read) { Vmm = Vmm.Qemu },
        new(LibvirtSaveReader.Format, "libvirt save (virsh save, managed save)", source => LibvirtSaveReader.Recognizes(source.Head),
            LibvirtSaveReader.Read) { Vmm = Vmm.Qemu },
        Whole(DecodedCpuidReader.Format, "text of cpuid or cpuid -1, decoded", source => DecodedCpuidReader.Recognizes(source.Head),
            (bytes, limits) => Of(DecodedCpuidReader.Read(bytes.Span, limits))),
        Whole(CpuidRawReader.Format, "text of cpuid -r or cpuid -1 -r", source => CpuidRawReader.Recognizes(source.Head),
            (bytes, limits) => Of(CpuidRawReader.Read(bytes.Span, limits))),
        Whole(InstLatx64Reader.Format, "CPUID text of AIDA64 and InstLatx64", source => InstLatx64Reader.Recognizes(source.Head),
            (bytes, limits) => Of(InstLatx64Reader.Read(bytes.Span, limits))),
        Whole(KcpuidReader.Format, "text of kcpuid -r, Linux's own program", source => KcpuidReader.Recognizes(source.Head),
            (bytes, limits) => Of(KcpuidReader.Read(bytes.Span, limits))),
        Whole(XenCpuidReader.Format, "policies of xen-cpuid -p", source => XenCpuidReader.Recognizes(source.Head),
            (bytes, limits) => Of(XenCpuidReader.Read(bytes.Span, limits))),
        Whole(KernelLogReader.Format, "log of a Linux kernel with \"XSAVE consistency problem\"",
            source => KernelLogReader.Recognizes(source.Head), (bytes, limits) => Of(KernelLogReader.Read(bytes.Span, limits))),
        Whole(VirtualBoxLogReader.Format, "VBox.log of VirtualBox", source => VirtualBoxLogReader.Recognizes(source.Head),
            (bytes, limits) => Of(VirtualBoxLogReader.Read(bytes.Span, limits))),
        Whole(VmwareLogReader.Format, "vmware.log of VMware", source => VmwareLogReader.Recognizes(source.Head),
            (bytes, limits) => Of(VmwareLogReader.Read(bytes.Span, limits))),
        new(CloudHypervisorReader.Format, "state.json of a Cloud Hypervisor snapshot, 29 and later", CloudHypervisorReader.Recognizes,
            CloudHypervisorReader.Read) { Vmm = Vmm.CloudHypervisor },
        new(CriuCoreReader.Format, "core image of CRIU: one thread (core-N.img)", CriuCoreReader.Recognizes,
            CriuCoreReader.Read) { Vmm = Vmm.Criu },
        new(CriuCpuinfoReader.Format, "processor image of CRIU (cpuinfo.img)", CriuCpuinfoReader.Recognizes, CriuCpuinfoReader.Read),
        new(FirecrackerReader.Format, "vmstate file of a Firecracker snapshot, 0.23 to 1.14", FirecrackerReader.Recognizes,
            FirecrackerReader.Read) { Vmm = Vmm.Firecracker },
        Whole(VcpuTextReader.Format, "text of Firecracker's snapshot-editor info-vmstate, any version",
            source => VcpuTextReader.Recognizes(source.Head),
            (bytes, limits) => VcpuTextReader.Read(bytes.Span, limits)) with { Vmm = Vmm.Firecracker },
        Whole(LibcpuidReader.Format, "libcpuid's raw dump or .test file", source => LibcpuidReader.Recognizes(source.Head),
            (bytes, limits) => Of(LibcpuidReader.Read(bytes.Span, limits))),
        Whole(ProcCpuinfoReader.Format, "Linux's /proc/cpuinfo", source => ProcCpuinfoReader.Recognizes(source.Head),
            (bytes, limits) => Of(ProcCpuinfoReader.Read(bytes.Span, limits))),
        Whole(LscpuReader.Format, "text or JSON of lscpu", source => LscpuReader.Recognizes(source.Head),
            (bytes, limits) => Of(LscpuReader.Read(bytes.Span, limits))),
        Whole(LibvirtCpudataReader.Format, "CPUID dump of libvirt's CPU tests, XML",
            source => LibvirtCpudataReader.Recognizes(source.Head), (bytes, limits) => Of(LibvirtCpudataReader.Read(bytes, limits))),
        Whole(LibvirtCpuModelReader.Format, "libvirt's domain, domain or host capabilities, <cpu>, or a file of its CPU map",
            source => LibvirtCpuModelReader.Recognizes(source.Head), (bytes, limits) => Of(LibvirtCpuModelReader.Read(bytes, limits))),
        Whole(QmpCpuReader.Format, "QEMU's replies to query-cpu-model-expansion and query-cpu-definitions",
            source => QmpCpuReader.Recognizes(source.Head), (bytes, limits) => Of(QmpCpuReader.Read(bytes.Span, limits))),
        Whole(FingerprintReader.Format, "Firecracker's fingerprint of a host", source => FingerprintReader.Recognizes(source.Head),
            (bytes, limits) => OfFingerprint(FingerprintReader.Read(bytes.Span, limits))),
        Whole(CpuTemplateReader.Format, "Firecracker's CPU template", source => CpuTemplateReader.Recognizes(source.Head),
            (bytes, limits) => Of(CpuTemplateReader.Read(bytes.Span, limits))),
        Whole(CpuidListReader.Format, "bare JSON list of CPUID answers", source => CpuidListReader.Recognizes(source.Head),
            (bytes, limits) => Of(CpuidListReader.Read(bytes.Span, limits))),
        Whole(NodeLabelsReader.Format, "labels of a Kubernetes node (KubeVirt, Node Feature Discovery)",
            source => NodeLabelsReader.Recognizes(source.Head), (bytes, limits) => Of(NodeLabelsReader.Read(bytes.Span, limits))),
        Whole(QemuCpuReader.Format, "-cpu option of a QEMU command line", source => QemuCpuReader.Recognizes(source.Head),
            (bytes, limits) => Of(QemuCpuReader.Read(bytes.Span, limits))),
        Whole(KvmCpuid2Reader.Format, "struct kvm_cpuid2", source => KvmCpuid2Reader.Recognizes(source.Head, source.Length),
            (bytes, limits) => Of(KvmCpuid2Reader.ReadDump(bytes.Span, limits))),
        Whole(KvmXcrsReader.Format, "struct kvm_xcrs", source => KvmXcrsReader.Recognizes(source.Length),
            (bytes, _) => Of(KvmXcrsReader.Read(bytes.Span))),
        Whole(KvmXsaveReader.Format, "struct kvm_xsave: 4096 bytes or KVM_CAP_XSAVE2's size",
            source => KvmXsaveReader.Recognizes(source.Head, source.Length),
            (bytes, limits) => Of(KvmXsaveReader.Read(bytes, limits), KvmXsaveReader.Format, new KvmXsaveEncoder(limits))),
        new(FirecrackerBitcodeReader.Format, "vmstate file of Firecracker 1.15 and later: recognised, not read",
            FirecrackerBitcodeReader.Recognizes, FirecrackerBitcodeReader.Read) { Vmm = Vmm.Firecracker },
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

    /// <summary>CPU models by the names of their features: components without a layout.</summary>
    public CpuModelList? Models { get; private init; }

    /// <summary>A CPU template: changes of a CPUID that is elsewhere.</summary>
    public CpuTemplate? Template { get; private init; }

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
        ArtifactFormat? given = options.Format is null ? null : Find(options.Format);
        Stream content = ArtifactContent.Open(stream, options);
        try
        {
            using ArtifactSource source = new(content, options);
            return (given ?? Recognize(source)).Read(source, options.Limits).WithVmm();
        }
        finally
        {
            if (!ReferenceEquals(content, stream))
            {
                content.Dispose();
            }
        }
    }

    /// <summary>The changes to the artifact's bytes that make it hold a changed capture, by offset; none for an unchanged one.</summary>
    /// <param name="changed">This artifact's capture with changed states: the same ones, in the same order.</param>
    /// <param name="content">The bytes that it was read from, uncompressed and seekable, as <see cref="ArtifactContent.Open"/> gives
    /// them.</param>
    /// <param name="options">What the artifact was opened with.</param>
    /// <exception cref="NotSupportedException">The format cannot be written, or has no place for the change.</exception>
    public ImmutableArray<ArtifactPatch> Encode(Capture changed, Stream content, ArtifactOptions? options = null)
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
        capture is not null && Formats.FirstOrDefault(format => format.Name == capture.Format)?.Vmm is { } vmm
        ? capture with { Vmm = vmm } : capture;

    private static ArtifactFormat Find(string name) =>
        Formats.FirstOrDefault(format => format.Name == name)
        ?? throw new ArgumentException($"there is no format {name}; there are {Names}", nameof(name));

    private static ArtifactFormat Recognize(ArtifactSource source)
    {
        ForeignFormats.Refuse(source);
        foreach (ArtifactFormat format in Formats)
        {
            if (format.Recognizes(source))
            {
                return format;
            }
        }

        // An image with a hostile header is still an image, and its length is all that a kernel asks for before it looks inside.
        if (KvmXsaveReader.RecognizesDamaged(source.Head, source.Length))
        {
            return Find(KvmXsaveReader.Format);
        }

        string hint = source.Length == KvmXsaveReader.MinLength
            ? $" ({KvmXsaveReader.Format} by its length, but no field of an XSAVE header is possible; --format reads it as one)" : "";
        throw new MalformedArtifactException("artifact", 0, $"{source.Length} bytes that begin {Quotation.Of(source.Head)}",
            $"one of {Names}{hint}");
    }

    // A format whose decoder wants all of the bytes at once: small by nature.
    private static ArtifactFormat Whole(string name, string description, ArtifactRecognizer recognizes,
        Func<ReadOnlyMemory<byte>, ArtifactLimits, Artifact> read) =>
        new(name, description, recognizes, (source, limits) => read(source.Whole(limits.MaxWholeFile), limits));

    private static string Names => string.Join(", ", Formats.Select(format => format.Name));
}
