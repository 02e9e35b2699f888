using Xstate.Findings;

namespace Xstate.Rehearsal;

/// <summary>Why CRIU gives up before a thread is restored.</summary>
/// <param name="Rule">The rule that explains it.</param>
/// <param name="Step">The function of CRIU that refuses.</param>
/// <param name="Message">A sentence.</param>
internal sealed record CriuRefusal(Rule Rule, string Step, string Message);
