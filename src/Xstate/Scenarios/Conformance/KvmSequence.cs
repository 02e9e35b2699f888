using System.Collections.Immutable;
using Xstate.Scenarios.Calls;

namespace Xstate.Scenarios.Conformance;

/// <summary>Calls on one virtual CPU of a fresh VM.</summary>
/// <param name="Seed">The seed that <see cref="KvmSequenceGenerator"/> makes the same calls from.</param>
/// <param name="Calls">The calls, in order.</param>
internal sealed record KvmSequence(ulong Seed, ImmutableArray<KvmCall> Calls);
