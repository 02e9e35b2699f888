using System.Collections.Immutable;

namespace Xstate.Scenarios;

/// <summary>One scenario: steps on one VM and one traced child of a fresh process.</summary>
/// <param name="Name">Its name, repeated in the answer.</param>
/// <param name="Note">What it shows.</param>
/// <param name="Needs">CPU features without which it is skipped.</param>
/// <param name="Steps">The steps.</param>
public sealed record Scenario(string Name, string? Note, ImmutableArray<string> Needs, ImmutableArray<ScenarioStep> Steps);

/// <summary>One step.</summary>
/// <param name="Op">Its operation, as in the file.</param>
public abstract record ScenarioStep(string Op)
{
    internal abstract StepAnswer Perform(ScenarioRun run);
}
