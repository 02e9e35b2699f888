using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Findings;
using static Xstate.Lint.LintSink;

namespace Xstate.Lint;

/// <summary>Rules about features that build upon others, and about the leaves that must exist for them.</summary>
internal static class FeatureRules
{
    private static readonly ImmutableArray<CpuidFeature> NeedAvx =
    [
        CpuidFeatures.Avx2, CpuidFeatures.Fma, CpuidFeatures.F16c, CpuidFeatures.Xop, CpuidFeatures.Fma4, CpuidFeatures.Vaes,
            CpuidFeatures.Vpclmulqdq,
        CpuidFeatures.AvxVnni,
    ];

    private static readonly ImmutableArray<CpuidFeature> NeedAvx512f =
    [
        CpuidFeatures.Avx512dq, CpuidFeatures.Avx512Ifma, CpuidFeatures.Avx512pf, CpuidFeatures.Avx512er, CpuidFeatures.Avx512cd,
            CpuidFeatures.Avx512bw,
        CpuidFeatures.Avx512vl, CpuidFeatures.Avx512Vbmi, CpuidFeatures.Avx512Vbmi2, CpuidFeatures.Avx512Vnni, CpuidFeatures.Avx512Bitalg,
        CpuidFeatures.Avx512Vpopcntdq, CpuidFeatures.Avx5124vnniw, CpuidFeatures.Avx5124fmaps, CpuidFeatures.Avx512Vp2intersect,
            CpuidFeatures.Avx512Fp16,
        CpuidFeatures.Avx512Bf16,
    ];

    private static readonly ImmutableArray<CpuidFeature> NeedAvx512bw =
    [
        CpuidFeatures.Avx512Vbmi, CpuidFeatures.Avx512Vbmi2, CpuidFeatures.Avx512Bitalg, CpuidFeatures.Avx512Bf16, CpuidFeatures.Avx512Fp16,
    ];

    private static readonly ImmutableArray<CpuidFeature> NeedAvx512vl =
    [
        CpuidFeatures.Avx512Vbmi2, CpuidFeatures.Avx512Vnni, CpuidFeatures.Avx512Bitalg, CpuidFeatures.Avx512Bf16,
            CpuidFeatures.Avx512Vp2intersect,
    ];

    private static readonly ImmutableArray<CpuidFeature> NeedAvx2 =
    [
        CpuidFeatures.Vaes, CpuidFeatures.Vpclmulqdq, CpuidFeatures.AvxVnni, CpuidFeatures.AvxIfma, CpuidFeatures.AvxVnniInt8,
            CpuidFeatures.AvxVnniInt16,
        CpuidFeatures.Sha512, CpuidFeatures.Sm4,
    ];

    private static readonly ImmutableArray<CpuidFeature> NeedLongMode = [CpuidFeatures.AmxTile, CpuidFeatures.ApxF, CpuidFeatures.Uintr,
        CpuidFeatures.Pku];

    /// <summary>The highest leaf that a feature needs. Rule L38 speaks of APX's, the last row.</summary>
    internal static readonly ImmutableArray<(CpuidFeature Feature, uint Leaf)> NeedLeaf =
    [
        (CpuidFeatures.IntelPt, 0x14), (CpuidFeatures.Kl, 0x19), (CpuidFeatures.ArchLbr, 0x1C), (CpuidFeatures.AmxTile, 0x1E),
            (CpuidFeatures.Avx10, 0x24),
        (CpuidFeatures.ApxF, 0x29),
    ];

    /// <summary>Features with what they cannot do without, for taking them away.</summary>
    internal static ImmutableArray<(ImmutableArray<CpuidFeature> Features, CpuidFeature Needs)> Dependencies { get; } =
    [
        ([CpuidFeatures.Avx, CpuidFeatures.Mpx, CpuidFeatures.Pku, CpuidFeatures.AmxTile, CpuidFeatures.ApxF, CpuidFeatures.Lwp],
            CpuidFeatures.Xsave),
        ([.. NeedAvx, .. NeedAvx2, CpuidFeatures.Sm3, CpuidFeatures.AvxNeConvert], CpuidFeatures.Avx),
        (NeedAvx2, CpuidFeatures.Avx2),
        ([CpuidFeatures.Avx512f, CpuidFeatures.Avx10], CpuidFeatures.Avx2),
        ([.. NeedAvx512f, CpuidFeatures.Avx10], CpuidFeatures.Avx512f),
        (NeedAvx512bw, CpuidFeatures.Avx512bw),
        (NeedAvx512vl, CpuidFeatures.Avx512vl),
        ([CpuidFeatures.Vaes], CpuidFeatures.Aes),
        ([CpuidFeatures.Vpclmulqdq], CpuidFeatures.Pclmulqdq),
        (NeedLongMode, CpuidFeatures.Lm),
        ([CpuidFeatures.Ffxsr], CpuidFeatures.Lm),
        ([CpuidFeatures.Xsaves, CpuidFeatures.Xgetbv1], CpuidFeatures.Xsavec),
        ([CpuidFeatures.Xfd], CpuidFeatures.Xgetbv1),
        ([CpuidFeatures.Xfd, CpuidFeatures.CetSs, CpuidFeatures.CetIbt, CpuidFeatures.Uintr, CpuidFeatures.Enqcmd], CpuidFeatures.Xsaves),
        ([CpuidFeatures.CetSss], CpuidFeatures.CetSs),
        ([CpuidFeatures.AmxTile], CpuidFeatures.Xfd),
    ];

