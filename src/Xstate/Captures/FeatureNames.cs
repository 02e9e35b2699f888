using System.Collections.Frozen;
using Xstate.Architecture;

namespace Xstate.Captures;

/// <summary>
/// Which state components a feature name of QEMU, libvirt or Linux stands for. The names are the manual's (<see cref="CpuidFeature.Name"/>)
/// in lower case with hyphens or underscores; where the three spell one differently, the spelling is listed here.
/// </summary>
internal static class FeatureNames
{
    /// <summary>The feature without which no component can be enabled.</summary>
    public const string Xsave = "xsave";

    // Spelling elsewhere → the manual's.
    private static readonly (string Spelling, string Feature)[] OtherSpellings =
    [
        ("shstk", "CET_SS"), ("user_shstk", "CET_SS"), ("cet-ss", "CET_SS"), ("ibt", "CET_IBT"), ("cet-ibt", "CET_IBT"), ("apxf", "APX_F"),
            ("apx-f", "APX_F"), ("apx", "APX_F"),
        // Node Feature Discovery's.
        ("amxtile", "AMX_TILE"), ("cetss", "CET_SS"), ("cetibt", "CET_IBT"),
    ];

    // QEMU's names (qemu-system-x86_64 -cpu help, target/i386/cpu.c) that are not the manual's in lower case with hyphens.
    private static readonly FrozenDictionary<CpuidFeature, string> QemuNames = new Dictionary<CpuidFeature, string>
    {
        [CpuidFeatures.Sse3] = "pni",
        [CpuidFeatures.Sse41] = "sse4.1",
        [CpuidFeatures.Sse42] = "sse4.2",
        [CpuidFeatures.Clfsh] = "clflush",
        [CpuidFeatures.Htt] = "ht",
        [CpuidFeatures.Sha] = "sha-ni",
        [CpuidFeatures.Avx512Ifma] = "avx512ifma",
        [CpuidFeatures.Avx512Vbmi] = "avx512vbmi",
        [CpuidFeatures.Avx512Vbmi2] = "avx512vbmi2",
        [CpuidFeatures.Avx512Vnni] = "avx512vnni",
        [CpuidFeatures.Avx512Bitalg] = "avx512bitalg",
        [CpuidFeatures.CetSs] = "shstk",
        [CpuidFeatures.CetIbt] = "ibt",
        [CpuidFeatures.Tsxldtrk] = "tsx-ldtrk",
        [CpuidFeatures.Prefetchi] = "prefetchiti",
        [CpuidFeatures.ApxF] = "apxf",
        [CpuidFeatures.Lzcnt] = "abm",
        [CpuidFeatures.Prefetchw] = "3dnowprefetch",
        [CpuidFeatures.Ffxsr] = "fxsr-opt",
        [CpuidFeatures.Eist] = "est",
        [CpuidFeatures.CnxtId] = "cid",
        [CpuidFeatures.Psn] = "pn",
        [CpuidFeatures.SgxLc] = "sgxlc",
        [CpuidFeatures.IbrsIbpb] = "spec-ctrl",
        [CpuidFeatures.L1dFlush] = "flush-l1d",
        [CpuidFeatures.CoreCapabilities] = "core-capability",
        [CpuidFeatures.Cr8Legacy] = "cr8legacy",
        [CpuidFeatures.LfenceRdtsc] = "lfence-always-serializing",
        [CpuidFeatures.Autoibrs] = "auto-ibrs",
    }.ToFrozenDictionary();

