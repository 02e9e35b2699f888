using System.Collections.Immutable;
using Xstate.Hypervisors;

namespace Xstate.Rehearsal;

/// <summary>A fact that is not known and on which the outcome depends.</summary>
/// <param name="Fact">The kind of fact: <c>layout</c>, <c>kernel-difference</c>, <c>guest-cpuid</c>, <c>xcr0</c>, <c>xss</c>, <c>xfd</c>,
/// <c>microcode</c> or <c>vmm</c>.</param>
/// <param name="Id">Which one of its kind, such as the id of a kernel difference; null where there is only one.</param>
/// <param name="Why">Why it is not known.</param>
/// <param name="FindOut">The command or option that finds it out.</param>
/// <param name="Outcomes">What happens under each value that it can have.</param>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed record Dependency(string Fact, string? Id, string Why, string FindOut, ImmutableArray<DependencyOutcome> Outcomes);

/// <summary>What happens when a fact has one of its values.</summary>
/// <param name="Value">The value.</param>
/// <param name="Verdict">The verdict then; unknown while it depends on further facts.</param>
/// <param name="Call">The first refused call, if any.</param>
/// <param name="Errno">Its errno.</param>
/// <param name="Rules">The rules of the errors that are found then.</param>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed record DependencyOutcome(string Value, Verdict Verdict, string? Call, Errno Errno, ImmutableArray<string> Rules);
