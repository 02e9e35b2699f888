using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors.Linux;

namespace Xstate.Rehearsal.CpuidGates;

/// <summary>
/// QEMU with <c>enforce</c> (x86_cpu_filter_features, x86_cpu_realizefn): every feature that was asked for must be offered.
/// </summary>
/// <param name="brackets">Whether it writes leaves as releases after 10.2 do.</param>
internal sealed class QemuEnforce(bool brackets) : CpuidGate
{
    public override string Name => "QEMU's enforce";

    public override ImmutableArray<string> Check(CpuidTable guest, LinuxHost host)
    {
        ImmutableArray<CpuidFeature> missing = NotOffered(guest, host);
        return missing.IsEmpty ? []
            : [.. missing.Select(feature => $"warning: host doesn't support requested feature: {Describe(feature)}"),
                "Host doesn't support requested features"];
    }

    private string Describe(CpuidFeature feature)
    {
        string register = feature.Register.ToString().ToUpperInvariant();
        string place = brackets ? FormattableString.Invariant($"CPUID[eax={feature.Leaf:X2}h,ecx={feature.Subleaf:X2}h].{register}")
            : FormattableString.Invariant($"CPUID.{feature.Leaf:X2}H:{register}");
        return $"{place}.{FeatureNames.QemuNameOf(feature)} [bit {feature.Bit}]";
    }
}
