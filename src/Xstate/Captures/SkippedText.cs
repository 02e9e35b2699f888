namespace Xstate.Captures;

/// <summary>Lines around a dump that are no part of it: a prompt, a fence, what else a log has.</summary>
/// <param name="Lines">How many, blank ones not counted.</param>
/// <param name="Offset">Where the first of them begins.</param>
/// <param name="First">The first of them, as a message shows it.</param>
internal sealed record SkippedText(int Lines, long Offset, string First);
