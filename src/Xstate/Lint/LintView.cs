namespace Xstate.Lint;

/// <summary>What a CPUID table is, which decides what may be asked of it.</summary>
[Flags]
public enum LintView
{
    /// <summary>No view; matches no rule.</summary>
    None = 0,

    /// <summary>
    /// What a processor answered, as a dump records it. Answers that are missing were not recorded, and sizes follow what the system had
    /// enabled.
    /// </summary>
    BareMetal = 1,

    /// <summary>What a hypervisor shows its guest. Answers that are missing read as zeros.</summary>
    Guest = 2,

    /// <summary>
    /// What goes through KVM_SET_CPUID2 or comes from KVM_GET_SUPPORTED_CPUID: KVM computes OSXSAVE, OSPKE and the sizes for the live XCR0
    /// itself.
    /// </summary>
    Kvm = 4,

    /// <summary>What a TDX module shows a trust domain: leaf 0xD follows XFAM.</summary>
    Tdx = 8,

    /// <summary>The CPUID page of an SEV-SNP guest, which firmware and kernel read instead of asking the hypervisor.</summary>
    Snp = 16,

    /// <summary>Every view of a guest.</summary>
    Virtual = Guest | Kvm | Tdx | Snp,

    /// <summary>Every view.</summary>
    All = BareMetal | Virtual,
}
