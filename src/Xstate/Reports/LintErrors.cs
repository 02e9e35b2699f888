using System.Collections.Immutable;
using System.Globalization;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Lint;

namespace Xstate.Reports;

/// <summary>
/// What is so wrong with the CPUIDs of an artifact that a guest breaks over it, for verbs that look at something else: one finding a rule.
/// <c>lint</c> tells every place.
/// </summary>
internal static class LintErrors
{
    /// <summary>The errors of the CPUIDs that an artifact holds.</summary>
    public static ImmutableArray<Finding> Of(Artifact artifact)
    {
        ArgumentNullException.ThrowIfNull(artifact);
        return Of(LintTarget.Of(artifact, new LintContext { View = LintView.None }), isGivenToKvm: artifact.Cpuid is null);
    }

    /// <summary>
    /// The errors of the CPUIDs that a capture tells of its guests, or of the one that is given for them. What was assumed contradicts
    /// nobody but who assumed it. They are warnings: a guest that runs has booted with it, and a restore does not ask.
    /// </summary>
    public static ImmutableArray<Finding> OfGuests(Capture capture, CpuidTable? given)
    {
        ArgumentNullException.ThrowIfNull(capture);
        LintContext guest = new() { View = LintView.Kvm };
        IEnumerable<(string Label, CpuidTable Cpuid)> tables = given is not null
            ? [("guest", given)]
            : capture.States.Where(state => state.GuestCpuid is { Provenance.Source: not FactSource.Guess })
            .Select(state => ($"vcpu {state.Id}", state.GuestCpuid!.Value));
        return Of(
            tables.DistinctBy(table => table.Cpuid)
                .Select(table => new LintTarget(table.Label,
                    CpuidDump.Create(table.Label, [new CpuidProcessor(table.Label, table.Cpuid)], []), guest)),
            isGivenToKvm: true,
            Severity.Warning);
    }

    /// <summary>The errors of some CPUIDs.</summary>
    /// <param name="targets">The CPUIDs.</param>
    /// <param name="isGivenToKvm">Whether KVM_SET_CPUID2 takes them, which computes some registers anew.</param>
    /// <param name="severity">How much they matter to who asks.</param>
    public static ImmutableArray<Finding> Of(IEnumerable<LintTarget> targets, bool isGivenToKvm = false, Severity severity = Severity.Error)
    {
        ArgumentNullException.ThrowIfNull(targets);
        return
        [
            .. targets.SelectMany(target => CpuidLint.Check(target.Dump, target.Context),
                (target, finding) => (target.Label, Finding: finding))
                .Where(found => found.Finding.Severity == Severity.Error && !(isGivenToKvm && IsComputedByKvm(found.Finding.Place)))
                .GroupBy(found => found.Finding.Rule.Id, StringComparer.Ordinal)
                .Select(group => OfRule([.. group], severity)),
        ];
    }

    // kvm_update_cpuid_runtime: the sizes for XCR0, and for XCR0 and IA32_XSS.
    private static bool IsComputedByKvm(LintPlace place) =>
        place is { Leaf: CpuidTable.XsaveLeaf, Subleaf: < 2, Register: CpuidRegister.Ebx };

    private static Finding OfRule(List<(string Label, LintFinding Finding)> found, Severity severity)
    {
        Finding first = found[0].Finding.ToFinding();
        string who = found[0].Label.Length == 0 ? "" : $"{found[0].Label}: ";
        string more = found.Count == 1 ? "" : string.Create(CultureInfo.InvariantCulture,
            $"; {found.Count - 1} more of the kind, which lint lists");
        return first with { Severity = severity, Message = $"{who}{first.Message}{more}" };
    }
}
