using System.Collections.Frozen;
using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors.Linux;
using static Xstate.Architecture.CpuidFeatures;

namespace Xstate.Hypervisors.Kvm;

/// <summary>
/// Which feature bits KVM_GET_SUPPORTED_CPUID can have, by kernel (<c>kvm_set_cpu_caps</c>): a bit that no row names KVM hides on every
/// kernel that is modelled, so that PKS, ENQCMD, Intel PT, LBR, user interrupts and APX are never there. Read in 5.16 and 6.14 to 6.17, the
/// releases between from the commits that brought a bit; compared with the recorded answers of 6.1, 6.12 and 6.18.
/// </summary>
internal static class KvmFeatureOffers
{
    private static readonly FrozenDictionary<(uint Leaf, uint Subleaf, CpuidRegister Register), ImmutableArray<Offer>> ByRegister = Rows()
        .GroupBy(offer => (offer.Feature.Leaf, offer.Feature.Subleaf, offer.Feature.Register))
        .ToFrozenDictionary(group => group.Key, group => group.ToImmutableArray());

    // With those of whole leaves (SupportedCpuid).
    private static readonly ImmutableArray<Releases> Eras =
        [.. Rows().Select(offer => offer.Releases).Concat([Releases.From(5, 17), Releases.From(6, 8), Releases.From(6, 13)])
            .DistinctBy(releases => releases.ToString())];

    private enum Condition
    {
        HostHas,
        VmxHost,
        SvmHost,
        Emulated,
    }

    /// <summary>A register of the answer, made from the processor's own. Null for registers that this table does not rule.</summary>
    public static uint? Filter(LinuxHost host, uint leaf, uint subleaf, CpuidRegister register, uint native)
    {
        if (!ByRegister.TryGetValue((leaf, subleaf, register), out ImmutableArray<Offer> offers))
        {
            return null;
        }

        uint answer = 0;
        foreach (Offer offer in offers.Where(offer => IsKnownTo(host.Behavior.OfferedBy, offer.Releases)))
        {
            uint bit = 1u << offer.Feature.Bit;
            answer |= offer.Condition switch
            {
                Condition.Emulated => bit,
                Condition.VmxHost => host.UsesSvm ? 0 : native & bit,
                Condition.SvmHost => host.UsesSvm ? native & bit : 0,
                _ => native & bit,
            };
        }

        return answer;
    }

    /// <summary>Whether KVM on a host offers a feature to guests if the processor has it.</summary>
    internal static bool Knows(LinuxHost host, CpuidFeature feature) =>
        Filter(host, feature.Leaf, feature.Subleaf, feature.Register, uint.MaxValue) is { } offered && (offered >> feature.Bit & 1) != 0;

    // A kernel without a release, which a caller made by behaviours alone, is taken as the newest.
    internal static bool IsKnownTo(KernelRelease? release, Releases releases) =>
        release is not { } known || releases.Of(known) != Knowledge.Absent;

    /// <summary>
    /// Which of the offers that came with a release a kernel knows: kernels that know the same ones answer KVM_GET_SUPPORTED_CPUID alike.
    /// </summary>
    internal static string EraOf(KernelRelease? release) => string.Concat(Eras.Select(since => IsKnownTo(release, since) ? '1' : '0'));

    private static IEnumerable<Offer> Rows() =>
    [
        .. Always(Sse3, Pclmulqdq, Ssse3, Fma, Cx16, Pdcm, Pcid, Sse41, Sse42, Movbe, Popcnt, Aes, Xsave, Avx, F16c, Rdrand),
        .. Always(Fpu, Vme, De, Pse, Tsc, Msr, Pae, Mce, Cx8, Apic, Sep, Mtrr, Pge, Mca, Cmov, Pat, Pse36, Clfsh, Mmx, Fxsr, Sse, Sse2, Ss),
        new(Vmx, Releases.All, Condition.VmxHost),
        new(X2apic, Releases.All, Condition.Emulated),
        new(TscDeadline, Releases.From(6, 14), Condition.Emulated),
        new(Hypervisor, Releases.From(6, 14), Condition.Emulated),

        .. Always(Fsgsbase, Bmi1, Hle, Avx2, Smep, Bmi2, Erms, Invpcid, Rtm, Rdseed, Adx, Smap, Clflushopt, Clwb, Sha),
        .. Always(Avx512f, Avx512dq, Avx512Ifma, Avx512pf, Avx512er, Avx512cd, Avx512bw, Avx512vl),
        new(TscAdjust, Releases.All, Condition.Emulated),
        new(Mpx, Releases.All, Condition.VmxHost),
        .. Since(5, 13, Sgx, SgxLc, BusLockDetect),
        .. Since(6, 0, FdpExcptnOnly, ZeroFcsFds),

        .. Always(Avx512Vbmi, Avx512Vbmi2, Avx512Vnni, Avx512Bitalg, Avx512Vpopcntdq, Gfni, Vaes, Vpclmulqdq),
        .. Always(Umip, Pku, La57, Rdpid, Cldemote, Movdiri, Movdir64b),
        new(Waitpkg, Releases.All, Condition.VmxHost),
        // CET hangs on IA32_XSS too: WithoutForeignCet has its kernels.
        .. Always(CetSs, CetIbt),

        .. Always(Avx5124vnniw, Avx5124fmaps, Fsrm, Avx512Vp2intersect, MdClear, Serialize, Tsxldtrk, IbrsIbpb, Stibp, Ssbd),
        new(ArchCapabilities, Releases.All, Condition.Emulated),
        .. Since(5, 11, Avx512Fp16),
        .. Since(5, 17, AmxBf16, AmxTile, AmxInt8),
        .. Since(6, 4, L1dFlush),

        .. Always(Avx512Bf16),
        .. Since(5, 12, AvxVnni),
        .. Since(6, 2, Cmpccxadd, AmxFp16, AvxIfma, AvxVnniInt8, AvxNeConvert, Prefetchi),
        .. Since(6, 3, Fzrm, Fsrs, Fsrc),
        .. Since(6, 6, AmxComplex),
        .. Since(6, 8, Lam),
        .. Since(6, 13, Avx10),
        .. Since(6, 14, Sha512, Sm3, Sm4, AvxVnniInt16),

        .. Always(LahfLm, CmpLegacy, Cr8Legacy, Lzcnt, Sse4a, Misalignsse, Prefetchw, Osvw, Xop, Fma4, Tbm, Topoext),
        new(Svm, Releases.All, Condition.SvmHost),
        new(PerfctrCore, Releases.All, Condition.SvmHost),
        .. Always(Syscall, Nx, Mmxext, Ffxsr, Pdpe1gb, Rdtscp, Lm, ThreeDNowExt, ThreeDNow),
        .. Since(6, 3, Autoibrs),
    ];

    private static IEnumerable<Offer> Always(params ImmutableArray<CpuidFeature> features) =>
        features.Select(feature => new Offer(feature, Releases.All, Condition.HostHas));

    private static IEnumerable<Offer> Since(int major, int minor, params ImmutableArray<CpuidFeature> features) =>
        features.Select(feature => new Offer(feature, Releases.From(major, minor), Condition.HostHas));

    private readonly record struct Offer(CpuidFeature Feature, Releases Releases, Condition Condition);
}
