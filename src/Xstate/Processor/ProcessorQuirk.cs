using System.Collections.Immutable;
using Xstate.Architecture;

namespace Xstate.Processor;

/// <summary>
/// One way in which a processor differs from the SDM's default reading, or uses a freedom that the manuals leave. The model's behaviour
/// without any quirk is the SDM's.
/// </summary>
/// <param name="Name">The name by which it is asked for and printed.</param>
/// <param name="Summary">What happens, in one sentence.</param>
/// <param name="Source">Where that is known from.</param>
/// <param name="Applies">Whether CPUID says that a processor has it; never true for quirks that are chosen by name only.</param>
internal sealed record ProcessorQuirk(string Name, string Summary, string Source, Predicate<ProcessorIdentity> Applies)
{
    /// <inheritdoc/>
    public override string ToString() => Name;
}

/// <summary>The catalogue of quirks. Each has one place in the model that asks for it, and a test that fails when it is removed.</summary>
internal static class ProcessorQuirks
{
    // CPUID there is that of the processor that it plays.
    private const string OfBochs = "measured on Bochs 2.7 (tigerlake); an error there, chosen by name only";

    /// <summary>XINUSE is recomputed from the registers.</summary>
    public static ProcessorQuirk XinuseByValue { get; } = new(
        "xinuse-by-value",
        "XINUSE[i] is 0 exactly while component i holds its initial configuration, whatever instruction put it there.",
        "measured on AMD family 25 (VPXOR, KXOR and restores of initial payloads clear the bit)",
        identity => identity.IsAmdSilicon);

    /// <summary>XINUSE[9] returns to 0 with WRPKRU(0).</summary>
    public static ProcessorQuirk PkruXinuseByValue { get; } = new(
        "pkru-xinuse-by-value",
        "WRPKRU of 0 clears XINUSE[9], so that XSAVE writes XSTATE_BV[9]=0; elsewhere the bit stays set until a restore initializes PKRU.",
        "Linux commit logs of the PKRU ptrace and signal-frame fixes of 2022 and 2024",
        identity => identity.IsAmdSilicon);

    /// <summary>XINUSE is always 1.</summary>
    public static ProcessorQuirk XinuseAlwaysOne { get; } = new(
        "xinuse-always-one",
        "XINUSE is not tracked: every component counts as in use, so saves store everything and set every requested bit.",
        "QEMU target/i386/tcg/fpu_helper.c, get_xinuse; permitted by SDM Vol. 1, 13.6",
        identity => identity.IsTcg);

    /// <summary>The exception to <see cref="XinuseAlwaysOne"/>: bound registers have a history.</summary>
    public static ProcessorQuirk BndRegsXinuseSticky { get; } = new(
        "bndregs-xinuse-sticky",
        "XINUSE[3] follows the history of BND0-BND3 even where every other component always counts as in use.",
        "QEMU target/i386/tcg, HF_MPX_IU_MASK",
        identity => identity.IsTcg);

    /// <summary>The x87 pointers do not count for XINUSE[0].</summary>
    public static ProcessorQuirk X87XinuseIgnoresPointers { get; } = new(
        "x87-xinuse-ignores-pointers",
        "FIP and FDP may be anything while XINUSE[0] is 0; the SDM lists them among what must be zero.",
        "measured on AMD family 25",
        identity => identity.IsAmdSilicon);

    /// <summary>Registers that a mode cannot reach still count for XINUSE.</summary>
    public static ProcessorQuirk HiddenRegistersInUse { get; } = new(
        "hidden-registers-in-use",
        "Outside 64-bit mode XINUSE still looks at XMM8-15, their upper parts and ZMM16-31, so XSTATE_BV bits are set for bytes that are "
        + "not stored.",
        "measured on AMD family 25 in compatibility mode; the SDM counts those registers as initial there",
        identity => identity.IsAmdSilicon);

    /// <summary>Halves of components that a mode cannot reach keep the component in use.</summary>
    public static ProcessorQuirk HiddenHalvesInUse { get; } = new(
        "hidden-halves-in-use",
        "Outside 64-bit mode XINUSE of SSE, AVX and ZMM_Hi256 is that of all sixteen registers, and an initialization clears it only "
        + "while ZMM8-15 are zero in all their bits; Hi16_ZMM alone counts as initial.",
        "measured on an Intel Xeon with AMX in compatibility mode; the SDM lets XINUSE look at registers 0 to 7 there",
        identity => identity.IsIntelSilicon);

