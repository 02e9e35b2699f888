using System.Collections.Immutable;
using System.Numerics;
using Xstate.Architecture;
using Xstate.Findings;
using static Xstate.Lint.LintSink;

namespace Xstate.Lint;

/// <summary>Rules about the masks of leaf 0xD, and XSAVE itself.</summary>
internal static class XsaveLeafRules
{
    private static readonly ulong KnownUser = StateComponents.UserComponents.Bits;
    private static readonly ulong KnownSupervisor = StateComponents.SupervisorComponents.Bits;

    // Features that mean nothing without XSAVE. SSE and FXSR work without it.
    private static readonly ImmutableArray<CpuidFeature> NeedXsave =
    [
        CpuidFeatures.Avx, CpuidFeatures.Avx2, CpuidFeatures.Fma, CpuidFeatures.F16c, CpuidFeatures.Xop, CpuidFeatures.Fma4,
            CpuidFeatures.Lwp,
        CpuidFeatures.Avx512f, CpuidFeatures.Mpx, CpuidFeatures.Pku, CpuidFeatures.AmxTile, CpuidFeatures.ApxF, CpuidFeatures.Avx10,
        CpuidFeatures.CetSs, CpuidFeatures.CetIbt, CpuidFeatures.Uintr, CpuidFeatures.Enqcmd,
    ];

    private static readonly LintBreak XsetbvFaults = new(
        LintGuest.Any, "XSETBV with what leaf 0xD.0 offers is #GP at boot", "SDM Vol. 1, 13.3; APM Vol. 2, 11.5.2");

    private static readonly LintBreak NestedXen = new(
        LintGuest.Xen, "BUG_ON of a mask that is no valid XCR0 stops the boot", "Xen xen/arch/x86/xstate.c, valid_xcr0");

