using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors.Linux;

namespace Xstate.Rehearsal;

/// <summary>
/// Holds the CPUID that a guest was made with against the target: every instruction that it promises must exist there, and what the guest reads of vendor, family and model must stay. A guest whose CPUID is only
/// assumed promises nothing; then features are out of the scope of the answer.
/// </summary>
internal static class GuestPromises
{
    private const int MaxNames = 12;

    // Set by KVM itself, by the VMM, or for the guest's operating system; the prefixes of HLE are ignored where it is missing. None is an instruction that a program would miss.
    private static readonly ImmutableHashSet<string> Synthetic = ["HYPERVISOR", "X2APIC", "TSC_DEADLINE", "TSC_ADJUST", "SYSCALL", "OSXSAVE", "OSPKE", "HLE"];

    /// <summary>Says what the target lacks.</summary>
    /// <returns>Whether the guest sees a difference.</returns>
    public static bool Check(ICollection<Finding> findings, CapturedState state, LinuxHost host)
    {
        if (state.GuestCpuid is not { Provenance.Source: not FactSource.Guess } guest)
        {
            return false;
        }

        List<CpuidFeature> instructions = [];
        List<CpuidFeature> others = [];
        foreach (CpuidFeature feature in CpuidFeatures.All)
        {
            if (!guest.Value.Has(feature) || Synthetic.Contains(feature.Name) || IsThere(feature, host) || !IsRecorded(feature, host.Record.Cpuid))
            {
                continue;
            }

            (feature.Effect == FeatureEffect.Instructions ? instructions : others).Add(feature);
        }

        if (instructions.Count > 0)
        {
            findings.Add(RestoreRehearsal.OfRule(Rules.PromisedInstructionsLacking, $"the guest's CPUID promises {Names(instructions)}, which {host.Record.Name} lacks: a program that uses it takes #UD", Where(state, instructions[0])));
        }

        if (others.Count > 0)
        {
            findings.Add(RestoreRehearsal.OfRule(Rules.PromisedFeaturesNotShown, $"the guest's CPUID has {Names(others)}, which {host.Record.Name} does not show; no instruction and no register hangs on it", Where(state, others[0])));
        }

        string vendor = guest.Value.Vendor;
        string there = host.Record.Cpuid.Vendor;
        if (vendor.Length > 0 && there.Length > 0 && vendor != there)
        {
            findings.Add(RestoreRehearsal.OfRule(Rules.VendorNotTargets, $"the guest reads the vendor {Printable(vendor)}, the processor of {host.Record.Name} is of {Printable(there)}", new FindingLocation(state.Id, Leaf: "0x0")));
        }

        return instructions.Count > 0;
    }

    // What the processor has or KVM offers. A feature with state of its own is judged by its component; every processor with SSE has what MMXEXT names.
    private static bool IsThere(CpuidFeature feature, LinuxHost host) =>
        IsIn(feature, host.Record.Cpuid) || feature.IsIn(host.KvmCpuid);

    internal static bool IsIn(CpuidFeature feature, CpuidTable cpuid) =>
        feature.IsIn(cpuid) || (feature == CpuidFeatures.Mmxext && CpuidFeatures.Sse.IsIn(cpuid));

    // A dump with holes does not say that its processor lacks what the hole would tell.
    internal static bool IsRecorded(CpuidFeature feature, CpuidTable cpuid)
    {
        uint last = cpuid.Read(feature.Leaf & 0x8000_0000).Eax;
        return cpuid.TryRead(feature.Leaf, feature.Subleaf, out _) || feature.Leaf > last || (feature.Subleaf != 0 && cpuid.TryRead(feature.Leaf, 0, out _));
    }

    private static FindingLocation Where(CapturedState state, CpuidFeature first) =>
        new(state.Id, Leaf: FormattableString.Invariant($"{CpuidLeaves.PlaceOf(first.Leaf, first.Subleaf)}.{first.Register.ToString().ToLowerInvariant()}"));

    internal static string Names(List<CpuidFeature> features) =>
        string.Join(", ", features.Take(MaxNames).Select(feature => feature.Name)) + (features.Count > MaxNames ? $" and {features.Count - MaxNames} more" : "");

    private static string Printable(string vendor) => new([.. vendor.Select(character => char.IsAsciiLetterOrDigit(character) || character is ' ' or '.' or '!' ? character : '?')]);
}