    /// <summary>XSAVEOPT and XSAVES skip what has not changed since the last restore from the same address.</summary>
    public static ProcessorQuirk ModifiedOptimization { get; } = new(
        "modified-optimization",
        "XSAVEOPT and XSAVES do not store components unmodified since the last XRSTOR or XRSTORS from the same address (SDM Vol. 1, "
        + "13.5.4, XRSTOR_INFO).",
        "measured on AMD family 25; optional everywhere and lost with every interrupt's own restore, so it is chosen by name only",
        _ => false);

    /// <summary>AMD since Zen: pointers of exceptions that are not pending read as zero.</summary>
    public static ProcessorQuirk X87PointersZeroWithoutError { get; } = new(
        "x87-pointers-zero-without-error",
        "While FSW.ES is 0, saves store 0 for FOP, FIP and FDP although the registers hold values.",
        "measured on AMD family 25; enumerated by 8000_0008.EBX[2] (XSAVEERPTR)",
        identity => identity.IsAmdSilicon && identity.Cpuid.Has(CpuidFeatures.Xsaveerptr));

    /// <summary>AMD before Zen: pointers of exceptions that are not pending are neither saved nor loaded.</summary>
    public static ProcessorQuirk X87PointersSkippedWithoutError { get; } = new(
        "x87-pointers-skipped-without-error",
        "Saves and restores touch FOP, FIP and FDP only while FSW.ES is 1 (of the image, for restores): a restore leaks the previous "
        + "task's pointers.",
        "Linux X86_BUG_FXSAVE_LEAK; AMD K7 to family 16h, absence of 8000_0008.EBX[2]",
        identity => identity.IsAmdSilicon && !identity.Cpuid.Has(CpuidFeatures.Xsaveerptr));

    /// <summary>Pointers are linear addresses, not 64 free bits.</summary>
    public static ProcessorQuirk X87PointersSignExtended { get; } = new(
        "x87-pointers-sign-extended",
        "Loads with REX.W keep FIP and FDP as canonical addresses: the bits above the linear address are copies of its highest bit.",
        "measured on AMD family 25: from bit 56 on model 17",
        identity => identity.IsAmdSilicon);

    /// <summary>The instruction pointer alone is a linear address.</summary>
    public static ProcessorQuirk X87InstructionPointerSignExtended { get; } = new(
        "x87-instruction-pointer-sign-extended",
        "Loads with REX.W keep FIP as a canonical address, as AMD does, but FDP as all of its 64 bits.",
        "measured on an Intel Xeon with AMX, from bit 56",
        identity => identity.IsIntelSilicon);

    /// <summary>Saves store zero pointers always.</summary>
    public static ProcessorQuirk X87PointersNotKept { get; } = new(
        "x87-pointers-not-kept",
        "Saves store 0 for FIP and FDP and leave the bytes of FOP alone; loads ignore the three.",
        "QEMU target/i386/tcg/fpu_helper.c, do_xsave_fpu and do_xrstor_fpu",
        identity => identity.IsTcg);

    /// <summary>Control word and error summary come from the image unchanged.</summary>
    public static ProcessorQuirk X87ControlLoadedRaw { get; } = new(
        "x87-control-loaded-raw",
        "Loads take every bit of FCW and FSW.ES from the image, and FSW.B as a copy of ES, where silicon masks FCW and recomputes ES.",
        "QEMU target/i386/tcg/fpu_helper.c, cpu_set_fpuc and cpu_set_fpus",
        identity => identity.IsTcg);

    /// <summary>The six bytes behind each ST register are not written.</summary>
    public static ProcessorQuirk X87PaddingLeft { get; } = new(
        "x87-padding-left",
        "Saves write 10 bytes of each 16-byte ST slot and leave the other six; silicon stores zeros there.",
        "QEMU target/i386/tcg/fpu_helper.c, do_fstt; zeros measured on AMD family 25",
        identity => identity.IsTcg);