    // What QEMU up to 10 has no property for: it follows another feature, or is not given to guests at all.
    private static readonly FrozenSet<CpuidFeature> WithoutQemuName = new[]
    {
        CpuidFeatures.Osxsave, CpuidFeatures.Ospke, CpuidFeatures.Hwp, CpuidFeatures.Hdc, CpuidFeatures.Enqcmd, CpuidFeatures.Uintr,
            CpuidFeatures.Kl, CpuidFeatures.Aeskle, CpuidFeatures.WideKl,
        CpuidFeatures.AmxInt81e, CpuidFeatures.AmxBf161e, CpuidFeatures.AmxComplex1e, CpuidFeatures.AmxFp161e, CpuidFeatures.AmxFp8,
            CpuidFeatures.AmxTf32, CpuidFeatures.AmxAvx512,
        CpuidFeatures.Pbndkb, CpuidFeatures.MsrImm, CpuidFeatures.Invlpgb,
        CpuidFeatures.AmxMovrs, CpuidFeatures.Avx10512, CpuidFeatures.ApxNciNddNf, CpuidFeatures.Ptwrite, CpuidFeatures.Prefetchwt1,
            CpuidFeatures.Rdpru, CpuidFeatures.Mcommit,
        CpuidFeatures.Sdbg, CpuidFeatures.RdtM, CpuidFeatures.RdtA, CpuidFeatures.Tme, CpuidFeatures.SgxKeys, CpuidFeatures.SrbdsCtrl,
        CpuidFeatures.RtmAlwaysAbort, CpuidFeatures.Hybrid, CpuidFeatures.Pconfig, CpuidFeatures.RaoInt, CpuidFeatures.Lass,
        CpuidFeatures.ArchPerfmonExt, CpuidFeatures.Hreset, CpuidFeatures.Msrlist, CpuidFeatures.InvdDisable, CpuidFeatures.Movrs,
        CpuidFeatures.UserMsr, CpuidFeatures.UiretUif, CpuidFeatures.CetSss, CpuidFeatures.Perftsc, CpuidFeatures.PerfctrLlc,
        CpuidFeatures.Monitorx, CpuidFeatures.AmdPrefetchi,
    }.ToFrozenSet();

    private static readonly FrozenDictionary<string, CpuidFeature> Features = IndexFeatures();

    private static readonly FrozenDictionary<string, StateComponentSet> Components = Index();

    /// <summary>The feature of a name, by the manual, QEMU, libvirt or Linux; null for one that is not known.</summary>
    public static CpuidFeature? FeatureOf(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return Features.GetValueOrDefault(Normalize(name));
    }

    /// <summary>What QEMU and libvirt call a feature; null for one that they have no name for.</summary>
    public static string? QemuNameOf(CpuidFeature feature)
    {
        ArgumentNullException.ThrowIfNull(feature);
        return WithoutQemuName.Contains(feature) ? null : QemuNames.GetValueOrDefault(feature, Normalize(feature.Name));
    }

    /// <summary>The components that a feature brings; empty for the many features without state of their own.</summary>
    public static StateComponentSet ComponentsOf(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return Components.GetValueOrDefault(Normalize(name), StateComponentSet.Empty);
    }

    // QEMU and libvirt write amx-tile, Linux amx_tile, and libvirt keeps underscores in some older names.
    private static string Normalize(string name) => name.ToLowerInvariant().Replace('_', '-');

    private static FrozenDictionary<string, CpuidFeature> IndexFeatures()
    {
        Dictionary<string, CpuidFeature> index = [];
        foreach (CpuidFeature feature in CpuidFeatures.All)
        {
            index[Normalize(feature.Name)] = feature;
        }

        foreach ((CpuidFeature feature, string name) in QemuNames)
        {
            index.TryAdd(Normalize(name), feature);
        }

        foreach ((string spelling, string name) in OtherSpellings)
        {
            index.TryAdd(Normalize(spelling), index[Normalize(name)]);
        }

        return index.ToFrozenDictionary();
    }

    private static FrozenDictionary<string, StateComponentSet> Index()
    {
        Dictionary<string, StateComponentSet> index = [];
        foreach (StateComponentInfo info in StateComponents.All)
        {
            foreach (CpuidFeature feature in info.Features)
            {
                Add(feature.Name, info.Bit);
                foreach ((string spelling, _) in OtherSpellings.Where(other => other.Feature == feature.Name))
                {
                    Add(spelling, info.Bit);
                }
            }
        }

        return index.ToFrozenDictionary();

        void Add(string name, StateComponentSet component)
        {
            string key = Normalize(name);
            index[key] = index.GetValueOrDefault(key, StateComponentSet.Empty) | component;
        }
    }
}
