using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors.Linux;

namespace Xstate.Rehearsal;

/// <summary>
/// Holds the CPUID that a guest was made with against the target: every instruction and every component of state that it promises must
/// exist there, and what the guest reads of vendor, family and model must stay. A guest whose CPUID is only assumed promises nothing; then
/// features are out of the scope of the answer.
/// </summary>
internal static class GuestPromises
{
    private const int MaxNames = 12;
    private const uint Avx10Leaf = 0x24;
    private const uint Avx10Version = 0xFF;

    /// <summary>Says what the target lacks.</summary>
    /// <returns>Whether the guest sees a difference.</returns>
    public static bool Check(ICollection<Finding> findings, CapturedState state, LinuxHost host)
    {
        if (state.GuestCpuid is not { Provenance.Source: not FactSource.Guess } guest)
        {
            return false;
        }

        List<CpuidFeature> lacking = [];
        List<CpuidFeature> withheld = [];
        List<CpuidFeature> controls = [];
        List<CpuidFeature> others = [];
        foreach (CpuidFeature feature in CpuidFeatures.All)
        {
            if (!PromisedFeatures.IsPromised(feature, guest.Value) || !IsRecorded(feature, host.Record.Cpuid)
                || PromisedFeatures.IsThere(feature, host))
            {
                continue;
            }

            (feature.Effect == FeatureEffect.None ? PromisedFeatures.IsControl(feature) ? controls : others
                : IsIn(feature, host.Record.Cpuid) ? withheld : lacking).Add(feature);
        }

        string name = host.Record.Name;
        Add(Rules.PromisedInstructionsLacking, lacking,
            names => $"the guest's CPUID promises {names}, which {name} lacks: a program that uses it takes #UD");
        Add(Rules.PromisedInstructionsLacking, withheld,
            names => $"the guest's CPUID promises {names}, which the processor of {name} has and its KVM does not give to guests");
        bool older = FindOlderAvx10(findings, state, guest.Value, host);
        Add(Rules.PromisedControlsLacking, controls,
            names => $"the guest's CPUID has {names}, which {name} lacks, and the capture does not tell whether the guest turned it on");
        Add(Rules.PromisedFeaturesNotShown, others,
            names => $"the guest's CPUID has {names}, which {name} does not show; no instruction and no component of state hangs on it");
        FindVendor(findings, state, guest.Value, host);
        FindErratum1386(findings, state, guest.Value, host);
        return lacking.Count > 0 || withheld.Count > 0 || older;

        void Add(Rule rule, List<CpuidFeature> features, Func<string, string> text)
        {
            if (features.Count > 0)
            {
                findings.Add(rule.At(Where(state, features[0]), text(Names(features))));
            }
        }
    }

    internal static bool IsIn(CpuidFeature feature, CpuidTable cpuid) =>
        feature.IsIn(cpuid) || (feature == CpuidFeatures.Mmxext && CpuidFeatures.Sse.IsIn(cpuid));

    // A dump with holes does not say that its processor lacks what the hole would tell.
    internal static bool IsRecorded(CpuidFeature feature, CpuidTable cpuid)
    {
        uint last = cpuid.Read(feature.Leaf & 0x8000_0000).Eax;
        return cpuid.TryRead(feature.Leaf, feature.Subleaf, out _) || feature.Leaf > last
            || (feature.Subleaf != 0 && cpuid.TryRead(feature.Leaf, 0, out _));
    }

    internal static string Names(List<CpuidFeature> features) =>
        string.Join(", ", features.Take(MaxNames).Select(feature => feature.Name))
        + (features.Count > MaxNames ? $" and {features.Count - MaxNames} more" : "");

    // The version of AVX10 is a number: a later one brings instructions that no bit announces.
    private static bool FindOlderAvx10(ICollection<Finding> findings, CapturedState state, CpuidTable guest, LinuxHost host)
    {
        uint promised = guest.Read(Avx10Leaf).Ebx & Avx10Version;
        uint there = host.Record.Cpuid.Read(Avx10Leaf).Ebx & Avx10Version;
        bool older = CpuidFeatures.Avx10.IsIn(guest) && CpuidFeatures.Avx10.IsIn(host.Record.Cpuid) && promised > there;
        if (older)
        {
            string text = $"the guest's CPUID promises AVX10.{promised}, and {host.Record.Name} has AVX10.{there}";
            findings.Add(Rules.PromisedInstructionsLacking.At(new FindingLocation(state.Id, Leaf: "0x24.0.ebx"), text));
        }

        return older;
    }

    private static void FindVendor(ICollection<Finding> findings, CapturedState state, CpuidTable guest, LinuxHost host)
    {
        string vendor = guest.Vendor;
        string there = host.Record.Cpuid.Vendor;
        if (vendor.Length > 0 && there.Length > 0 && vendor != there)
        {
            findings.Add(Rules.VendorNotTargets.At(new FindingLocation(state.Id, Leaf: "0x0"),
                $"the guest reads the vendor {Printable(vendor)}, the processor of {host.Record.Name} is of {Printable(there)}"));
        }
    }

    // KVM cannot take XSAVES alone from a guest on SVM: it works as the processor does, whatever the host's kernel does for itself.
    private static void FindErratum1386(ICollection<Finding> findings, CapturedState state, CpuidTable guest, LinuxHost host)
    {
        if (!guest.Has(CpuidFeatures.Xsaves) || !host.Record.Cpuid.Has(CpuidFeatures.Xsaves)
            || !Erratum1386.Concerns(host.Record.Processor) || Erratum1386.IsFixed(host.Record.Processor, host.Record.Microcode))
        {
            return;
        }

        string unless = host.Record.Microcode is null && Erratum1386.CanBeFixed(host.Record.Processor)
            ? ", unless its microcode, which is not recorded, has the fix" : "";
        findings.Add(Rules.GuestUsesXsavesOfErratum1386.At(Where(state, CpuidFeatures.Xsaves),
            $"the guest's CPUID has XSAVES, and {host.Record.Name} has AMD's erratum 1386{unless}: a guest that uses it can find old XMM "
            + "registers"));
    }

    private static FindingLocation Where(CapturedState state, CpuidFeature first)
    {
        string register = first.Register.ToString().ToLowerInvariant();
        return new FindingLocation(state.Id,
            Leaf: FormattableString.Invariant($"{CpuidLeaves.PlaceOf(first.Leaf, first.Subleaf)}.{register}"));
    }

    private static string Printable(string vendor) =>
        new([.. vendor.Select(character => char.IsAsciiLetterOrDigit(character) || character is ' ' or '.' or '!' ? character : '?')]);
}
