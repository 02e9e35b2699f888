using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Lint;

/// <summary>What is known beside the table. Rules that need a fact that is null stay silent.</summary>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed record LintContext
{
    /// <summary>A dump of a processor, for any guest.</summary>
    public static LintContext BareMetal { get; } = new() { View = LintView.BareMetal };

    /// <summary>What a hypervisor shows, for any guest.</summary>
    public static LintContext GuestView { get; } = new() { View = LintView.Guest };

    /// <summary>What the table is. Exactly one view.</summary>
    public LintView View { get; init; } = LintView.BareMetal;

    /// <summary>Whose checks count as errors.</summary>
    public LintGuest Guest { get; init; } = LintGuest.Any;

    /// <summary>The release of Linux that is asked about; null for any. It bears on Linux's own checks only.</summary>
    public KernelRelease? LinuxRelease { get; init; }

    /// <summary>
    /// Whether the table is leaf 0xD alone, of which the rest is not known: only contradictions within that leaf are told, with the
    /// features of its components taken as shown.
    /// </summary>
    public bool IsXsaveLeafAlone { get; init; }

    /// <summary>Whether the entries carry KVM_CPUID_FLAG_SIGNIFCANT_INDEX, so that a missing one is a fault of its writer.</summary>
    public bool HasIndexFlags { get; init; }

    /// <summary>Whether the table is what the vCPU is started with.</summary>
    public bool AtStart { get; init; }

    /// <summary>XCR0 when the table was read, if known.</summary>
    public StateComponentSet? Xcr0 { get; init; }

    /// <summary>IA32_XSS when the table was read, if known.</summary>
    public StateComponentSet? Xss { get; init; }

    /// <summary>CR4 of the virtual CPU, if known.</summary>
    public ulong? Cr4 { get; init; }

    /// <summary>Components that the hypervisor's XSETBV takes, if known.</summary>
    public StateComponentSet? AcceptedXcr0 { get; init; }

    /// <summary>Components that the hypervisor's WRMSR of IA32_XSS takes, if known.</summary>
    public StateComponentSet? AcceptedXss { get; init; }

    /// <summary>CPUID of the processor that runs the guest, if known.</summary>
    public CpuidTable? Host { get; init; }

    /// <summary>Revision of the host's microcode, if known.</summary>
    public uint? Microcode { get; init; }

    /// <summary>XFAM of a trust domain, if known; otherwise leaf 0xD is taken for it.</summary>
    public StateComponentSet? Xfam { get; init; }
}
