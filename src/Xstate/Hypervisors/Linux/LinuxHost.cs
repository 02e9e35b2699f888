using System.Diagnostics.CodeAnalysis;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Processor;

namespace Xstate.Hypervisors.Linux;

/// <summary>
/// What a Linux kernel of given behaviour makes of a given processor: the components it enables, their layout, and what its KVM offers.
/// Computed once per host, from CPUID as the kernel reads it.
/// </summary>
/// <threadsafety>Any number of threads may share it.</threadsafety>
public sealed class LinuxHost
{
    private static readonly StateComponentSet Mpx = StateComponentSet.Of(StateComponent.BndRegs, StateComponent.BndCsr);
    private static readonly StateComponentSet Cet = StateComponentSet.Of(StateComponent.CetU, StateComponent.CetS);
    private static readonly StateComponentSet Tiles = StateComponentSet.Of(StateComponent.TileCfg, StateComponent.TileData);

    private readonly byte[] _initialLegacy = new byte[XsaveFormat.LegacyLength];

    // Worked out when they are first needed: what a difference of the kernel decides that is not known is asked for only by whoever needs
    // it.
    private Known<StateComponentSet>? _userFeatures;
    private Known<StateComponentSet>? _kvmXcr0;
    private Known<StateComponentSet>? _kvmXss;
    private Known<bool>? _usesCompactedBuffers;
    private Known<bool>? _hasXsaves;

    // Few ask for it, and it is the same whatever is decided of the kernel.
    private Lazy<ProcessorProfile> _processor;

    /// <summary>The host of a record under a kernel.</summary>
    /// <param name="record">The processor, and what was recorded of its KVM.</param>
    /// <param name="behavior">The kernel; it need not be the recorded one.</param>
    internal LinuxHost(HostRecord record, KernelBehavior behavior)
    {
        ArgumentNullException.ThrowIfNull(record);
        ArgumentNullException.ThrowIfNull(behavior);
        Record = record;
        Behavior = behavior;
        Layout = XsaveLayout.FromCpuid(record.Cpuid);
        HasFxsave = record.Cpuid.Has(CpuidFeatures.Fxsr);
        HasXsave = record.Cpuid.Has(CpuidFeatures.Xsave) && record.Cpuid.UserComponents.ContainsAll(StateComponentSet.Legacy);
        MxcsrMask = record.MxcsrMask ?? ProcessorIdentity.From(record.Cpuid).MxcsrMask;
        HasXsaveopt = HasXsave && record.Cpuid.Has(CpuidFeatures.Xsaveopt);
        LegacyRegion.WriteInitialControls(_initialLegacy, MxcsrMask);
        _processor = new Lazy<ProcessorProfile>(() => ProcessorProfile.FromCpuid(record.Cpuid));
    }

    /// <summary>The recorded processor.</summary>
    public HostRecord Record { get; }

    /// <summary>The kernel.</summary>
    public KernelBehavior Behavior { get; }

    /// <summary>The processor's layout: every buffer of the user ABI uses its standard offsets.</summary>
    public XsaveLayout Layout { get; }

    /// <summary>Whether the processor has FXSAVE, without which no 64-bit kernel runs there.</summary>
    public bool HasFxsave { get; }

    /// <summary>Whether the processor has XSAVE at all.</summary>
    public bool HasXsave { get; }

    /// <summary>
    /// User components that the kernel enables in XCR0 (<c>fpu_user_cfg.max_features</c>), also the mask in the software bytes.
    /// </summary>
    public StateComponentSet UserFeatures => (_userFeatures ??= new(HasXsave ? EnabledUserFeatures() : StateComponentSet.Legacy)).Value;

    /// <summary>Components that every task has without asking (<c>fpu_user_cfg.default_features</c>).</summary>
    public StateComponentSet DefaultUserFeatures => UserFeatures.Without(StateComponent.TileData);

    /// <summary>What KVM can give a guest in XCR0 (<c>kvm_caps.supported_xcr0</c>).</summary>
    public StateComponentSet KvmXcr0 => (_kvmXcr0 ??= new(HasXsave ? SupportedByKvm() : StateComponentSet.Empty)).Value;

    /// <summary>
    /// What KVM can give a guest in IA32_XSS (<c>kvm_caps.supported_xss</c>): the CET components from 6.18 on, and no more than KVM itself
    /// reported.
    /// </summary>
    public StateComponentSet KvmXss => (_kvmXss ??= new(HasXsave ? SupervisorSupportedByKvm() : StateComponentSet.Empty)).Value;

    /// <summary>Whether KVM offers shadow stacks to guests (<c>kvm_cpu_cap_has</c>): with both CET components or not at all.</summary>
    public bool KvmShadowStack => !KvmXss.IsEmpty && HasShadowStack(Record.SupportedCpuid ?? Record.Cpuid);

    /// <summary>Whether KVM offers indirect branch tracking to guests.</summary>
    public bool KvmBranchTracking => !KvmXss.IsEmpty && HasBranchTracking(Record.SupportedCpuid ?? Record.Cpuid);