    /// <summary>Unused bytes of BNDCSR are not written.</summary>
    public static ProcessorQuirk BndCsrPaddingLeft { get; } = new(
        "bndcsr-padding-left",
        "Saves write the 16 used bytes of BNDCSR and leave the 48 reserved ones.",
        "QEMU target/i386/tcg/fpu_helper.c, do_xsave_bndcsr",
        identity => identity.IsTcg);

    /// <summary>The upper half of PKRU's slot is not written.</summary>
    public static ProcessorQuirk PkruPaddingLeft { get; } = new(
        "pkru-padding-left",
        "Saves write the four bytes of PKRU and leave the rest of its slot; the default stores zeros.",
        "measured on an Intel Xeon with AMX; Bochs cpu/xsave.cc does the same, QEMU stores zeros",
        identity => identity.IsIntelSilicon);

    /// <summary>AVX does not carry MXCSR.</summary>
    public static ProcessorQuirk MxcsrIgnoresAvx { get; } = new(
        "mxcsr-ignores-avx",
        "Standard-form saves and restores touch MXCSR only with RFBM[1]; silicon does so with RFBM[1] or RFBM[2].",
        "QEMU target/i386/tcg/fpu_helper.c, do_xsave and do_xrstor",
        identity => identity.IsTcg);

    /// <summary>Any MXCSR may be loaded.</summary>
    public static ProcessorQuirk MxcsrUnchecked { get; } = new(
        "mxcsr-unchecked",
        "XRSTOR and FXRSTOR load an MXCSR with reserved bits instead of raising #GP.",
        "QEMU target/i386/tcg/fpu_helper.c, do_xrstor_mxcsr",
        identity => identity.IsTcg);

    /// <summary>A compacted restore notices a bad MXCSR when it is half done.</summary>
    public static ProcessorQuirk CompactedMxcsrCheckedLate { get; } = new(
        "compacted-mxcsr-checked-late",
        "A compacted XRSTOR raises #GP for MXCSR after it has loaded or initialized x87 and XMM and initialized what else the image "
        + "lacks, but for PKRU.",
        "measured on an Intel Xeon with AMX; the standard form changes nothing there, nor does either form on AMD family 25",
        identity => identity.IsIntelSilicon);

    /// <summary>XGETBV(1) does not look at MXCSR.</summary>
    public static ProcessorQuirk XgetbvIgnoresMxcsr { get; } = new(
        "xgetbv-ignores-mxcsr",
        "XGETBV with ECX=1 answers XCR0 & XINUSE without forcing bit 1 for an MXCSR other than 1F80h.",
        "QEMU target/i386/tcg/fpu_helper.c, helper_xgetbv",
        identity => identity.IsTcg);

    /// <summary>Page faults find an instruction half done.</summary>
    public static ProcessorQuirk AreaAccessedPiecewise { get; } = new(
        "area-accessed-piecewise",
        "XRSTOR touches only what it loads, and a page fault leaves what was stored or loaded before it; the model decides the former "
        + "and keeps everything unchanged for the latter.",
        "measured on QEMU 7.2 TCG; its target/i386/tcg/fpu_helper.c accesses the area word by word without probing it first",
        identity => identity.IsTcg);

    /// <summary>The end of an area is tried before anything else.</summary>
    public static ProcessorQuirk AreaProbedAtItsEnd { get; } = new(
        "area-probed-at-its-end",
        "The last byte of all that RFBM (and XCOMP_BV) ask for is accessed first, even if it is not loaded and before the header is "
        + "judged, and names the page fault's address.",
        "measured on an Intel Xeon with AMX",
        identity => identity.IsIntelSilicon);

    /// <summary>Misaligned FXSAVE with alignment checking.</summary>
    public static ProcessorQuirk FxsaveAlignmentCheck { get; } = new(
        "fxsave-alignment-check",
        "With alignment checking on, FXSAVE and FXRSTOR at an address that is not a multiple of 4 raise #AC instead of #GP.",
        "measured on AMD family 25 and an Intel Xeon with AMX (+1 and +2: #AC, +4 and +8: #GP)",
        identity => identity.IsAmdSilicon || identity.IsIntelSilicon);

    /// <summary>Misaligned XSAVE with alignment checking.</summary>
    public static ProcessorQuirk XsaveAlignmentCheck { get; } = new(
        "xsave-alignment-check",
        "With alignment checking on, the XSAVE family does so too.",
        "measured on an Intel Xeon with AMX; AMD family 25 raises #GP",
        identity => identity.IsIntelSilicon);

