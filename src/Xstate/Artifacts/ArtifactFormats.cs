using System.Collections.Immutable;
using Xstate.Artifacts.CaptureFile;
using Xstate.Artifacts.CloudHypervisor;
using Xstate.Artifacts.CpuidRaw;
using Xstate.Artifacts.Criu;
using Xstate.Artifacts.ElfCore;
using Xstate.Artifacts.FeatureLists;
using Xstate.Artifacts.Firecracker;
using Xstate.Artifacts.FirecrackerCpu;
using Xstate.Artifacts.Hexdumps;
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
using Xstate.Artifacts.XstateNote;
using Xstate.Captures;

namespace Xstate.Artifacts;

/// <summary>The registry: every format that can be read, one row each.</summary>
internal static class ArtifactFormats
{
    /// <summary>
    /// All formats, in the order in which their recognisers are asked: those with a magic or a keyword first, those that have only a length
    /// last.
    /// </summary>
    public static ImmutableArray<ArtifactFormat> All { get; } =
    [
        Whole(CaptureFileReader.Format, "Xstate's own capture, JSON", source => CaptureFileReader.Recognizes(source.Head),
            (bytes, limits) => Artifact.Of(CaptureFileReader.Read(bytes.Span, limits), CaptureFileReader.Format,
                new CaptureFileEncoder(limits))),
        Whole(HostFileReader.Format, "Xstate's own host record, JSON", source => HostFileReader.Recognizes(source.Head),
            (bytes, limits) => Artifact.Of(HostFileReader.Read(bytes.Span, limits))),
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
            (bytes, limits) => Artifact.Of(DecodedCpuidReader.Read(bytes.Span, limits))),
        Whole(CpuidRawReader.Format, "text of cpuid -r or cpuid -1 -r", source => CpuidRawReader.Recognizes(source.Head),
            (bytes, limits) => Artifact.Of(CpuidRawReader.Read(bytes.Span, limits))),
        Whole(InstLatx64Reader.Format, "CPUID text of AIDA64 and InstLatx64", source => InstLatx64Reader.Recognizes(source.Head),
            (bytes, limits) => Artifact.Of(InstLatx64Reader.Read(bytes.Span, limits))),
        Whole(KcpuidReader.Format, "text of kcpuid -r, Linux's own program", source => KcpuidReader.Recognizes(source.Head),
            (bytes, limits) => Artifact.Of(KcpuidReader.Read(bytes.Span, limits))),
        Whole(XenCpuidReader.Format, "policies of xen-cpuid -p", source => XenCpuidReader.Recognizes(source.Head),
            (bytes, limits) => Artifact.Of(XenCpuidReader.Read(bytes.Span, limits))),
        Whole(KernelLogReader.Format, "log of a Linux kernel with \"XSAVE consistency problem\"",
            source => KernelLogReader.Recognizes(source.Head), (bytes, limits) => Artifact.Of(KernelLogReader.Read(bytes.Span, limits))),
        Whole(VirtualBoxLogReader.Format, "VBox.log of VirtualBox", source => VirtualBoxLogReader.Recognizes(source.Head),
            (bytes, limits) => Artifact.Of(VirtualBoxLogReader.Read(bytes.Span, limits))),
        Whole(VmwareLogReader.Format, "vmware.log of VMware", source => VmwareLogReader.Recognizes(source.Head),
            (bytes, limits) => Artifact.Of(VmwareLogReader.Read(bytes.Span, limits))),
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
            (bytes, limits) => Artifact.Of(LibcpuidReader.Read(bytes.Span, limits))),
        Whole(ProcCpuinfoReader.Format, "Linux's /proc/cpuinfo", source => ProcCpuinfoReader.Recognizes(source.Head),
            (bytes, limits) => Artifact.Of(ProcCpuinfoReader.Read(bytes.Span, limits))),
        Whole(LscpuReader.Format, "text or JSON of lscpu", source => LscpuReader.Recognizes(source.Head),
            (bytes, limits) => Artifact.Of(LscpuReader.Read(bytes.Span, limits))),
        Whole(LibvirtCpudataReader.Format, "CPUID dump of libvirt's CPU tests, XML",
            source => LibvirtCpudataReader.Recognizes(source.Head),
            (bytes, limits) => Artifact.Of(LibvirtCpudataReader.Read(bytes, limits))),
        Whole(LibvirtCpuModelReader.Format, "libvirt's domain, domain or host capabilities, <cpu>, or a file of its CPU map",
            source => LibvirtCpuModelReader.Recognizes(source.Head),
            (bytes, limits) => Artifact.Of(LibvirtCpuModelReader.Read(bytes, limits))),
        Whole(QmpCpuReader.Format, "QEMU's replies to query-cpu-model-expansion and query-cpu-definitions",
            source => QmpCpuReader.Recognizes(source.Head), (bytes, limits) => Artifact.Of(QmpCpuReader.Read(bytes.Span, limits))),
        Whole(FingerprintReader.Format, "Firecracker's fingerprint of a host", source => FingerprintReader.Recognizes(source.Head),
            (bytes, limits) => Artifact.OfFingerprint(FingerprintReader.Read(bytes.Span, limits))),
        Whole(CpuTemplateReader.Format, "Firecracker's CPU template", source => CpuTemplateReader.Recognizes(source.Head),
            (bytes, limits) => Artifact.Of(CpuTemplateReader.Read(bytes.Span, limits))),
        Whole(CpuidListReader.Format, "bare JSON list of CPUID answers", source => CpuidListReader.Recognizes(source.Head),
            (bytes, limits) => Artifact.Of(CpuidListReader.Read(bytes.Span, limits))),
        Whole(NodeLabelsReader.Format, "labels of a Kubernetes node (KubeVirt, Node Feature Discovery)",
            source => NodeLabelsReader.Recognizes(source.Head), (bytes, limits) => Artifact.Of(NodeLabelsReader.Read(bytes.Span, limits))),
        Whole(QemuCpuReader.Format, "-cpu option of a QEMU command line", source => QemuCpuReader.Recognizes(source.Head),
            (bytes, limits) => Artifact.Of(QemuCpuReader.Read(bytes.Span, limits))),
        Whole(KvmCpuid2Reader.Format, "struct kvm_cpuid2", source => KvmCpuid2Reader.Recognizes(source.Head, source.Length),
            (bytes, limits) => Artifact.Of(KvmCpuid2Reader.ReadDump(bytes.Span, limits))),
        Whole(KvmXcrsReader.Format, "struct kvm_xcrs", source => KvmXcrsReader.Recognizes(source.Length),
            (bytes, _) => Artifact.Of(KvmXcrsReader.Read(bytes.Span))),
        Whole(KvmXsaveReader.Format, "struct kvm_xsave: 4096 bytes or KVM_CAP_XSAVE2's size",
            source => KvmXsaveReader.Recognizes(source.Head, source.Length),
            (bytes, limits) => Artifact.Of(KvmXsaveReader.Read(bytes, limits), KvmXsaveReader.Format, new KvmXsaveEncoder(limits))),
        Whole(XstateNoteReader.Format, "register set NT_X86_XSTATE of one thread, as PTRACE_GETREGSET gives it",
            source => XstateNoteReader.Recognizes(source.Head, source.Length), XstateNoteReader.Read),
        new(FirecrackerBitcodeReader.Format, "vmstate file of Firecracker 1.15 and later: recognised, not read",
            FirecrackerBitcodeReader.Recognizes, FirecrackerBitcodeReader.Read) { Vmm = Vmm.Firecracker },
    ];

    /// <summary>The format of a name.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static ArtifactFormat Find(string name) =>
        All.FirstOrDefault(format => format.Name == name)
        ?? throw new ArgumentException($"there is no format {name}; there are {Names}", nameof(name));

    /// <summary>The format that bytes are of.</summary>
    /// <exception cref="MalformedArtifactException">They are of none, or of one that is known and not read.</exception>
    public static ArtifactFormat Recognize(ArtifactSource source)
    {
        ForeignFormats.Refuse(source);
        foreach (ArtifactFormat format in All)
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
        string? known = KnownOtherwise(source);
        throw new MalformedArtifactException("artifact", 0, $"{source.Length} bytes that begin {Quotation.Of(source.Head)}",
            known ?? $"one of {Names}{hint}")
        { IsOtherText = known is null && IsProse(source.Head) };
    }

    // JSON and XML that no format fits may be an artifact that was changed; so may an empty file or bytes that are no text.
    private static bool IsProse(ReadOnlySpan<byte> head)
    {
        ReadOnlySpan<byte> text = head.TrimStart(" \t\r\n"u8);
        return !text.IsEmpty && text[0] is not ((byte)'{' or (byte)'[' or (byte)'<') && IsText(head);
    }

    private static bool IsText(ReadOnlySpan<byte> head) =>
        head.IndexOfAnyInRange((byte)0, (byte)8) < 0 && head.IndexOfAnyInRange((byte)14, (byte)31) < 0;

    // What the bytes nearly are, with what to do about it.
    private static string? KnownOtherwise(ArtifactSource source) =>
        IsText(source.Head) && HexdumpText.FindLine(source.Head) is { } line
        ? $"the lines of a hexdump, or one string of strace, and nothing else: it is in line {line}; leave the others off"
        : source.Length < KvmXsaveReader.MinLength && KvmXsaveReader.HasHeaderOfKernel(source.Head)
        ? $"{KvmXsaveReader.MinLength} bytes of {KvmXsaveReader.Format}, whose header this has: fill it up with truncate -s "
            + $"{KvmXsaveReader.MinLength} FILE, or give --format {XstateNoteReader.Format} for the registers of a process"
        : null;

    // A format whose decoder wants all of the bytes at once: small by nature.
    private static ArtifactFormat Whole(string name, string description, ArtifactRecognizer recognizes,
        Func<ReadOnlyMemory<byte>, ArtifactLimits, Artifact> read) =>
        new(name, description, recognizes, (source, limits) => read(source.Whole(limits.MaxWholeFile), limits));

    private static string Names => string.Join(", ", All.Select(format => format.Name));
}