    /// <summary>
    /// Components that come to count as in use by themselves although they are initial, which the manuals permit (SDM Vol. 1, 13.6): under
    /// some hypervisors each of their exits does that to SSE. None unless it was measured and is to be modelled.
    /// </summary>
    internal StateComponentSet DriftingInUse { get; private init; }

    /// <summary>Decides when they do so; null for always.</summary>
    internal ulong? DriftSeed { get; private init; }

    /// <summary>MXCSR bits that exist on the processor.</summary>
    public uint MxcsrMask { get; }

    /// <summary>Whether the processor has XSAVEOPT, which leaves initial components out of what it saves.</summary>
    public bool HasXsaveopt { get; }

    /// <summary>
    /// Whether the kernel keeps its own buffers compacted: with XSAVES, and from 5.19 on with XSAVEC. It decides what a load makes of MXCSR
    /// when bit 1 is clear, and what ptrace moves up to 5.13.
    /// </summary>
    public bool UsesCompactedBuffers => (_usesCompactedBuffers ??= new(HasXsave
        && (CompactsWithXsavec(Behavior.Knows(KernelDifference.X86FpuXsavec) == Knowledge.Present) || HasXsaves
            || CompactsWithXsavec(Record.Cpuid.Has(CpuidFeatures.Xsavec) && Behavior.Has(KernelDifference.X86FpuXsavec))))).Value;

    /// <summary>Whether the kernel has XSAVES: the processor does, and the kernel does not do without it because of erratum 1386.</summary>
    public bool HasXsaves => (_hasXsaves ??= new(Record.Cpuid.Has(CpuidFeatures.Xsaves) && !DoesWithoutXsaves())).Value;

    /// <summary>Bytes of the area in a signal's frame, for a thread that never asked for a dynamic component.</summary>
    public int SignalArea => HasXsave ? Layout.StandardLengthFor(DefaultUserFeatures) : XsaveFormat.LegacyLength;

    /// <summary>
    /// What the kernel tells new processes in AT_MINSIGSTKSZ (5.14): enough for a frame with all components, tile data included, whether or
    /// not the process may use it.
    /// </summary>
    public int MinSignalStack => SignalStack.Announced(HasXsave ? Layout.StandardLengthFor(UserFeatures) : XsaveFormat.LegacyLength);

    /// <summary>The 512 legacy bytes of the initial configuration, as this kernel writes them.</summary>
    internal ReadOnlySpan<byte> InitialLegacy => _initialLegacy;

    /// <summary>The processor, as its instructions see it.</summary>
    internal ProcessorProfile Processor => _processor.Value;

    /// <summary>Whether its KVM is kvm_amd.</summary>
    public bool UsesSvm => Record.Flavour == KvmFlavour.Amd || (Record.Flavour == KvmFlavour.Unknown && Record.Processor.IsAmdLike);

    /// <summary>The host of a record, if the record says enough for a rehearsal: a kernel, and where every component lies.</summary>
    /// <param name="record">The processor, and what was recorded of its KVM and kernel.</param>
    /// <param name="kernel">
    /// The kernel to take; null for the recorded one. A kernel that is named is that kernel: what the record's own was probed for does not
    /// count for it.
    /// </param>
    /// <param name="host">The host.</param>
    /// <param name="error">What is lacking, as the end of a sentence that begins with the host's name.</param>
    public static bool TryCreate(HostRecord record, KernelBehavior? kernel, [NotNullWhen(true)] out LinuxHost? host, out string error)
    {
        ArgumentNullException.ThrowIfNull(record);
        host = null;
        error = XsaveLeafCompletion.LackOf(record.Cpuid) ?? "";
        if (error.Length != 0)
        {
            return false;
        }

        if ((kernel ?? KernelBehavior.Of(record)) is not { } behavior)
        {
            error = record.KernelName is { } unread ? $"names {Quotation.Cut(unread)}, which is no kernel that can be read"
                : "names no kernel";
            return false;
        }

        host = new LinuxHost(kernel is null ? record : record with { Probes = [] }, behavior);
        return true;
    }

    /// <summary>CET_SS in a CPUID table.</summary>
    internal static bool HasShadowStack(CpuidTable cpuid) => cpuid.Has(CpuidFeatures.CetSs);

    /// <summary>CET_IBT in a CPUID table.</summary>
    internal static bool HasBranchTracking(CpuidTable cpuid) => cpuid.Has(CpuidFeatures.CetIbt);

    /// <summary>The same host on a processor that comes to count components as in use by itself.</summary>
    /// <param name="components">The components.</param>
    /// <param name="number">When it does so: 0 is at every move of a buffer, each other number is at other ones of them.</param>
    internal LinuxHost Drifting(StateComponentSet components, int number = 0) =>
        new(Record, Behavior) { DriftingInUse = components, DriftSeed = number == 0 ? null : (ulong)number };

