using System.Collections.Immutable;
using static Xstate.Hypervisors.KernelDifference;

namespace Xstate.Hypervisors;

/// <summary>
/// Which differences one change brought together, which one ended another, and which need another. Where some are not known these say which
/// combinations a kernel can have: a distribution takes a change or leaves it,
/// and never half of it.
/// </summary>
internal static class DifferenceRelations
{
    // Each says that at least one of its parts holds.
    private static readonly ImmutableArray<ImmutableArray<Part>> Clauses = [.. Rows()];

    /// <summary>What follows from values that are known; none of them is changed.</summary>
    public static void Propagate(IDictionary<KernelDifference, bool> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        bool grows;
        do
        {
            grows = false;
            foreach (ImmutableArray<Part> clause in Clauses)
            {
                Part[] open = [.. clause.Where(part => !values.ContainsKey(part.Difference))];
                if (open.Length == 1 && !clause.Any(part => values.TryGetValue(part.Difference, out bool value) && value == part.Present))
                {
                    values.Add(open[0].Difference, open[0].Present);
                    grows = true;
                }
            }
        }
        while (grows);
    }

    /// <summary>What is known of a kernel.</summary>
    public static Dictionary<KernelDifference, bool> KnownOf(KernelBehavior kernel)
    {
        ArgumentNullException.ThrowIfNull(kernel);
        return KernelDifference.All.Where(difference => kernel.Knows(difference) != Knowledge.Unknown).ToDictionary(difference =>
            difference, difference => kernel.Knows(difference) == Knowledge.Present);
    }

    /// <summary>The same kernel with what follows from what is known of it.</summary>
    public static KernelBehavior Fill(KernelBehavior kernel)
    {
        ArgumentNullException.ThrowIfNull(kernel);
        Dictionary<KernelDifference, bool> values = KnownOf(kernel);
        Propagate(values);
        return kernel.Unknown.Where(values.ContainsKey).ToImmutableArray().Aggregate(
            kernel,
            (now, difference) => now.Set(difference, new DifferenceFact(values[difference] ? Knowledge.Present : Knowledge.Absent,
                "inferred: follows from what else is known of it")));
    }

    /// <summary>Whether a kernel's known differences contradict each other.</summary>
    public static bool AreConsistent(IReadOnlyDictionary<KernelDifference, bool> values) =>
        Clauses.All(clause => clause.Any(part => !values.TryGetValue(part.Difference, out bool value) || value == part.Present));

    private static IEnumerable<ImmutableArray<Part>> Rows()
    {
        // The KVM part of the fpstate series (5.16) replaced the copy of the raw buffer.
        foreach (KernelDifference border in new[] { KvmSetHeaderStrict, KvmSetXcomp, KvmSetMxcsrLazy, KvmGetSoftwareMask })
        {
            yield return NotBoth(KvmGetRaw, border);
            yield return Either(KvmGetRaw, border);
        }

        foreach (KernelDifference later in new[] { KvmGetNoTrim, KvmSetStrictCpuid, KvmXsaveDynamic, KvmGetNoCpuid })
        {
            yield return NotBoth(KvmGetRaw, later);
        }

        // The limit of user_xfeatures trims what is read; without either it is trimmed when it is copied out.
        yield return NotBoth(KvmGetNoTrim, KvmSetStrictCpuid);
        yield return Needs(KvmSetStrictCpuid, KvmGetNoCpuid);
        yield return Needs(KvmGetNoTrim, KvmGetNoCpuid);
        yield return Of(new Part(KvmGetNoCpuid, false), new Part(KvmSetStrictCpuid, true), new Part(KvmGetNoTrim, true));
        yield return Needs(KvmSetFpSseReject, KvmSetStrictCpuid);

        yield return Needs(KvmXsaveDynamic, X86FpuTiles);
        yield return Needs(KvmSetXfdNm, KvmXsaveDynamic);
        yield return Needs(KvmXtileHalf, KvmXsaveDynamic);
        yield return Needs(KvmCpuidNoRepeat, KvmCpuidAfterRun);

        // The CET series of 6.18.
        foreach (KernelDifference cet in new[] { KvmXssNeedsCpuid, KvmOneRegister, KvmInitCet })
        {
            yield return NotBoth(KvmXssZero, cet);
            yield return Either(KvmXssZero, cet);
        }

        // One commit made ptrace take PKRU, also the PKRU of 0 that a clear bit means.
        yield return NotBoth(PtracePkruIgnored, PtracePkruInit);
        yield return Either(PtracePkruIgnored, PtracePkruInit);
    }

    private static ImmutableArray<Part> Either(KernelDifference one, KernelDifference other) =>
        Of(new Part(one, true), new Part(other, true));

    private static ImmutableArray<Part> NotBoth(KernelDifference one, KernelDifference other) =>
        Of(new Part(one, false), new Part(other, false));

    private static ImmutableArray<Part> Needs(KernelDifference difference, KernelDifference needed) =>
        Of(new Part(difference, false), new Part(needed, true));

    private static ImmutableArray<Part> Of(params ImmutableArray<Part> parts) => parts;

    private readonly record struct Part(KernelDifference Difference, bool Present);
}
