using System.Collections.Immutable;

namespace Xstate.Hypervisors.OpenBsd;

/// <summary>One named way in which the three behaviours of OpenBSD's vmm differ.</summary>
internal enum VmmDifference
{
    /// <summary>VMM-PKU-WITHOUT-XSAVE: leaf 7 shows PKU, leaf 0xD and XSETBV know no bit 9.</summary>
    PkuWithoutXsave,

    /// <summary>VMM-PKRU-SIZE-FIXED: with PKRU the sizes are a constant instead of what the processor has.</summary>
    PkruSizeFixed,

    /// <summary>VMM-PKRU-SUBLEAF-ZERO: sub-leaf 9 of leaf 0xD is zeros.</summary>
    PkruSubleafZero,

    /// <summary>VMM-XSETBV-UNCHECKED: dependencies between components are not checked.</summary>
    XsetbvUnchecked,

    /// <summary>VMM-XSETBV-WIDE: the upper halves of RAX and RCX take part.</summary>
    XsetbvWide,
}

/// <summary>What is known of one difference.</summary>
/// <param name="Difference">The difference.</param>
/// <param name="Id">Its stable id in output.</param>
/// <param name="Effect">What a guest sees.</param>
/// <param name="Source">Where that is known from.</param>
internal sealed record VmmDifferenceInfo(VmmDifference Difference, string Id, string Effect, string Source);

/// <summary>The table of differences.</summary>
internal static class VmmDifferences
{
    /// <summary>All differences, in the order of the enumeration.</summary>
    public static ImmutableArray<VmmDifferenceInfo> All { get; } =
    [
        new(VmmDifference.PkuWithoutXsave, "VMM-PKU-WITHOUT-XSAVE",
            "CPUID 7.0 ECX shows PKU when the host uses protection keys, but 0xD.0 EAX has no bit 9 and XSETBV with bit 9 is #GP(0): "
            + "Linux guests of 6.12 and later find no place for PKRU in a signal frame.",
            "before the diff of 15 August 2025"),
        new(VmmDifference.PkruSizeFixed, "VMM-PKRU-SIZE-FIXED",
            "With protection keys 0xD.0 ECX is sizeof(struct savefpu) + 64, and EBX is the same as soon as guest XCR0 has bit 9: too "
            + "small for the standard format of an Intel processor with AVX-512, too large otherwise.",
            "the diff of 15 August 2025"),
        new(VmmDifference.PkruSubleafZero, "VMM-PKRU-SUBLEAF-ZERO",
            "0xD.9 is zeros, because sub-leaves follow xsave_mask, which has no bit 9: a guest that enables bit 9 learns neither size "
            + "nor offset of PKRU.",
            "before the diff, and unchanged by it"),
        new(VmmDifference.XsetbvUnchecked, "VMM-XSETBV-UNCHECKED",
            "XSETBV accepts every subset of the mask. A value that the processor refuses (bit 0 clear, AVX without SSE, part of AVX-512) "
            + "ends the guest at the next entry with EINVAL instead of #GP(0) in the guest.",
            "vmm_handle_xsetbv and vmm_fpurestore, unchanged by the diff"),
        new(VmmDifference.XsetbvWide, "VMM-XSETBV-WIDE",
            "XSETBV takes RAX + (RDX << 32) and compares RCX, all 64 bits: what the instruction ignores in the upper halves enters the "
            + "value or raises #GP(0).",
            "vmm_handle_xsetbv, unchanged by the diff"),
    ];

    /// <summary>The row of a difference.</summary>
    public static VmmDifferenceInfo Get(VmmDifference difference) => All[(int)difference];
}
