using System.Collections.Immutable;

namespace Xstate.Findings;

/// <summary>What a user sees first: a message or an end of a program, and the rules that may be behind it.</summary>
/// <param name="Text">The message as it is printed, without its numbers.</param>
/// <param name="PrintedBy">Who prints it.</param>
/// <param name="Words">Other words by which people look for it, in lower case.</param>
/// <param name="Rules">The rules that may be behind it, the likeliest first.</param>
/// <param name="Next">The command that finds out which.</param>
internal sealed record Symptom(string Text, string PrintedBy, ImmutableArray<string> Words, ImmutableArray<Rule> Rules, string Next);