    /// <summary>The rules.</summary>
    public static ImmutableArray<LintRule> All { get; } =
    [
        new("XS1401", "L01", Severity.Error, "XSAVE needs leaf 0xD", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (cpuid.HasXsave && cpuid.MaxBasic < CpuidTable.XsaveLeaf)
            {
                sink.Add(new LintPlace(0, 0, CpuidRegister.Eax), "XSAVE is shown and the highest leaf is below 0xd", Hex(cpuid.MaxBasic),
                    "at least 0xd");
            }
        })
        {
            Breaks =
            [
                new(LintGuest.Any, "the sizes of the area are read from a leaf that is not there", "SDM Vol. 2A, CPUID leaf 0"),
                new(LintGuest.Linux, "does without XSAVE and AVX and logs: CPU feature xsave disabled, no CPUID level 0xd",
                    "arch/x86/kernel/cpu/common.c, booted on 6.1") { IsSurvived = true },
            ],
            Mend = "Raise leaf 0 EAX to 0xd or above, with leaf 0xD filled, or hide XSAVE and everything that needs it.",
        },
        new("XS1402", "L02", Severity.Warning, "Without XSAVE leaf 0xD is zero", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (!cpuid.HasXsave && !cpuid.IsUnknown(LintLeaf.Leaf1) && !ShowsDependent(cpuid)
                && (!cpuid[LintLeaf.LeafD].IsZero || !cpuid[LintLeaf.LeafDSub1].IsZero || cpuid.FilledComponents != 0))
            {
                sink.Add(new LintPlace(CpuidTable.XsaveLeaf, 0), "leaf 0xd has contents and leaf 1 has no XSAVE", Hex(cpuid.User), "zeros");
            }
        })
        {
            Breaks = [new(LintGuest.Any, "software that reads leaf 0xD without looking at XSAVE takes an area size from it",
                "SDM Vol. 1, 13.2")],
            Mend = "Zero leaf 0xD, or show XSAVE.",
        },
        new("XS1403", "L03 N26", Severity.Error, "XSAVE comes with x87 and SSE", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (cpuid.HasXsave && cpuid.MaxBasic >= CpuidTable.XsaveLeaf && !cpuid.IsUnknown(LintLeaf.LeafD) && (cpuid.User & 3) != 3)
            {
                sink.Add(LintPlace.OfComponent(0) with { HighBit = 1 }, "leaf 0xd.0 does not offer x87 and SSE", Hex(cpuid.User & 3),
                    "0x3");
            }
        })
        {
            Breaks =
            [
                new(LintGuest.Any, "XSETBV of 3 is #GP", "SDM Vol. 1, 13.3"),
                new(LintGuest.FreeBsd, "panics: the CPU does not support X87 or SSE", "FreeBSD sys/amd64/amd64/fpu.c"),
            ],
            Mend = "Set bits 0 and 1 of leaf 0xD.0 EAX, or hide XSAVE.",
        },
        new("XS1404", "L04", Severity.Error, "OSXSAVE is CR4.OSXSAVE", static (in LintSubject cpuid, ref LintSink sink) =>
            CheckMirror(cpuid, ref sink, CpuidFeatures.Osxsave, 18, CpuidFeatures.Xsave))
        {
            Views = LintView.Virtual & ~LintView.Kvm,
            Breaks = [new(LintGuest.Any, "the C library runs XGETBV and gets #UD, or leaves AVX unused", "SDM Vol. 2A, CPUID leaf 1")],
            Mend = "Compute CPUID.1:ECX[27] from CR4 at each CPUID.",
        },
        new("XS1405", "L05", Severity.Error, "OSPKE is CR4.PKE", static (in LintSubject cpuid, ref LintSink sink) =>
            CheckMirror(cpuid, ref sink, CpuidFeatures.Ospke, 22, CpuidFeatures.Pku))
        {
            Views = LintView.Virtual & ~LintView.Kvm,
            Breaks = [new(LintGuest.Any, "user code runs WRPKRU and gets #UD, or leaves protection keys unused",
                "SDM Vol. 2A, CPUID leaf 7")],
            Mend = "Compute CPUID.7.0:ECX[4] from CR4 at each CPUID.",
        },
        new("XS1406", "L06", Severity.Error, "XSAVE needs FXSR, SSE and SSE2", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            foreach (CpuidFeature feature in (ReadOnlySpan<CpuidFeature>)[CpuidFeatures.Fxsr, CpuidFeatures.Sse, CpuidFeatures.Sse2])
            {
                if (cpuid.HasXsave && !cpuid.Has(feature))
                {
                    sink.Add(LintPlace.Of(feature), $"XSAVE is shown without {feature.Name}", "0", "1");
                }
            }
        })
        {
            Breaks = [new(LintGuest.Any, "kernels save the legacy region of every thread", "SDM Vol. 1, 13.1")],
            Mend = "Show FXSR, SSE and SSE2, or hide XSAVE.",
        },
        new("XS1407", "L07", Severity.Error, "No component is enabled by XCR0 and by IA32_XSS",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            ulong both = cpuid.User & cpuid.Supervisor & ~XsaveFormat.CompactedFlag;
            if (cpuid.CanJudgeXsaveLeaf && both != 0)
            {
                sink.Add(
                    LintPlace.OfComponent(BitOperations.TrailingZeroCount(both), supervisor: true),
                    $"leaf 0xd.0 and 0xd.1 both offer {new StateComponentSet(both).Describe()}", Hex(cpuid.Supervisor),
                    Hex(cpuid.Supervisor & ~both));
            }
        })
        {
            Breaks = [new(LintGuest.Any, "the compacted layout has one place for two", "SDM Vol. 1, 13.2")],
            Mend = "Clear the bit in the mask that does not own the component.",
        },
        new("XS1408", "L08", Severity.Error, "Each mask offers components of its own kind",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (cpuid.CanJudgeXsaveLeaf)
            {
                CheckMask(ref sink, cpuid.User & ~cpuid.Supervisor & 0xFFFF_FFFF, KnownUser, KnownSupervisor, supervisor: false);
                CheckMask(ref sink, cpuid.Supervisor & ~cpuid.User, KnownSupervisor, KnownUser, supervisor: true);
            }
        })
        {
            Breaks = [new(LintGuest.Any, "XSETBV takes a supervisor component, or WRMSR of IA32_XSS a user one", "SDM Vol. 1, 13.1")],
            Mend = "Move the bit to the other mask. A bit that no manual names: hide it until its meaning is known.",
        },
        new("XS1409", "L09", Severity.Error, "Bit 63 is no component", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (cpuid.CanJudgeXsaveLeaf && ((cpuid.User | cpuid.Supervisor) & XsaveFormat.CompactedFlag) != 0)
            {
                bool supervisor = (cpuid.User & XsaveFormat.CompactedFlag) == 0;
                sink.Add(LintPlace.OfComponent(63, supervisor), "bit 63 is the flag of the compacted format", "1", "0");
            }
        })
        {
            Breaks = [new(LintGuest.Any, "the component's bit in XCOMP_BV is the format flag", "SDM Vol. 1, 13.4.2")],
            Mend = "Clear bit 63.",
        },
        Pair("XS1410", "L10", CpuidFeatures.Pku, StateComponent.Pkru, "PKU needs its component",
            [new(LintGuest.Linux, "sees PKU, cannot manage PKRU, and thrashes without a panic",
                "OpenBSD tech@, vmm and PKRU; Linux arch/x86/kernel/fpu/xstate.c")],
            "Set bit 9 of leaf 0xD.0 with its sub-leaf, or hide PKU."),
        new("XS1411", "L11", Severity.Warning, "PKRU's component needs PKU", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (cpuid.CanJudgeXsaveLeaf && cpuid.HasUser(StateComponent.Pkru) && !cpuid.Has(CpuidFeatures.Pku))
            {
                // Zen 2 announces the component without the instructions: 48 dumps.
                bool zen2 = cpuid.Processor is { IsAmdLike: true, Family: 0x17 };
                sink.Add(zen2 ? Severity.Info : Severity.Warning, LintPlace.OfComponent(9), "leaf 0xd.0 offers PKRU and leaf 7 has no PKU",
                    "1", "0");
            }
        })
        {
            Breaks = [new(LintGuest.Any, "PKRU is switched on a processor where WRPKRU is #UD", "SDM Vol. 1, 13.5.7")],
            Mend = "Clear bit 9 of leaf 0xD.0 and its sub-leaf, or show PKU.",
        },
        new("XS1412", "L12", Severity.Error, "AVX and its component come together", static (in LintSubject cpuid, ref LintSink sink) =>
            CheckBoth(cpuid, ref sink, CpuidFeatures.Avx, StateComponent.Avx))
        {
            Breaks = [new(LintGuest.Any, "XSETBV of 7 is #GP although AVX is shown; the other way round the state is dead",
                "SDM Vol. 1, 13.3")],
            Mend = "Show both or neither.",
        },
        new("XS1413", "L13 N27", Severity.Error, "AVX-512 has all three components, above AVX",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (CheckGroup(cpuid, ref sink, StateComponent.Opmask) && cpuid.CanJudgeXsaveLeaf)
            {
                if (cpuid.HasUser(StateComponent.Opmask) && !cpuid.HasUser(StateComponent.Avx))
                {
                    sink.Add(LintPlace.OfComponent(5) with { HighBit = 7 }, "the components of AVX-512 stand without AVX's",
                        Hex(cpuid.User), "bit 2");
                    return;
                }

                CheckBoth(cpuid, ref sink, CpuidFeatures.Avx512f, StateComponent.Opmask);
            }
        })
        {
            Breaks =
            [
                XsetbvFaults, NestedXen,
                new(LintGuest.FreeBsd, "drops a half group without a word", "FreeBSD sys/amd64/amd64/fpu.c"),
            ],
            Mend = "Offer bits 5 to 7 and AVX512F together, or none of them.",
        },
        new("XS1414", "L14", Severity.Error, "MPX has both components", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (CheckGroup(cpuid, ref sink, StateComponent.BndRegs))
            {
                CheckBoth(cpuid, ref sink, CpuidFeatures.Mpx, StateComponent.BndRegs, Severity.Warning);
            }
        })
        {
            Breaks = [XsetbvFaults, NestedXen],
            Mend = "Offer bits 3 and 4 and MPX together, or none of them.",
        },
        new("XS1415", "L15", Severity.Error, "AMX has both components", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (CheckGroup(cpuid, ref sink, StateComponent.TileCfg))
            {
                CheckBoth(cpuid, ref sink, CpuidFeatures.AmxTile, StateComponent.TileCfg, Severity.Warning);
            }
        })
        {
            Breaks =
            [
                new(LintGuest.Linux, "panics at boot: XSETBV is #GP", "Firecracker issue 5065; Linux arch/x86/kernel/fpu/xstate.c"),
                XsetbvFaults, NestedXen,
                new(LintGuest.FreeBsd, "does not drop half of AMX, so XSETBV is #GP", "FreeBSD sys/amd64/amd64/fpu.c"),
            ],
            Mend = "Offer bits 17 and 18 and AMX_TILE together, or none of them.",
        },
        new("XS1416", "L16", Severity.Error, "APX and its component come together", static (in LintSubject cpuid, ref LintSink sink) =>
            CheckBoth(cpuid, ref sink, CpuidFeatures.ApxF, StateComponent.Apx))
        {
            Breaks = [new(LintGuest.Any, "an instruction with r16 is #UD", "Intel APX architecture specification, 3.1.4")],
            Mend = "Show both or neither.",
        },
        new("XS1417", "L17", Severity.Error, "APX excludes MPX", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            bool components = cpuid.CanJudgeXsaveLeaf && cpuid.HasUser(StateComponent.Apx) && (cpuid.User & 0x18) != 0;
            if (components || (cpuid.Has(CpuidFeatures.ApxF) && cpuid.Has(CpuidFeatures.Mpx)))
            {
                sink.Add(
                    components ? LintPlace.OfComponent(3) with { HighBit = 4 } : LintPlace.Of(CpuidFeatures.Mpx),
                    "APX and MPX are both shown; both own bytes 960 to 1087 of the area", components ? Hex(cpuid.User & 0x18) : "1", "0");
            }
        })
        {
            Breaks =
            [
                new(LintGuest.Linux, "turns XSAVE off", "Linux arch/x86/kernel/fpu/xstate.c, 6.16") { Since = LinuxReleases.AnyOrder },
                new(LintGuest.Any, "XSETBV with both is #GP", "Intel APX architecture specification, 3.1.4"),
            ],
            Mend = "Hide MPX.",
        },
        new("XS1473", "N23", Severity.Error, "OSXSAVE needs XSAVE, OSPKE needs PKU", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (cpuid.Has(CpuidFeatures.Osxsave) && !cpuid.HasXsave)
            {
                sink.AddMissing(sink.Usual, CpuidFeatures.Osxsave, "XSAVE");
            }

            if (cpuid.Has(CpuidFeatures.Ospke) && !cpuid.Has(CpuidFeatures.Pku))
            {
                sink.AddMissing(sink.Usual, CpuidFeatures.Ospke, "PKU");
            }
        })
        {
            Breaks = [new(LintGuest.Any, "the C library trusts the OS bit and runs XGETBV or RDPKRU: #UD",
                "SDM Vol. 2A, CPUID leaves 1 and 7")],
            Mend = "Clear the OS bit, or show the feature.",
        },
        new("XS1474", "N24", Severity.Error, "What needs XSAVE is hidden with it", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (!cpuid.HasXsave && !cpuid.IsUnknown(LintLeaf.Leaf1) && ShowsDependent(cpuid))
            {
                List<string> names = [];
                foreach (CpuidFeature feature in NeedXsave)
                {
                    if (cpuid.Has(feature))
                    {
                        names.Add(feature.Name);
                    }
                }

                sink.Add(LintPlace.Of(CpuidFeatures.Xsave), $"XSAVE is hidden, and {string.Join(", ", names)} needs it", "0",
                    "1, or all of these hidden");
            }
        })
        {
            Breaks = [new(LintGuest.Any, "the first XGETBV is #UD, or AVX is used without being saved", "SDM Vol. 1, 14.3")],
            Mend = "Show XSAVE with leaf 0xD, or hide everything that is listed.",
        },
        new("XS1486", "N36", Severity.Warning, "The high half of the XCR0 mask is empty",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            uint high = cpuid[LintLeaf.LeafD].Edx & 0x3FFF_FFFF;
            if (cpuid.CanJudgeXsaveLeaf && high != 0)
            {
                sink.Add(new LintPlace(CpuidTable.XsaveLeaf, 0, CpuidRegister.Edx, 29, 0),
                    "leaf 0xd.0 EDX has bits that no manual names; the mask is EDX:EAX, not EBX:EAX", Hex(high), "0x0");
            }
        })
        {
            Breaks = [new(LintGuest.Any, "XSETBV takes bits that mean nothing", "OpenVMM issue 3307")],
            Mend = "Clear EDX but for bit 30, which is LWP's.",
        },
    ];

    private static bool ShowsDependent(in LintSubject cpuid)
    {
        foreach (CpuidFeature feature in NeedXsave)
        {
            if (cpuid.Has(feature))
            {
                return true;
            }
        }

        return false;
    }

    private static void CheckMirror(in LintSubject cpuid, ref LintSink sink, CpuidFeature feature, int bit, CpuidFeature of)
    {
        if (cpuid.Context.Cr4 is { } cr4 && cpuid.Has(of) && cpuid.Has(feature) != ((cr4 >> bit & 1) != 0))
        {
            string expected = Number((long)(cr4 >> bit & 1));
            sink.Add(LintPlace.Of(feature), $"{feature.Name} is not what CR4 says", expected == "1" ? "0" : "1", expected);
        }
    }

    private static void CheckMask(ref LintSink sink, ulong mask, ulong known, ulong other, bool supervisor)
    {
        for (ulong rest = mask & ~known & ~XsaveFormat.CompactedFlag; rest != 0; rest &= rest - 1)
        {
            int bit = BitOperations.TrailingZeroCount(rest);
            bool wrongMask = (other >> bit & 1) != 0;
            string name = StateComponents.NameOf((StateComponent)bit);
            string register = supervisor ? "0xd.1" : "0xd.0";
            sink.Add(
                wrongMask ? Severity.Error : Severity.Warning, LintPlace.OfComponent(bit, supervisor),
                wrongMask ? $"leaf {register} offers {name}, which the other mask owns"
                : $"leaf {register} offers bit {bit}, which no manual names", "1", "0");
        }
    }

    private static LintRule Pair(string id, string alias, CpuidFeature feature, StateComponent component, string title,
        ImmutableArray<LintBreak> breaks, string mend) =>
        new(id, alias, Severity.Error, title, (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (cpuid.CanJudgeXsaveLeaf && cpuid.Has(feature) && !cpuid.HasUser(component))
            {
                sink.Add(LintPlace.OfComponent((int)component),
                    $"{feature.Name} is shown and leaf 0xd.0 does not offer {StateComponents.NameOf(component)}", "0", "1");
            }
        })
        {
            Breaks = breaks,
            Mend = mend,
        };

    // The feature without the component is as bad as the rule says; the component without the feature is state that nobody uses.
    private static void CheckBoth(in LintSubject cpuid, ref LintSink sink, CpuidFeature feature, StateComponent component,
        Severity? without = null)
    {
        if (!cpuid.CanJudgeXsaveLeaf || cpuid.Has(feature) == cpuid.HasUser(component) || IsUnknownFeature(cpuid, feature))
        {
            return;
        }

        if (cpuid.Has(feature))
        {
            sink.Add(
                without ?? sink.Usual, LintPlace.OfComponent((int)component),
                $"{feature.Name} is shown and leaf 0xd.0 does not offer {StateComponents.NameOf(component)}", "0", "1");
        }
        else
        {
            sink.Add(Severity.Warning, LintPlace.Of(feature),
                $"leaf 0xd.0 offers {StateComponents.NameOf(component)} and {feature.Name} is not shown", "0", "1");
        }
    }

    private static bool IsUnknownFeature(in LintSubject cpuid, CpuidFeature feature) => feature.Leaf switch
    {
        1 => cpuid.IsUnknown(LintLeaf.Leaf1),
        7 => cpuid.IsUnknown(LintLeaf.Leaf7),
        _ => false,
    };

    // Whether a group is whole: all of it or none.
    private static bool CheckGroup(in LintSubject cpuid, ref LintSink sink, StateComponent first)
    {
        ulong group = StateComponents.Get(first).Group.Bits;
        ulong there = cpuid.User & group;
        if (!cpuid.CanJudgeXsaveLeaf || there == 0 || there == group)
        {
            return true;
        }

        int low = BitOperations.TrailingZeroCount(group);
        int high = 63 - BitOperations.LeadingZeroCount(group);
        sink.Add(LintPlace.OfComponent(low) with { HighBit = high },
            $"leaf 0xd.0 offers {new StateComponentSet(there).Describe()} without the rest of its group", Hex(there),
            $"0x0 or {Hex(group)}");
        return false;
    }
}
