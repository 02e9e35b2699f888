using System.Collections.Immutable;
using Xstate.Architecture;

namespace Xstate.Captures;

/// <summary>Which KVM module serves /dev/kvm.</summary>
internal enum KvmFlavour
{
    /// <summary>Not known.</summary>
    Unknown,

    /// <summary>kvm_intel: VMX.</summary>
    Intel,

    /// <summary>kvm_amd: SVM.</summary>
    Amd,

    /// <summary>kvm_pvm: guests without hardware virtualization; the guest keeps the host's CPUID.</summary>
    Pvm,
}

/// <summary>One behaviour that was probed on a live kernel.</summary>
/// <param name="Id">Behaviour id, such as <c>KVM-SET-STRICT-CPUID</c>.</param>
/// <param name="Present">Whether the kernel has it.</param>
/// <param name="Evidence">What was done and what came back.</param>
internal sealed record ProbedBehavior(string Id, bool Present, string Evidence);

/// <summary>One behaviour that could not be probed.</summary>
/// <param name="Id">Behaviour id.</param>
/// <param name="Why">What was missing.</param>
internal sealed record NotProbedBehavior(string Id, string Why);

/// <summary>A host as a target or source of state: its processor and what is known of its kernel.</summary>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed record HostRecord
{
    /// <summary>A short name for output.</summary>
    public required string Name { get; init; }

    /// <summary>CPUID of one of its processors, as the hardware answers it to the kernel.</summary>
    public required CpuidTable Cpuid { get; init; }

    /// <summary>Linux release, if recorded.</summary>
    public KernelRelease? Kernel { get; init; }

    /// <summary>
    /// What <c>uname -r</c> prints there, if recorded; how it is read is the kernel's matter. Wins over <see cref="Kernel"/>.
    /// </summary>
    public string? KernelName { get; init; }

    /// <summary>The text of /proc/version, if recorded.</summary>
    public string? KernelVersion { get; init; }

    /// <summary>The text of /proc/version_signature, which Ubuntu has, if recorded.</summary>
    public string? KernelSignature { get; init; }

    /// <summary>ID of os-release, such as <c>debian</c>, if recorded.</summary>
    public string? OsId { get; init; }

    /// <summary>PRETTY_NAME of os-release, if recorded.</summary>
    public string? OsName { get; init; }

    /// <summary>Revision of the microcode, if recorded.</summary>
    public uint? Microcode { get; init; }

    /// <summary>Words of the boot command line that concern extended state: <c>noxsave</c>, <c>nopku</c>, <c>clearcpuid=…</c>.</summary>
    public ImmutableArray<string> BootWords { get; init; } = [];

    /// <summary>Parameters of KVM's modules, as <c>kvm_intel.ept=Y</c>.</summary>
    public ImmutableArray<string> KvmParameters { get; init; } = [];

    /// <summary>What a probe left open, and why.</summary>
    internal ImmutableArray<NotProbedBehavior> NotProbed { get; init; } = [];

    /// <summary>KVM module, if recorded.</summary>
    internal KvmFlavour Flavour { get; init; }

    /// <summary>Answer of KVM_GET_SUPPORTED_CPUID, if recorded.</summary>
    public CpuidTable? SupportedCpuid { get; init; }

    /// <summary>XCR0 as the host kernel set it, if recorded; otherwise assumed to be all of leaf 0xD.0 that Linux knows.</summary>
    public StateComponentSet? Xcr0 { get; init; }

    /// <summary>MXCSR_MASK of the processor, if recorded.</summary>
    public uint? MxcsrMask { get; init; }

    /// <summary>KVM_CAP_XSAVE2 of a fresh VM, if recorded.</summary>
    public int? Xsave2Size { get; init; }

    /// <summary>Behaviours probed there; they win over what the release number says.</summary>
    internal ImmutableArray<ProbedBehavior> Probes { get; init; } = [];

    /// <summary>Where the record came from.</summary>
    public required Provenance Provenance { get; init; }

    /// <summary>The processor's identity.</summary>
    internal ProcessorModel Processor => ProcessorModel.From(Cpuid);
}
