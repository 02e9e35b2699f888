using System.Collections.Immutable;
using Xstate.Findings;

namespace Xstate.Lint;

/// <summary>
/// All rules of a consistent CPUID. Their numbers come from two lists: L01 to L48 from the manuals and the kernels' own checks, N01 to N38
/// from what 1,007 dumps, nine projects' bug reports and the sources of Linux, Xen, FreeBSD and OpenBSD added. The number in either list is
/// an alias: XS1400 plus it, or XS1450 plus it, but where reading a dump (XS12xx) says the same.
/// </summary>
internal static class LintRules
{
    /// <summary>Every rule, by id.</summary>
    public static ImmutableArray<LintRule> All { get; } =
    [
        .. new[]
        {
            XsaveLeafRules.All, SubleafRules.All, SizeRules.All, FeatureRules.All, SupervisorRules.All, AmxRules.All, VendorRules.All,
                HypervisorRules.All, DumpRules.All,
        }
        .SelectMany(static rules => rules)
        .OrderBy(static rule => rule.Id, StringComparer.Ordinal),
    ];

    /// <summary>Rules that no other room has: those of the catalogue that a dump's reader reports (XS12xx) are explained there.</summary>
    public static IEnumerable<Rule> Own => All.Where(static rule => rule.Id.StartsWith("XS14", StringComparison.Ordinal))
        .Select(static rule => rule.ToRule());

    /// <summary>The rule of an id or of one of its aliases, in any case; null if there is none.</summary>
    public static LintRule? Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        foreach (LintRule rule in All)
        {
            if (string.Equals(rule.Id, name, StringComparison.OrdinalIgnoreCase)
                || rule.Aliases.Contains(name, StringComparer.OrdinalIgnoreCase))
            {
                return rule;
            }
        }

        return null;
    }
}