    /// <summary>Hypervisors that start a virtual CPU with an empty image.</summary>
    public static ProcessorQuirk ResetX87AsInitial { get; } = new(
        "reset-x87-as-initial",
        "RESET gives the x87 registers their XSAVE initial configuration (FCW 037Fh, all empty) instead of 0040h and eight zeros.",
        "KVM, OpenVMM and VirtualBox reset images with XSTATE_BV=0; chosen by name only",
        _ => false);

    /// <summary>INIT clears IA32_XSS.</summary>
    public static ProcessorQuirk InitClearsXss { get; } = new(
        "init-clears-xss",
        "INIT sets IA32_XSS to 0; since revision 075 the SDM says that it is unchanged.",
        "SDM before revision 075; KVM before 5.17 (be4f3b3f8227 corrected it); Bochs; chosen by name only",
        _ => false);

    /// <summary>SVM without the intercept of XSETBV.</summary>
    public static ProcessorQuirk XsetbvNotIntercepted { get; } = new(
        "xsetbv-not-intercepted",
        "A guest's XSETBV changes XCR0 in the processor and its hypervisor never learns of it: the value lasts until the next exit, and "
        + "only the processor checks it.",
        "measured on QEMU 7.2 TCG, whose SVM has no XSETBV intercept",
        identity => identity.IsTcg);

    /// <summary>XSETBV asks for privilege first.</summary>
    public static ProcessorQuirk XsetbvPrivilegeFirst { get; } = new(
        "xsetbv-privilege-first",
        "XSETBV above CPL 0 raises #GP even while CR4.OSXSAVE is 0, where silicon raises #UD.",
        "measured on guests of QEMU TCG (kernels 5.4 to 7.3)",
        identity => identity.IsTcg);

    /// <summary>Restores do not look at CR0.TS.</summary>
    public static ProcessorQuirk XrstorIgnoresTaskSwitched { get; } = new(
        "xrstor-ignores-task-switched",
        "XRSTOR executes while CR0.TS is 1, where silicon raises #NM.",
        "measured on guests of QEMU TCG (kernels 5.4 to 7.3)",
        identity => identity.IsTcg);

    /// <summary>Bochs: places of the compacted form.</summary>
    public static ProcessorQuirk CompactedPlacesByRfbm { get; } = new(
        "compacted-places-by-rfbm",
        "Compacted restores find components where RFBM alone would put them, whatever XCOMP_BV says; compacted saves do so too, but from "
            + "byte 160 on (from 416 with RFBM[1]) instead of 576.",
        OfBochs,
        _ => false);

    /// <summary>Bochs: MXCSR goes with SSE.</summary>
    public static ProcessorQuirk MxcsrInUseAsSse { get; } = new(
        "mxcsr-in-use-as-sse",
        "XSAVE and XSAVEOPT count an MXCSR other than 1F80h for XINUSE[1] as the compacted saves do, and the compacted forms store and "
        + "load "
            + "MXCSR with RFBM[1], whatever XSTATE_BV says.",
        OfBochs,
        _ => false);

    /// <summary>Bochs: the check of MXCSR comes late.</summary>
    public static ProcessorQuirk MxcsrCheckedAfterX87 { get; } = new(
        "mxcsr-checked-after-x87",
        "XRSTOR and XRSTORS raise #GP for MXCSR after they have loaded or initialized x87.",
        OfBochs,
        _ => false);

    /// <summary>Bochs: XINUSE[7] outside 64-bit mode.</summary>
    public static ProcessorQuirk Hi16ZmmInUseOutside64BitMode { get; } = new(
        "hi16-zmm-in-use-outside-64-bit-mode",
        "XINUSE[7] is 1 outside 64-bit mode, where the SDM says that it is 0.",
        OfBochs,
        _ => false);

    /// <summary>Bochs: XINUSE[11] and XINUSE[12].</summary>
    public static ProcessorQuirk CetXinuseMistaken { get; } = new(
        "cet-xinuse-mistaken",
        "XINUSE[11] is 1 exactly while both MSRs of CET_U are 0, and XINUSE[12] looks at IA32_PL0_SSP alone.",
        OfBochs,
        _ => false);

