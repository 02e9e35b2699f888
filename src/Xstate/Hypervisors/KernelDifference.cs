using System.Collections.Immutable;
using Xstate.Findings;

namespace Xstate.Hypervisors;

/// <summary>
/// One named way in which kernels differ at the borders that extended state crosses. Each is one object: its id in output, its effect, the
/// releases that have it as data, how to probe it, the rules of findings that it decides. A recorded host carries what was probed there,
/// which wins over its release number, because distributions backport freely.
/// </summary>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed partial class KernelDifference
{
    private KernelDifference(string id, Releases releases)
    {
        Id = id;
        Releases = releases;
    }

    /// <summary>All differences: those of KVM, then those of processes.</summary>
    public static ImmutableArray<KernelDifference> All => Table.Rows;

    /// <summary>Its stable id in output and documentation.</summary>
    public string Id { get; }

    /// <summary>The releases of mainline and stable Linux that have it.</summary>
    internal Releases Releases { get; }

    /// <summary>What users see.</summary>
    public required string Effect { get; init; }

    /// <summary>What the releases do not say: a flavour, a condition. Null when they say everything.</summary>
    public string? Note { get; init; }

    /// <summary>
    /// The build option that decides whether a kernel of these releases really has it; null when the release alone
    /// decides.
    /// </summary>
    public string? Configuration { get; init; }

    /// <summary>How to find out on a live kernel.</summary>
    public required string Probe { get; init; }

    /// <summary>Whether <see cref="Probe"/> can be done; some would harm the host, or show themselves to nobody.</summary>
    public bool CanBeProbed => !Probe.StartsWith("none", StringComparison.Ordinal) && !Probe.StartsWith("never", StringComparison.Ordinal);

    /// <summary>Whether only KVM shows it.</summary>
    public bool NeedsKvm => Id.StartsWith("KVM-", StringComparison.Ordinal);

    /// <summary>Commit or measurement.</summary>
    public required string Source { get; init; }

    /// <summary>The rules whose findings it decides.</summary>
    public ImmutableArray<Rule> Decides { get; init; } = [];

    /// <summary>The releases that have it, for people: <c>5.17 to 6.5, but not from 6.1.60 and 6.5.9 on</c>.</summary>
    public string Affected => Note is null ? Releases.ToString() : Releases == Releases.None ? Note : $"{Releases} ({Note})";

    /// <summary>Its place in <see cref="All"/>.</summary>
    internal int Index { get; private set; } = -1;

    /// <summary>The difference with an id (any case), or null.</summary>
    public static KernelDifference? Find(string id) =>
        All.FirstOrDefault(difference => string.Equals(difference.Id, id, StringComparison.OrdinalIgnoreCase));

    /// <summary>The differences that decide a rule.</summary>
    public static IEnumerable<KernelDifference> Deciding(Rule rule) => All.Where(difference => difference.Decides.Contains(rule));

    /// <inheritdoc/>
    public override string ToString() => Id;

    // A class of its own is initialized after the fields of every part of the class above.
    private static class Table
    {
        internal static readonly ImmutableArray<KernelDifference> Rows = Number(
        [
            KvmGetRaw, KvmGetNoTrim, KvmSetStrictCpuid, KvmSetFpSseReject, KvmSetPkruDrop, KvmGetNoCpuid, KvmSetHeaderStrict, KvmSetXcomp,
            KvmSetMxcsrLazy, KvmGetSoftwareMask, KvmXsaveDynamic, KvmSetPkruKeep, KvmGetPkruXinuse, KvmSetXfdNm, KvmXtileHalf,
            KvmXssZero, KvmXssNeedsCpuid, KvmXssNoRead, KvmOneRegister, KvmInitXssZero, KvmInitCet, KvmCpuidAfterRun, KvmCpuidNoRepeat,
                KvmCpuid80, KvmCpuidIndex, KvmCr4NoCpuid,
            KvmEferNeedsCpuid, KvmCr0Unchecked, KvmProtectedZero, KvmProtectedEinval, KvmPkruWide, KvmPvmHostCpuid,
            PtracePkruIgnored, PtracePkruInit, PtraceSizeEfault, PtraceLenient, PtraceRawBuffer, PtraceRawFpregs,
            SignalPkruForced, SignalKeysOpen, SignalFrameHostSize, SignalStackChecked,
            SignalPkuWithoutXcr0,
            X86FpuNoPku, X86FpuPkruShown, X86FpuXsavec, X86Erratum1386, X86Erratum1386Microcode, UserShadowStack, X86FpuTiles, X86FpuApx,
        ]);

        private static ImmutableArray<KernelDifference> Number(ImmutableArray<KernelDifference> rows)
        {
            for (int i = 0; i < rows.Length; i++)
            {
                rows[i].Index = i;
            }

            return rows;
        }
    }
}
