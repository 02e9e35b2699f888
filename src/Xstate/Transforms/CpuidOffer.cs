using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Transforms;

/// <summary>What is wrong with a guest's CPUID by itself: an offer of XCR0 that no XSETBV takes.</summary>
internal static class CpuidOffer
{
    /// <summary>The finding for an offer of which a guest cannot enable everything; null when it can.</summary>
    /// <param name="cpuid">The guest's CPUID.</param>
    /// <param name="where">Where to say it.</param>
    public static Finding? Check(CpuidTable cpuid, FindingLocation where)
    {
        ArgumentNullException.ThrowIfNull(cpuid);
        StateComponentSet offered = cpuid.UserComponents & StateComponents.UserComponents;
        if (!offered.Contains(StateComponent.X87) || Xcr0Rules.FirstViolation(offered, offered) is not { } violation)
        {
            return null;
        }

        Rule rule = Rules.PartialComponentGroup;
        StateComponentSet most = Xcr0Rules.LargestWithin(offered);
        return new Finding(rule, rule.Severity, $"the CPUID offers {offered}, of which no XSETBV takes all: {violation.Reason}")
        {
            Where = where with { Leaf = "0xd.0.eax" },
            Found = offered.ToString(),
            Expected = $"at most {most}",
            Mend = rule.Mend,
        };
    }

    /// <summary>The findings for the guests of a capture, one for each offer; a CPUID that is only assumed is nobody's fault.</summary>
    internal static IEnumerable<Finding> Check(Capture capture) => capture.States
        .Where(state => state.GuestCpuid is { Provenance.Source: not FactSource.Guess })
        .DistinctBy(state => state.GuestCpuid!.Value.UserComponents)
        .Select(state => Check(state.GuestCpuid!.Value, new FindingLocation(state.Id)))
        .OfType<Finding>();
}
