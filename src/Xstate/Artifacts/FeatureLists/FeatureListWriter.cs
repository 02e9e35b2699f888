using System.Collections.Immutable;
using System.Security;
using System.Text;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Artifacts.FeatureLists;

/// <summary>
/// Writes what a guest does not get as QEMU and libvirt want to be told: the host's CPU without some features, by their names.
/// </summary>
internal static class FeatureListWriter
{
    /// <summary>QEMU's option: <c>-cpu host,pku=off</c>.</summary>
    /// <param name="removed">Features that the guest does not get. Those without a name there have to be left out before
    /// (<see cref="FeatureNames.QemuNameOf"/>).</param>
    public static byte[] WriteQemu(IEnumerable<CpuidFeature> removed) =>
        Encoding.UTF8.GetBytes($"-cpu host{string.Concat(Names(removed).Select(name => $",{name}=off"))}\n");

    /// <summary>libvirt's element: <c>&lt;cpu mode='host-passthrough'&gt;</c> with the features disabled.</summary>
    /// <param name="removed">Features that the guest does not get. Those without a name there have to be left out before
    /// (<see cref="FeatureNames.QemuNameOf"/>).</param>
    public static byte[] WriteLibvirt(IEnumerable<CpuidFeature> removed)
    {
        StringBuilder text = new("<cpu mode='host-passthrough' check='none'>\n");
        foreach (string name in Names(removed))
        {
            text.Append($"  <feature policy='disable' name='{SecurityElement.Escape(name)}'/>\n");
        }

        return Encoding.UTF8.GetBytes(text.Append("</cpu>\n").ToString());
    }

    private static ImmutableArray<string> Names(IEnumerable<CpuidFeature> removed)
    {
        ArgumentNullException.ThrowIfNull(removed);
        return
        [
            .. removed.Select(feature => FeatureNames.QemuNameOf(feature)
                ?? throw new NotSupportedException($"QEMU has no name for {feature}"))
                .Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal),
        ];
    }
}
