using System.Collections.Immutable;
using Xstate.Captures;

namespace Xstate.Lint;

/// <summary>What Linux did about extended state that contradicts itself, and since which release.</summary>
internal static class LinuxReleases
{
    /// <summary>
    /// Checks of sizes and sub-leaves turn XSAVE off. Before, they only warned ("x86/fpu/xstate: Cleanup size calculations", October 2021).
    /// </summary>
    public static readonly KernelRelease ChecksDisable = new(5, 16);

    /// <summary>Components may lie in another order than their numbers (031b33ef1a6a), which APX needs.</summary>
    public static readonly KernelRelease AnyOrder = new(6, 16);

    /// <summary>A failed check of the enumeration: what it does by release.</summary>
    /// <param name="how">What a kernel does that turns XSAVE off.</param>
    /// <param name="source">Where that is known from.</param>
    public static ImmutableArray<LintBreak> FailedCheck(string how, string source) =>
    [
        new(LintGuest.Linux, how, source) { Since = ChecksDisable },
        new(LintGuest.Linux, "warns of an XSAVE consistency problem and goes on", source) { Until = ChecksDisable, IsSurvived = true },
    ];
}
