using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;

namespace Xstate.Rehearsal;

/// <summary>Which features a guest's CPUID promises to its programs, and whether a host keeps the promise.</summary>
internal static class PromisedFeatures
{
    // Set by KVM itself, by the VMM, or for the guest's operating system; the prefixes of HLE are ignored where it is missing. None is an
    // instruction that a program would miss.
    private static readonly ImmutableHashSet<string> Synthetic =
        ["HYPERVISOR", "X2APIC", "TSC_DEADLINE", "TSC_ADJUST", "SYSCALL", "OSXSAVE", "OSPKE", "HLE"];

    // What a guest turns on in CR3, CR4, EFER, another MSR or its page tables before it uses it: no capture here holds these.
    private static readonly ImmutableHashSet<string> Controls =
    [
        "PSE", "PAE", "PGE", "PSE36", "PCID", "SMEP", "UMIP", "LA57", "PKS", "LAM", "LASS", "FRED", "PDPE1GB", "NX", "FFXSR", "TCE",
            "AUTOIBRS",
        "VMX", "SVM", "SMX", "SKINIT", "SGX",
    ];

    // Their instructions fault unless KVM itself prepares the virtual CPU for them, so that what it reported on the host decides: nested
    // virtualization, enclaves, and what VMX has a control for.
    private static readonly ImmutableHashSet<string> GivenByKvm = ["VMX", "SVM", "SGX"];
    private static readonly ImmutableHashSet<string> ControlledByVmx = ["RDTSCP", "RDPID", "INVPCID", "WAITPKG", "XSAVES"];

    /// <summary>
    /// Whether a guest's CPUID promises a feature. State counts where leaf 0xD offers a component of it: a guest cannot use other state.
    /// </summary>
    public static bool IsPromised(CpuidFeature feature, CpuidTable guest) =>
        feature.IsIn(guest) && !Synthetic.Contains(feature.Name)
        && (ComponentsOf(feature) is not { IsEmpty: false } components
            || components.Overlaps(guest.UserComponents | guest.SupervisorComponents));

    /// <summary>
    /// Whether a guest on the host has what the feature announces: what the processor has or KVM offers, and of state what KVM can switch.
    /// </summary>
    public static bool IsThere(CpuidFeature feature, LinuxHost host)
    {
        bool decidedByKvm = GivenByKvm.Contains(feature.Name) || (!host.UsesSvm && ControlledByVmx.Contains(feature.Name));
        if (decidedByKvm && host.Record.SupportedCpuid is { } reported)
        {
            return feature.IsIn(reported);
        }

        bool exists = GuestPromises.IsIn(feature, host.Record.Cpuid) || feature.IsIn(host.KvmCpuid);
        return feature.Effect switch
        {
            FeatureEffect.State when feature == CpuidFeatures.CetSs => exists && host.KvmShadowStack,
            FeatureEffect.State when feature == CpuidFeatures.CetIbt => exists && host.KvmBranchTracking,
            FeatureEffect.State when (ComponentsOf(feature) & StateComponents.UserComponents) is { IsEmpty: false } components
                && host.HasXsave =>
                exists && host.KvmXcr0.ContainsAll(components),
            _ => exists,
        };
    }

    /// <summary>Whether the guest's control registers or page tables tell if it is in use, and not its registers.</summary>
    public static bool IsControl(CpuidFeature feature) => Controls.Contains(feature.Name);

    private static StateComponentSet ComponentsOf(CpuidFeature feature)
    {
        StateComponentSet components = StateComponentSet.Empty;
        foreach (StateComponentInfo info in feature.Effect == FeatureEffect.State ? StateComponents.All : [])
        {
            components = info.Features.Contains(feature) ? components | info.Bit : components;
        }

        return components;
    }
}
