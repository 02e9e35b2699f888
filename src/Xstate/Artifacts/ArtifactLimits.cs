namespace Xstate.Artifacts;

/// <summary>Ceilings for untrusted input. Every loop and every allocation that a file controls names one of these.</summary>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed record ArtifactLimits
{
    /// <summary>The defaults, generous for every real artifact known.</summary>
    public static ArtifactLimits Default { get; } = new();

    /// <summary>Virtual CPUs or threads in one capture. KVM's own limit is 4,096.</summary>
    public int MaxStates { get; init; } = 65_536;

    /// <summary>
    /// CPUID entries of one logical processor. KVM refuses more than 256 (KVM_MAX_CPUID_ENTRIES); raw dumps of real processors have about
    /// 200.
    /// </summary>
    public int MaxCpuidEntries { get; init; } = 4_096;

    /// <summary>Logical processors in one CPUID dump.</summary>
    public int MaxProcessors { get; init; } = 8_192;

    /// <summary>Bytes of a whole artifact that has to be held in memory: dumps, captures, blobs.</summary>
    public int MaxWholeFile { get; init; } = 64 << 20;

    /// <summary>
    /// Bytes of a compressed file's content, or of a pipe; beyond <see cref="MaxWholeFile"/> they go to a temporary file.
    /// </summary>
    public long MaxSpooled { get; init; } = 16L << 30;

    /// <summary>Characters in one line of a text dump.</summary>
    public int MaxLine { get; init; } = 1 << 16;

    /// <summary>Model-specific registers of one state. KVM knows some hundreds.</summary>
    public int MaxMsrs { get; init; } = 4_096;

    /// <summary>Probed behaviours of one host.</summary>
    public int MaxProbes { get; init; } = 1_024;

    /// <summary>CPU models, feature definitions and files of one list of models. Libvirt's largest file defines 560 features.</summary>
    public int MaxModels { get; init; } = 8_192;

    /// <summary>Features of one CPU model. QEMU 10 answers about 500 properties.</summary>
    public int MaxFeatures { get; init; } = 8_192;

    /// <summary>Bytes of the description at the end of a QEMU stream: about 3 KB a device, 20 KB a virtual CPU.</summary>
    public int MaxVmDescription { get; init; } = 16 << 20;

    /// <summary>
    /// Devices, fields and subsections that a QEMU stream's description lists: about 70 for a virtual CPU, 300 for a chipset.
    /// </summary>
    public int MaxVmFields { get; init; } = 1 << 20;

    /// <summary>Bytes of one virtual CPU in a QEMU stream: 2 to 4 KB, 12 KB with AMX, 20 KB with a nested guest.</summary>
    public int MaxCpuSection { get; init; } = 1 << 20;

    /// <summary>Bytes before the description of a QEMU stream that are searched when its sizes do not lead to the virtual CPUs.</summary>
    public int MaxSectionSearch { get; init; } = 16 << 20;

    /// <summary>Bytes of the XML in a libvirt save; libvirt pads it to 64 KiB.</summary>
    public int MaxDomainXml { get; init; } = 4 << 20;

    /// <summary>Snapshots in a qcow2 image: QEMU's own limit.</summary>
    public int MaxSnapshots { get; init; } = 65_536;

    /// <summary>Bytes of one XSAVE area.</summary>
    public int MaxArea { get; init; } = Architecture.XsaveLayout.MaxAreaLength;

    /// <summary>Program headers of one core: a process has at most 65,530 mappings unless vm.max_map_count was raised.</summary>
    public int MaxSegments { get; init; } = 1 << 20;

    /// <summary>Notes in one segment of a core; four to six belong to each thread.</summary>
    public int MaxNotes { get; init; } = 1 << 20;

    /// <summary>Bytes in all note segments of a core: 20,000 threads with AMX tiles, 65,536 with AVX-512.</summary>
    public long MaxNoteBytes { get; init; } = 256L << 20;
}