    private static readonly LintBreak Undefined = new(
        LintGuest.Any, "a program picks a path whose instructions or registers are not there: #UD",
        "SDM Vol. 1, 14.3 and 15.2; Xen xen/tools/gen-cpuid.py");

    /// <summary>The rules.</summary>
    public static ImmutableArray<LintRule> All { get; } =
    [
        new("XS1418", "L18", Severity.Error, "What is encoded with VEX needs AVX", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            CheckAll(cpuid, ref sink, NeedAvx, CpuidFeatures.Avx, sink.Usual);
            if (cpuid.HasXsave && cpuid.Has(CpuidFeatures.Avx10) && cpuid.CanJudgeXsaveLeaf && (cpuid.User & 0xE0) == 0)
            {
                sink.Add(LintPlace.Of(CpuidFeatures.Avx10), "AVX10 is shown and leaf 0xd.0 does not offer the components of AVX-512", "1",
                    "0");
            }
        })
        {
            Breaks = [Undefined],
            Mend = "Hide the feature, or show AVX with its component.",
        },
        new("XS1467", "N17", Severity.Error, "AVX-512's parts need AVX512F, and that AVX2",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            CheckAll(cpuid, ref sink, NeedAvx512f, CpuidFeatures.Avx512f, Severity.Error);
            if (cpuid.Has(CpuidFeatures.Avx512f))
            {
                CheckOne(cpuid, ref sink, CpuidFeatures.Avx512f, CpuidFeatures.Avx2, Severity.Error);
                CheckAll(cpuid, ref sink, NeedAvx512bw, CpuidFeatures.Avx512bw, Severity.Warning);
                CheckAll(cpuid, ref sink, NeedAvx512vl, CpuidFeatures.Avx512vl, Severity.Warning);
            }
        })
        {
            Breaks = [Undefined, new(LintGuest.Linux, "clears the dependants too", "Linux arch/x86/kernel/cpu/cpuid-deps.c")],
            Mend = "Hide the feature, or show what it needs.",
        },
        new("XS1468", "N18", Severity.Warning, "Extensions of AVX need AVX2 and the SSE form that they extend",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            CheckOne(cpuid, ref sink, CpuidFeatures.Vaes, CpuidFeatures.Aes, Severity.Warning);
            CheckOne(cpuid, ref sink, CpuidFeatures.Vpclmulqdq, CpuidFeatures.Pclmulqdq, Severity.Warning);
            if (cpuid.Has(CpuidFeatures.Avx))
            {
                CheckAll(cpuid, ref sink, NeedAvx2, CpuidFeatures.Avx2, Severity.Warning);
                return;
            }

            // Rule L18 has the first three without AVX.
            CheckAll(cpuid, ref sink, NeedAvx2[3..], CpuidFeatures.Avx, Severity.Error);
            CheckOne(cpuid, ref sink, CpuidFeatures.Sm3, CpuidFeatures.Avx, Severity.Error);
            CheckOne(cpuid, ref sink, CpuidFeatures.AvxNeConvert, CpuidFeatures.Avx, Severity.Error);
        })
        {
            Breaks = [Undefined],
            Mend = "Hide the feature, or show what it needs. BMI, GFNI and SHA need neither: processors have them without AVX.",
        },
        new("XS1431", "L31", Severity.Error, "XSAVES needs XSAVEC", static (in LintSubject cpuid, ref LintSink sink) =>
            CheckOne(cpuid, ref sink, CpuidFeatures.Xsaves, CpuidFeatures.Xsavec, sink.Usual))
        {
            Breaks = [new(LintGuest.Any, "XRSTORS reads the compacted format only", "SDM Vol. 1, 13.2")],
            Mend = "Show XSAVEC, or hide XSAVES.",
        },
        new("XS1432", "L32", Severity.Warning, "Supervisor components need XSAVES", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (cpuid.CanJudgeXsaveLeaf && cpuid.Supervisor != 0 && !cpuid.Has(CpuidFeatures.Xsaves))
            {
                sink.Add(new LintPlace(CpuidTable.XsaveLeaf, 1, CpuidRegister.Ecx),
                    "leaf 0xd.1 offers components that only XSAVES reaches", Hex(cpuid.Supervisor), "0x0");
            }
        })
        {
            Breaks = [new(LintGuest.Any, "the state cannot be reached", "SDM Vol. 1, 13.2")],
            Mend = "Zero ECX and EDX of leaf 0xD.1 with their sub-leaves, or show XSAVES.",
        },
        new("XS1433", "L33", Severity.Error, "XFD and tile data come together", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (!cpuid.CanJudgeXsaveLeaf || cpuid.IsUnknown(LintLeaf.LeafDSub1))
            {
                return;
            }

            bool xfd = cpuid.Has(CpuidFeatures.Xfd);
            bool tiles = cpuid.HasUser(StateComponent.TileData) && cpuid.HasUser(StateComponent.TileCfg);
            bool flag = (cpuid.Component((int)StateComponent.TileData).Ecx & 4) != 0;
            if (tiles && !xfd)
            {
                sink.Add(LintPlace.Of(CpuidFeatures.Xfd), "tile data is offered without XFD", "0", "1");
            }
            else if (tiles && !flag && (cpuid.FilledComponents >> (int)StateComponent.TileData & 1) != 0)
            {
                sink.Add(LintPlace.OfSubleaf(18, CpuidRegister.Ecx, 2, 2),
                    "the sub-leaf of tiledata does not say that IA32_XFD can disable it", "0", "1");
            }
            else if (xfd && !tiles)
            {
                sink.Add(Severity.Warning, LintPlace.Of(CpuidFeatures.Xfd), "XFD is shown and no component can be disabled", "1", "0");
            }
        })
        {
            Breaks = [new(LintGuest.Linux, "drops tile data without XFD: AMX is gone without a word",
                "Linux arch/x86/kernel/fpu/xstate.c")],
            Mend = "Show XFD with AMX and ECX[2] of sub-leaf 0x12, or hide all of it.",
        },
        new("XS1434", "L34 N06", Severity.Error, "XFD needs XSAVES and XGETBV1", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            CheckOne(cpuid, ref sink, CpuidFeatures.Xfd, CpuidFeatures.Xsaves, sink.Usual);
            CheckOne(cpuid, ref sink, CpuidFeatures.Xfd, CpuidFeatures.Xgetbv1, sink.Usual);
        })
        {
            Breaks = [new(LintGuest.Linux, "clears XFD, and with it AMX",
                "Linux arch/x86/kernel/cpu/cpuid-deps.c; seen in OpenVMM issue 708")],
            Mend = "Set 0xD.1 EAX[2] and EAX[3], or hide XFD and AMX.",
        },
        new("XS1435", "L35", Severity.Info, "XGETBV1 comes with XSAVEC", static (in LintSubject cpuid, ref LintSink sink) =>
            CheckOne(cpuid, ref sink, CpuidFeatures.Xgetbv1, CpuidFeatures.Xsavec, Severity.Info))
        {
            Breaks = [new(LintGuest.Any, "no processor is like that", "Survey of 1,007 dumps")],
            Mend = "Show XSAVEC, or hide XGETBV1.",
        },
        new("XS1437", "L37", Severity.Error, "AVX10 has a version", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (cpuid.Has(CpuidFeatures.Avx10) && cpuid.MaxBasic >= 0x24 && !cpuid.IsUnknown(LintLeaf.Leaf24)
                && (cpuid[LintLeaf.Leaf24].Ebx & 0xFF) == 0)
            {
                sink.Add(new LintPlace(0x24, 0, CpuidRegister.Ebx, 7, 0), "AVX10 is shown with version 0", "0", "at least 1");
            }
        })
        {
            Breaks = [new(LintGuest.Any, "programs see a version that does not exist", "Intel AVX10 architecture specification")],
            Mend = "Copy leaf 0x24 from the processor that runs the guest, or hide AVX10.",
        },
        new("XS1438", "L38", Severity.Error, "APX needs leaf 0x29", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (cpuid.Has(CpuidFeatures.ApxF) && cpuid.MaxBasic < 0x29)
            {
                sink.Add(new LintPlace(0, 0, CpuidRegister.Eax), "APX is shown and the highest leaf is below 0x29", Hex(cpuid.MaxBasic),
                    "at least 0x29");
            }
        })
        {
            Breaks = [new(LintGuest.Any, "programs cannot see which instructions of APX there are",
                "Intel APX architecture specification, 3.1.4")],
            Mend = "Raise leaf 0 EAX and fill leaf 0x29.",
        },
        new("XS1441", "L41", Severity.Warning, "FFXSR needs long mode", static (in LintSubject cpuid, ref LintSink sink) =>
            CheckOne(cpuid, ref sink, CpuidFeatures.Ffxsr, CpuidFeatures.Lm, Severity.Warning))
        {
            Breaks = [new(LintGuest.Any, "writing EFER[14] is #GP", "APM Vol. 2, 3.1.7")],
            Mend = "Hide FFXSR.",
        },
        new("XS1460", "N10", Severity.Error, "The highest leaf covers what is shown", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            foreach ((CpuidFeature feature, uint leaf) in NeedLeaf)
            {
                if (feature != CpuidFeatures.ApxF && cpuid.Has(feature) && cpuid.MaxBasic < leaf)
                {
                    sink.Add(new LintPlace(0, 0, CpuidRegister.Eax), $"{feature.Name} is shown and the highest leaf is below {Hex(leaf)}",
                        Hex(cpuid.MaxBasic), $"at least {Hex(leaf)}");
                }
            }
        })
        {
            Breaks = [new(LintGuest.Any, "the leaf is never read, or answers what the highest basic leaf answers", "SDM Vol. 2A, CPUID")],
            Mend = "Raise leaf 0 EAX and fill the leaf, or hide the feature.",
        },
        new("XS1461", "N11", Severity.Warning, "7.0 EAX counts the sub-leaves", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            uint last = cpuid[LintLeaf.Leaf7].Eax;
            uint filled = !cpuid[LintLeaf.Leaf7Sub2].IsZero ? 2u : !cpuid[LintLeaf.Leaf7Sub1].IsZero ? 1u : 0u;
            if (!cpuid.IsUnknown(LintLeaf.Leaf7) && filled > last)
            {
                sink.Add(new LintPlace(7, 0, CpuidRegister.Eax),
                    $"leaf 7.{filled} has bits and leaf 7.0 EAX says that {last} is the last sub-leaf", Number(last), $"at least {filled}");
            }
        })
        {
            Breaks = [new(LintGuest.Linux, "does not read the sub-leaf: AVX-VNNI, APX and AVX10 vanish",
                "Linux arch/x86/kernel/cpu/common.c")],
            Mend = "Raise EAX of leaf 7.0, or zero the sub-leaf.",
        },
        new("XS1465", "N15", Severity.Warning, "AMX, APX, UINTR and PKU need long mode", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (!cpuid.IsUnknown(LintLeaf.Extended1))
            {
                CheckAll(cpuid, ref sink, NeedLongMode, CpuidFeatures.Lm, Severity.Warning);
            }
        })
        {
            Breaks = [new(LintGuest.Any, "the feature exists in 64-bit mode only", "Xen xen/tools/gen-cpuid.py")],
            Mend = "Hide the feature, or show LM.",
        },
        new("XS1466", "N16", Severity.Warning, "AVX10 has vector lengths and AVX512F", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (!cpuid.Has(CpuidFeatures.Avx10))
            {
                return;
            }

            if (cpuid.MaxBasic >= 0x24 && !cpuid.IsUnknown(LintLeaf.Leaf24) && (cpuid[LintLeaf.Leaf24].Ebx >> 16 & 7) == 0)
            {
                sink.Add(new LintPlace(0x24, 0, CpuidRegister.Ebx, 18, 16), "AVX10 is shown without a vector length", "0x0", "0x7");
            }

            CheckOne(cpuid, ref sink, CpuidFeatures.Avx10, CpuidFeatures.Avx512f, Severity.Error);
        })
        {
            Breaks = [new(LintGuest.Any, "programs use lengths that are not told",
                "Intel AVX10 architecture specification; Granite Rapids has 0x70001")],
            Mend = "Copy leaf 0x24 from the processor that runs the guest, or hide AVX10.",
        },
    ];

    // While XSAVE is hidden rule N24 lists what depends on it, once.
    private static void CheckAll(in LintSubject cpuid, ref LintSink sink, ImmutableArray<CpuidFeature> features, CpuidFeature needs,
        Severity severity)
    {
        foreach (CpuidFeature feature in features)
        {
            CheckOne(cpuid, ref sink, feature, needs, severity);
        }
    }

    private static void CheckOne(in LintSubject cpuid, ref LintSink sink, CpuidFeature feature, CpuidFeature needs, Severity severity)
    {
        if (cpuid.Has(feature) && !cpuid.Has(needs) && !IsHiddenWithXsave(cpuid, needs))
        {
            sink.AddMissing(severity, feature, needs.Name);
        }
    }

    private static bool IsHiddenWithXsave(in LintSubject cpuid, CpuidFeature needs) => needs == CpuidFeatures.Avx && !cpuid.HasXsave;
}
