namespace Xstate.Scenarios.Conformance;

/// <summary>Something that a comparison did not look at.</summary>
/// <param name="What">What it is: <c>kvm</c>, <c>kvm-run</c>, <c>cpuid</c>, <c>in-use</c>, or the name of a component.</param>
/// <param name="Why">Why, in one sentence without a full stop.</param>
internal sealed record LeftOut(string What, string Why);