    /// <summary>Bochs: values of CET that WRMSR refuses.</summary>
    public static ProcessorQuirk CetImageUnchecked { get; } = new(
        "cet-image-unchecked",
        "XRSTORS leaves an MSR of CET as it is where the image has a value that WRMSR would refuse, instead of raising #GP.",
        OfBochs,
        _ => false);

    /// <summary>Bochs: what is stored of PKRU.</summary>
    public static ProcessorQuirk PkruQuadwordStored { get; } = new(
        "pkru-quadword-stored",
        "Saves write eight bytes of PKRU's slot, the register and zeros, and leave the rest of it.",
        "measured on Bochs 2.7 (tigerlake), where the slot has 64 bytes; chosen by name only",
        _ => false);

    /// <summary>Bochs: XSTATE_BV[63].</summary>
    public static ProcessorQuirk XstateBv63Ignored { get; } = new(
        "xstate-bv-63-ignored",
        "A compacted restore takes an XSTATE_BV with bit 63 set.",
        OfBochs,
        _ => false);

    /// <summary>Bochs: initializing AVX.</summary>
    public static ProcessorQuirk AvxInitialClearsZmmHi256 { get; } = new(
        "avx-initial-clears-zmm-hi256",
        "A restore that initializes AVX zeros the upper halves of the same ZMM registers too, whether or not RFBM asks for ZMM_Hi256.",
        OfBochs,
        _ => false);

    /// <summary>INIT and CR0.</summary>
    public static ProcessorQuirk InitResetsCr0 { get; } = new(
        "init-resets-cr0",
        "INIT sets CR0.CD and CR0.NW as RESET does; by the note under the SDM's table it leaves them.",
        "measured on QEMU 7.2 TCG and Bochs 2.7; KVM leaves them since 5.15; chosen by name only",
        _ => false);

    /// <summary>Every quirk, in the order of the documentation.</summary>
    public static ImmutableArray<ProcessorQuirk> All { get; } =
    [
        XinuseByValue,
        PkruXinuseByValue,
        XinuseAlwaysOne,
        BndRegsXinuseSticky,
        X87XinuseIgnoresPointers,
        HiddenRegistersInUse,
        HiddenHalvesInUse,
        ModifiedOptimization,
        X87PointersZeroWithoutError,
        X87PointersSkippedWithoutError,
        X87PointersSignExtended,
        X87InstructionPointerSignExtended,
        X87PointersNotKept,
        X87ControlLoadedRaw,
        X87PaddingLeft,
        BndCsrPaddingLeft,
        PkruPaddingLeft,
        MxcsrIgnoresAvx,
        MxcsrUnchecked,
        CompactedMxcsrCheckedLate,
        XgetbvIgnoresMxcsr,
        AreaAccessedPiecewise,
        AreaProbedAtItsEnd,
        FxsaveAlignmentCheck,
        XsaveAlignmentCheck,
        ResetX87AsInitial,
        InitClearsXss,
        XsetbvNotIntercepted,
        XsetbvPrivilegeFirst,
        XrstorIgnoresTaskSwitched,
        CompactedPlacesByRfbm,
        MxcsrInUseAsSse,
        MxcsrCheckedAfterX87,
        Hi16ZmmInUseOutside64BitMode,
        CetXinuseMistaken,
        CetImageUnchecked,
        PkruQuadwordStored,
        XstateBv63Ignored,
        AvxInitialClearsZmmHi256,
        InitResetsCr0,
    ];

    /// <summary>The quirk of a name.</summary>
    /// <exception cref="ArgumentException">No quirk has the name.</exception>
    public static ProcessorQuirk Get(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        foreach (ProcessorQuirk quirk in All)
        {
            if (string.Equals(quirk.Name, name, StringComparison.Ordinal))
            {
                return quirk;
            }
        }

        throw new ArgumentException($"no processor quirk is called '{name}'", nameof(name));
    }

    /// <summary>The quirks that CPUID says a processor has.</summary>
    public static ImmutableArray<ProcessorQuirk> From(CpuidTable cpuid)
    {
        ProcessorIdentity identity = ProcessorIdentity.From(cpuid);
        return [.. All.Where(quirk => quirk.Applies(identity))];
    }
}
