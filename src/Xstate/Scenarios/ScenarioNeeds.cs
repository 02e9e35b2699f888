using Xstate.Architecture;

namespace Xstate.Scenarios;

/// <summary>The features that a scenario can need, by lower-case name.</summary>
internal static class ScenarioNeeds
{
    private static readonly Dictionary<string, CpuidFeature> Features = StateComponents.All.SelectMany(info => info.Features)
        .Concat([CpuidFeatures.Xsave, CpuidFeatures.Xsavec, CpuidFeatures.Xsaves, CpuidFeatures.Xfd])
        .DistinctBy(feature => feature.Name)
        .ToDictionary(feature => feature.Name, StringComparer.OrdinalIgnoreCase);

    public static string Read(ScenarioValue value) =>
        Features.ContainsKey(value.Text())
            ? value.Text()
            : throw value.Error(
            $"there is no feature {Quotation.Cut(value.Text())}; there are {string.Join(", ", Features.Keys).ToLowerInvariant()}");

    public static bool IsMet(string need, CpuidTable cpuid) => Features[need].IsIn(cpuid);
}