    /// <summary>The same host with somebody who decides what is not known of its kernel.</summary>
    internal LinuxHost Asking(IUnknownDifferences decider) => new(Record, Behavior.Asking(decider))
    {
        DriftingInUse = DriftingInUse,
        DriftSeed = DriftSeed,
        _processor = _processor,
    };

    // kvm_setup_xss_caps (f8ade833b733, since the beginning of CET in 6.18 in another place): XSAVES, one of the two features, and both
    // components, or nothing.
    private StateComponentSet SupervisorSupportedByKvm()
    {
        CpuidTable offered = Record.SupportedCpuid ?? Record.Cpuid;
        bool isWhole = (Layout.SupervisorComponents & offered.SupervisorComponents).ContainsAll(Cet);
        return isWhole && (HasShadowStack(offered) || HasBranchTracking(offered)) && (Record.SupportedCpuid is { } reported
            ? reported.Has(CpuidFeatures.Xsaves) : HasXsaves) && !Behavior.Has(KernelDifference.KvmXssZero)
            && Record.Flavour != KvmFlavour.Pvm
            ? Cet
            : StateComponentSet.Empty;
    }

    private bool CompactsWithXsavec(bool kernelDoes) => kernelDoes && Record.Cpuid.Has(CpuidFeatures.Xsavec);

    private bool DoesWithoutXsaves()
    {
        ProcessorModel processor = Record.Processor;
        if (!Erratum1386.Concerns(processor) || !Behavior.Has(KernelDifference.X86Erratum1386))
        {
            return false;
        }

        // Only a processor for which there is a fix makes the kernel look at its microcode.
        bool mayTrust = Erratum1386.CanBeFixed(processor) && Behavior.Has(KernelDifference.X86Erratum1386Microcode);
        return !mayTrust || !(Record.Microcode is { } microcode ? Erratum1386.IsFixed(processor, microcode) : Behavior.IsMicrocodeFixed());
    }

    private StateComponentSet EnabledUserFeatures()
    {
        StateComponentSet known = KnownTo(Behavior, Layout.UserComponents);
        if (Record.Xcr0 is { } recorded)
        {
            // XCR0 bit 9 without OSPKE is what only "nopku" on a kernel before 6.6 leaves behind: a later kernel with that command line
            // clears the bit.
            bool keysOff = recorded.Contains(StateComponent.Pkru) && !Record.Cpuid.Has(CpuidFeatures.Ospke);
            return keysOff && !Behavior.Has(KernelDifference.X86FpuNoPku) ? (recorded & known)
                .Without(StateComponent.Pkru) : recorded & known;
        }

        StateComponentSet enabled = StateComponentSet.Legacy;
        foreach (StateComponent component in Layout.UserComponents & known)
        {
            // The kernel drops components whose CPUID feature is absent: EPYC Rome announces PKRU in leaf 0xD without PKU.
            StateComponentInfo info = StateComponents.Get(component);
            if (info.IsAnnouncedBy(Record.Cpuid))
            {
                enabled |= info.Bit;
            }
        }

        // Dynamic components need XFD (0xD.1 EAX[4]): without it the kernel cannot keep them off by default.
        return Record.Cpuid.Has(CpuidFeatures.Xfd) ? enabled : enabled.Without(StateComponent.TileData);
    }

    /// <summary>
    /// User components that a kernel enables where the processor has them; which of the newer ones is asked only of a processor that has
    /// them.
    /// </summary>
    internal static StateComponentSet KnownTo(KernelBehavior kernel, StateComponentSet announced)
    {
        StateComponentSet known = new StateComponentSet(0xFF).With(StateComponent.Pkru);
        known = announced.Overlaps(Tiles) && kernel.Has(KernelDifference.X86FpuTiles) ? known | Tiles : known;
        return announced.Contains(StateComponent.Apx) && kernel.Has(KernelDifference.X86FpuApx) ? known.With(StateComponent.Apx) : known;
    }

    private StateComponentSet SupportedByKvm()
    {
        // No kernel up to 6.18 offers APX to guests.
        StateComponentSet supported = UserFeatures.Without(StateComponent.Apx);
        if (!Behavior.Has(KernelDifference.KvmXsaveDynamic))
        {
            supported = supported.Except(Tiles);
        }

        // MPX needs VMX controls that SVM does not have; kvm_pvm has neither.
        if (UsesSvm || Record.Flavour == KvmFlavour.Pvm)
        {
            supported = supported.Except(Mpx);
        }

        // kvm_pvm has no tiles to give: KVM_SET_XSAVE refuses even bit 17 (measured on 6.18 with AMX).
        if (Record.Flavour == KvmFlavour.Pvm)
        {
            supported = supported.Except(Tiles);
        }

        // What KVM itself reported wins; it hides tiles until permission is given.
        return Record.SupportedCpuid is { } reported ? supported & (reported.UserComponents | Tiles) : supported;
    }

    // A value that was worked out. Threads that share a host see all of it or nothing: a reference is written at once.
    private sealed record Known<T>(T Value);
}
