using System.Collections.Frozen;
using System.Collections.Immutable;
using Xstate.Architecture;

namespace Xstate.Processor;

/// <summary>
/// What one processor offers, as its CPUID enumerates it, and the quirks it has. Immutable; one profile serves any number of
/// <see cref="ProcessorState"/>s.
/// </summary>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed class ProcessorProfile
{
    private readonly FrozenSet<ProcessorQuirk> _quirks;

    private ProcessorProfile(string name, CpuidTable cpuid, ImmutableArray<ProcessorQuirk> quirks, uint mxcsrMask,
        MeasuredProcessor measured)
    {
        Name = name;
        Cpuid = cpuid;
        Quirks = quirks;
        _quirks = quirks.ToFrozenSet();
        Layout = XsaveLayout.FromCpuid(cpuid);
        MxcsrMask = mxcsrMask;
        Measured = measured;

        HasFxsave = cpuid.Has(CpuidFeatures.Fxsr);
        HasXsave = cpuid.Has(CpuidFeatures.Xsave);
        HasXsaveopt = measured.HasXsaveopt ?? HasExtension(CpuidFeatures.Xsaveopt);
        HasXsavec = measured.HasXsavec ?? HasExtension(CpuidFeatures.Xsavec);
        HasXgetbv1 = HasExtension(CpuidFeatures.Xgetbv1);
        HasXsaves = measured.HasXsaves ?? HasExtension(CpuidFeatures.Xsaves);
        HasXfd = HasExtension(CpuidFeatures.Xfd);
        HasProtectionKeys = cpuid.Has(CpuidFeatures.Pku);
        HasSupervisorKeys = cpuid.Has(CpuidFeatures.Pks);
        HasShadowStack = cpuid.Has(CpuidFeatures.CetSs);
        HasBranchTracking = cpuid.Has(CpuidFeatures.CetIbt);
        HasUserInterrupts = cpuid.Has(CpuidFeatures.Uintr);
        HasFastFxsave = cpuid.Has(CpuidFeatures.Ffxsr);
        DeprecatesSelectors = cpuid.Has(CpuidFeatures.ZeroFcsFds);
        UpdatesDataPointerOnErrorsOnly = cpuid.Has(CpuidFeatures.FdpExcptnOnly);

        UserComponents = HasXsave ? cpuid.UserComponents & Layout.UserComponents : StateComponentSet.Empty;
        SupervisorComponents = HasXsaves ? cpuid.SupervisorComponents & Layout.SupervisorComponents : StateComponentSet.Empty;
        foreach (XsaveSlot slot in Layout.Slots)
        {
            XfdComponents = HasXfd && slot.SupportsXfd ? XfdComponents.With(slot.Component) : XfdComponents;
        }

        int linear = cpuid.LinearAddressBits;
        LinearAddressBits = measured.LinearAddressBits ?? (linear is >= 32 and <= 64 ? linear : DefaultLinearAddressBits);

        XinuseByValue = Has(ProcessorQuirks.XinuseByValue) ? new StateComponentSet(ulong.MaxValue)
            : Has(ProcessorQuirks.PkruXinuseByValue) ? StateComponentSet.Of(StateComponent.Pkru)
            : StateComponentSet.Empty;
        XinuseAlwaysOne = !Has(ProcessorQuirks.XinuseAlwaysOne) ? StateComponentSet.Empty
            : Has(ProcessorQuirks.BndRegsXinuseSticky) ? new StateComponentSet(ulong.MaxValue).Without(StateComponent.BndRegs)
            : new StateComponentSet(ulong.MaxValue);

        X87XinuseIgnoresPointers = Has(ProcessorQuirks.X87XinuseIgnoresPointers);
        HiddenRegistersInUse = Has(ProcessorQuirks.HiddenRegistersInUse);
        HiddenHalvesInUse = Has(ProcessorQuirks.HiddenHalvesInUse);
        ModifiedOptimization = Has(ProcessorQuirks.ModifiedOptimization);
        X87PointersZeroWithoutError = Has(ProcessorQuirks.X87PointersZeroWithoutError);
        X87PointersSkippedWithoutError = Has(ProcessorQuirks.X87PointersSkippedWithoutError);
        X87InstructionPointerSignExtended = Has(ProcessorQuirks.X87InstructionPointerSignExtended);
        X87PointersSignExtended = Has(ProcessorQuirks.X87PointersSignExtended);
        X87PointersNotKept = Has(ProcessorQuirks.X87PointersNotKept);
        X87ControlLoadedRaw = Has(ProcessorQuirks.X87ControlLoadedRaw);
        X87PaddingLeft = Has(ProcessorQuirks.X87PaddingLeft);
        BndCsrPaddingLeft = Has(ProcessorQuirks.BndCsrPaddingLeft);
        PkruPaddingLeft = Has(ProcessorQuirks.PkruPaddingLeft);
        MxcsrCarriers = Has(ProcessorQuirks.MxcsrIgnoresAvx)
            ? StateComponentSet.Of(StateComponent.Sse)
            : StateComponentSet.Of(StateComponent.Sse, StateComponent.Avx);
        MxcsrUnchecked = Has(ProcessorQuirks.MxcsrUnchecked);
        AreaProbedAtItsEnd = Has(ProcessorQuirks.AreaProbedAtItsEnd);
        CompactedMxcsrCheckedLate = Has(ProcessorQuirks.CompactedMxcsrCheckedLate);
        AreaAccessedPiecewise = Has(ProcessorQuirks.AreaAccessedPiecewise);
        CompactedPlacesByRfbm = Has(ProcessorQuirks.CompactedPlacesByRfbm);
        MxcsrInUseAsSse = Has(ProcessorQuirks.MxcsrInUseAsSse);
        MxcsrCheckedAfterX87 = Has(ProcessorQuirks.MxcsrCheckedAfterX87);
        Hi16ZmmInUseOutside64BitMode = Has(ProcessorQuirks.Hi16ZmmInUseOutside64BitMode);
        CetXinuseMistaken = Has(ProcessorQuirks.CetXinuseMistaken);
        CetImageUnchecked = Has(ProcessorQuirks.CetImageUnchecked);
        PkruQuadwordStored = Has(ProcessorQuirks.PkruQuadwordStored);
        XstateBv63Ignored = Has(ProcessorQuirks.XstateBv63Ignored);
        AvxInitialClearsZmmHi256 = Has(ProcessorQuirks.AvxInitialClearsZmmHi256);
    }

    /// <summary>Linear addresses of processors that do not say: four-level paging.</summary>
    public const int DefaultLinearAddressBits = 48;

    /// <summary>A name for messages.</summary>
    public string Name { get; }

    /// <summary>
    /// The enumeration that the profile was made from; its dynamic bits are those of the dump (see <see cref="ProcessorState.Cpuid"/>).
    /// </summary>
    public CpuidTable Cpuid { get; }

    /// <summary>Where the components lie in an area.</summary>
    public XsaveLayout Layout { get; }

    /// <summary>What was measured and wins over the enumeration.</summary>
    internal MeasuredProcessor Measured { get; }

    /// <summary>The quirks in force.</summary>
    internal ImmutableArray<ProcessorQuirk> Quirks { get; }

    /// <summary>Bits of MXCSR that may be set; what saves store as MXCSR_MASK.</summary>
    public uint MxcsrMask { get; }

    /// <summary>
    /// Components that XCR0 may enable. Components announced by leaf 0xD.0 without a usable sub-leaf are not offered: nobody knows where
    /// they lie.
    /// </summary>
    public StateComponentSet UserComponents { get; }

    /// <summary>Components that IA32_XSS may enable.</summary>
    public StateComponentSet SupervisorComponents { get; }

    /// <summary>Components that IA32_XFD may disable.</summary>
    public StateComponentSet XfdComponents { get; }

    /// <summary>All components that can be saved.</summary>
    public StateComponentSet Components => UserComponents | SupervisorComponents;

    /// <summary>FXSAVE and FXRSTOR.</summary>
    public bool HasFxsave { get; }

    /// <summary>XSAVE, XRSTOR, XGETBV and XSETBV.</summary>
    public bool HasXsave { get; }

    /// <summary>XSAVEOPT.</summary>
    public bool HasXsaveopt { get; }

    /// <summary>XSAVEC and the compacted form of XRSTOR.</summary>
    public bool HasXsavec { get; }

    /// <summary>XGETBV with ECX=1.</summary>
    public bool HasXgetbv1 { get; }

    /// <summary>XSAVES, XRSTORS and IA32_XSS.</summary>
    public bool HasXsaves { get; }

    /// <summary>IA32_XFD and IA32_XFD_ERR.</summary>
    public bool HasXfd { get; }

    /// <summary>PKU: PKRU and its instructions.</summary>
    public bool HasProtectionKeys { get; }

    /// <summary>PKS: IA32_PKRS.</summary>
    public bool HasSupervisorKeys { get; }

    /// <summary>CET shadow stacks.</summary>
    public bool HasShadowStack { get; }

    /// <summary>CET indirect branch tracking.</summary>
    public bool HasBranchTracking { get; }

    /// <summary>UINTR.</summary>
    public bool HasUserInterrupts { get; }

    /// <summary>AMD's EFER.FFXSR.</summary>
    public bool HasFastFxsave { get; }

    /// <summary>7.0.EBX[13]: FCS and FDS are saved as 0 and not loaded.</summary>
    public bool DeprecatesSelectors { get; }

    /// <summary>Width of a linear address: 48, or 57 with five-level paging. Measured, or 8000_0008.EAX[15:8].</summary>
    public int LinearAddressBits { get; }

    internal StateComponentSet XinuseByValue { get; }

    internal StateComponentSet XinuseAlwaysOne { get; }

    internal bool X87XinuseIgnoresPointers { get; }

    internal bool HiddenRegistersInUse { get; }

    internal bool HiddenHalvesInUse { get; }

    internal bool ModifiedOptimization { get; }

    internal bool X87PointersZeroWithoutError { get; }

    internal bool X87PointersSkippedWithoutError { get; }

    internal bool X87PointersSignExtended { get; }

    internal bool X87InstructionPointerSignExtended { get; }

    internal bool X87PointersNotKept { get; }

    /// <summary>FDP_EXCPTN_ONLY (7.0:EBX[6]): FDP changes only with an x87 exception that is not masked.</summary>
    internal bool UpdatesDataPointerOnErrorsOnly { get; }

    internal bool X87ControlLoadedRaw { get; }

    internal bool X87PaddingLeft { get; }

    internal bool BndCsrPaddingLeft { get; }

    internal bool PkruPaddingLeft { get; }

    internal StateComponentSet MxcsrCarriers { get; }

    internal bool MxcsrUnchecked { get; }

    internal bool AreaProbedAtItsEnd { get; }

    internal bool CompactedMxcsrCheckedLate { get; }

    internal bool AreaAccessedPiecewise { get; }

    internal bool CompactedPlacesByRfbm { get; }

    internal bool MxcsrInUseAsSse { get; }

    internal bool MxcsrCheckedAfterX87 { get; }

    internal bool Hi16ZmmInUseOutside64BitMode { get; }

    internal bool CetXinuseMistaken { get; }

    internal bool CetImageUnchecked { get; }

    internal bool PkruQuadwordStored { get; }

    internal bool XstateBv63Ignored { get; }

    internal bool AvxInitialClearsZmmHi256 { get; }

    /// <summary>The profile of a processor from its CPUID, with the quirks that CPUID gives away.</summary>
    public static ProcessorProfile FromCpuid(CpuidTable cpuid, string name = "cpuid")
    {
        ArgumentNullException.ThrowIfNull(cpuid);
        ArgumentNullException.ThrowIfNull(name);
        return new ProcessorProfile(name, cpuid, ProcessorQuirks.From(cpuid), ProcessorIdentity.From(cpuid).MxcsrMask,
            MeasuredProcessor.None);
    }

    /// <summary>Whether the profile has a quirk.</summary>
    internal bool Has(ProcessorQuirk quirk) => _quirks.Contains(quirk);

    /// <summary>The same processor with a quirk added.</summary>
    internal ProcessorProfile With(ProcessorQuirk quirk) =>
        Has(quirk) ? this : new ProcessorProfile(Name, Cpuid, Quirks.Add(quirk), MxcsrMask, Measured);

    /// <summary>The same processor with a quirk taken away.</summary>
    internal ProcessorProfile Without(ProcessorQuirk quirk) => new(Name, Cpuid, Quirks.Remove(quirk), MxcsrMask, Measured);

    /// <summary>The same processor with another MXCSR_MASK, such as one found in an image that it wrote.</summary>
    public ProcessorProfile WithMxcsrMask(uint mask) => new(Name, Cpuid, Quirks, Mxcsr.MaskFromImage(mask), Measured);

    /// <summary>The same processor with what it was seen to do, which wins over what CPUID says.</summary>
    internal ProcessorProfile With(MeasuredProcessor measured)
    {
        ArgumentNullException.ThrowIfNull(measured);
        return new ProcessorProfile(Name, Cpuid, Quirks, MxcsrMask, measured);
    }

    /// <summary>How the profile decides XINUSE of a component.</summary>
    internal XinusePolicy XinuseOf(StateComponent component) =>
        XinuseByValue.Contains(component) ? XinusePolicy.ByValue
        : XinuseAlwaysOne.Contains(component) ? XinusePolicy.AlwaysOne
        : XinusePolicy.Sticky;

    /// <summary>Whether an address is canonical: the bits above the linear address copy its highest bit.</summary>
    public bool IsCanonical(ulong address) => SignExtend(address) == address;

    /// <summary>The address with the bits above the linear address made copies of its highest bit.</summary>
    public ulong SignExtend(ulong address)
    {
        int unused = 64 - LinearAddressBits;
        return (ulong)((long)(address << unused) >> unused);
    }

    private bool HasExtension(CpuidFeature feature) => HasXsave && Cpuid.Has(feature);
}
