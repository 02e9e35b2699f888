using Xstate.Fleet;

namespace Xstate.Reports;

/// <summary>What <c>pool</c> answers.</summary>
/// <param name="Pool">The pool.</param>
/// <param name="Changes">Changes that were tried.</param>
/// <param name="Upgrade">The order of upgrades, if one was asked for.</param>
internal sealed record PoolAnswer(Pool Pool, IReadOnlyList<PoolChange> Changes, UpgradePlan? Upgrade)
{
    /// <summary>Verdicts of captures on hosts that are listed one by one; beyond that those of classes on classes say it.</summary>
    public const int MaxVerdicts = 100_000;

    /// <summary>HOSTs that could not be read.</summary>
    public IReadOnlyList<UnreadInput> UnreadHosts { get; init; } = [];

    /// <summary>Captures that could not be read.</summary>
    public IReadOnlyList<UnreadInput> UnreadCaptures { get; init; } = [];

    /// <summary>Whether the verdict of each capture on each host is listed.</summary>
    public bool ListsVerdicts => (long)Pool.Captures.Length * Pool.HostCount <= MaxVerdicts;
}
