using System.Collections.Immutable;

namespace Xstate.Scenarios;

/// <summary>One scenario: steps on one VM and one traced child of a fresh process.</summary>
/// <param name="Name">Its name, repeated in the answer.</param>
/// <param name="Note">What it shows.</param>
/// <param name="Needs">CPU features without which it is skipped.</param>
/// <param name="Steps">The steps.</param>
internal sealed record Scenario(string Name, string? Note, ImmutableArray<string> Needs, ImmutableArray<ScenarioStep> Steps)
{
    /// <summary>Line of its file, from 1, in which it begins.</summary>
    public int Line { get; init; } = 1;

    /// <summary>The scenario as it was read, from which another process can read it again.</summary>
    public string Text { get; init; } = "";

    /// <summary>
    /// Whether it asks for a guest permission. The kernel gives that to a process for good, and only before the first virtual CPU: on a
    /// real kernel such a scenario needs a process that has performed none before it and performs none after it.
    /// </summary>
    public bool AsksForPermission => Steps.Any(step => step.Op == KvmSteps.RequestPermissionOp);
}

/// <summary>One step.</summary>
/// <param name="Op">Its operation, as in the file.</param>
internal abstract record ScenarioStep(string Op)
{
    internal abstract StepAnswer Perform(ScenarioRun run);
}
