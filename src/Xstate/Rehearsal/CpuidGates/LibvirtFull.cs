using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors.Linux;

namespace Xstate.Rehearsal.CpuidGates;

/// <summary>
/// libvirt with <c>check='full'</c> (virCPUx86UpdateLive): what QEMU left out of the CPU that the domain names ends its start.
/// </summary>
internal sealed class LibvirtFull : CpuidGate
{
    public override string Name => "libvirt's check='full'";

    public override ImmutableArray<string> Check(CpuidTable guest, LinuxHost host)
    {
        ImmutableArray<CpuidFeature> missing = NotOffered(guest, host);
        return missing.IsEmpty ? []
            : ["operation failed: guest CPU doesn't match specification: missing features: "
                + $"{string.Join(",", missing.Select(FeatureNames.QemuNameOf))}"];
    }
}
