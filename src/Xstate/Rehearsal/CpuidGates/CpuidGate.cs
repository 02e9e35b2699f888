using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;

namespace Xstate.Rehearsal.CpuidGates;

/// <summary>What a VMM compares of the guest's CPUID before it asks KVM for anything.</summary>
internal abstract class CpuidGate
{
    // KVM or the VMM sets them by the state of the guest or its topology: they are in no comparison.
    private static readonly CpuidFeature[] Dynamic =
        [CpuidFeatures.Osxsave, CpuidFeatures.Ospke, CpuidFeatures.Apic, CpuidFeatures.Htt];

    // Every processor of the vendors shows one of them, and no KVM offers any: who has one is a processor, not a guest.
    private static readonly CpuidFeature[] OfProcessors =
    [
        CpuidFeatures.Dtes64, CpuidFeatures.Smx, CpuidFeatures.Eist, CpuidFeatures.Tm2, CpuidFeatures.Extapic, CpuidFeatures.Ibs,
        CpuidFeatures.Skinit, CpuidFeatures.Wdt,
    ];

    /// <summary>Its name as the step that refuses.</summary>
    public abstract string Name { get; }

    /// <summary>Whether a table is a processor's own, which stands in for a guest's: no VMM would compare that.</summary>
    public static bool IsProcessors(CpuidTable guest) => OfProcessors.Any(guest.Has);

    /// <summary>What the VMM prints when it refuses, one line each; empty when it goes on.</summary>
    public abstract ImmutableArray<string> Check(CpuidTable guest, LinuxHost host);

    /// <summary>What KVM of the host offers a VMM that asked for the tiles if its guest has them.</summary>
    protected static CpuidTable OfferedTo(CpuidTable guest, LinuxHost host)
    {
        bool hasTiles = guest.UserComponents.Contains(StateComponent.TileData);
        return SupportedCpuid.Of(host, hasTiles ? host.UserFeatures : host.DefaultUserFeatures);
    }

    /// <summary>A register without the bits that are set by the guest's state.</summary>
    protected static uint WithoutDynamic(uint leaf, uint subleaf, CpuidRegister register, uint value)
    {
        foreach (CpuidFeature feature in Dynamic)
        {
            value &= feature.Leaf == leaf && feature.Subleaf == subleaf && feature.Register == register
                ? ~(1u << feature.Bit) : uint.MaxValue;
        }

        return value;
    }

    /// <summary>The features with a name in QEMU that the guest has and KVM of the host does not offer it.</summary>
    protected static ImmutableArray<CpuidFeature> NotOffered(CpuidTable guest, LinuxHost host)
    {
        CpuidTable offered = OfferedTo(guest, host);
        return
        [
            .. CpuidFeatures.All.Where(feature => guest.Has(feature) && !offered.Has(feature) && !Dynamic.Contains(feature)
                && !IsMadeByQemu(feature) && Captures.FeatureNames.QemuNameOf(feature) is not null),
        ];
    }

    // kvm_arch_get_supported_cpuid adds them to what KVM answers.
    private static bool IsMadeByQemu(CpuidFeature feature) =>
        feature == CpuidFeatures.Hypervisor || feature == CpuidFeatures.TscDeadline || feature == CpuidFeatures.X2apic
        || feature == CpuidFeatures.TscAdjust || feature == CpuidFeatures.Monitor || feature == CpuidFeatures.ArchCapabilities
        || feature == CpuidFeatures.CmpLegacy || feature == CpuidFeatures.Topoext || feature == CpuidFeatures.Acpi
        || feature == CpuidFeatures.Syscall;
}
