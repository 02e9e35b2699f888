using System.Collections.Immutable;
using Xstate.Architecture;

namespace Xstate.Lint;

/// <summary>A CPUID after a mend.</summary>
/// <param name="Cpuid">The consistent table.</param>
/// <param name="Changes">Every register that was changed.</param>
/// <param name="Remaining">What a table cannot mend: facts of the host or the hypervisor.</param>
internal sealed record MendedCpuid(CpuidTable Cpuid, ImmutableArray<CpuidChange> Changes, ImmutableArray<LintFinding> Remaining);
