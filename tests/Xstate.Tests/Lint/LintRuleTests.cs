using Xstate.Architecture;
using Xstate.Findings;
using Xstate.Lint;

namespace Xstate.Tests.Lint;

/// <summary>Each rule fires alone for the table that breaks it, and stays silent at its edge.</summary>
public sealed class LintRuleTests
{
    private static readonly LintContext Dump = LintContext.BareMetal;
    private static readonly LintContext Guest = LintContext.GuestView;
    private static readonly LintContext Kvm = LintContext.GuestView with { View = LintView.Kvm };

    private static readonly CpuidTable Server = LintTables.IntelServer;
    private static readonly CpuidTable Zen5 = LintTables.AmdZen5;

    private static readonly CpuidFeature[] NeedXsave =
        [CpuidFeatures.Avx, CpuidFeatures.Avx2, CpuidFeatures.Fma, CpuidFeatures.F16c];

    // The rule, what breaks it, what is just not broken.
    private static readonly (string Rule, CpuidTable Broken, CpuidTable Edge, LintContext Context)[] Cases =
    [
        ("L01", Zen2().With(0, 0, CpuidRegister.Eax, _ => 0xC), Zen2().With(0, 0, CpuidRegister.Eax, _ => 0xD), Guest),
        ("L02", NoXsave().With(0xD, 0, new CpuidRegisters(7, 0, 0, 0)), NoXsave(), Guest),
        ("L03", Legacy(1), Legacy(3), Dump),
        ("L04", Zen2().With(false, CpuidFeatures.Osxsave), Zen2(), Guest with { Cr4 = 1 << 18, Xcr0 = new(7) }),
        ("L05", Zen5, Zen5.With(true, CpuidFeatures.Ospke), Guest with { Cr4 = 1 << 18 | 1 << 22 }),
        ("L06", Zen2().With(false, CpuidFeatures.Fxsr).With(0x8000_0001, 0, CpuidRegister.Edx, v => v & ~(1u << 24)), Zen2(), Guest),
        ("L07", Server.With(0xD, 1, CpuidRegister.Ecx, v => v | 1), Server, Dump),
        ("L08", Server.WithUser(Server.UserComponents.Bits | 1UL << 43 >> 20).With(0xD, 23, new CpuidRegisters(64, 12288, 0, 0))
            .WithSizes(), Server, Dump),
        ("L09", Server.WithUser(Server.UserComponents.Bits | 1UL << 63), Server, Dump),
        ("L10", Without(Zen5, 9), Without(Zen5, 9).With(false, CpuidFeatures.Pku), Guest),
        ("L11", Server.With(false, CpuidFeatures.Pku), Server, Dump),
        ("L12", Zen2().WithUser(3).With(0xD, 2, default(CpuidRegisters)).WithSizes(), Zen2(), Dump),
        ("L13", Without(Server, 6).With(0xD, 7, CpuidRegister.Eax, v => v).WithSizes(), Server, Dump),
        ("L14", Without(LintTables.IntelMpx, 4), LintTables.IntelMpx, Dump),
        ("L15", Without(Server.With(false, CpuidFeatures.Xfd), 18).With(0xD, 18, default(CpuidRegisters)), Server, Dump),
        ("L16", Without(LintTables.IntelApx, 19), LintTables.IntelApx, Dump),
        ("L17", LintTables.IntelApx.With(true, CpuidFeatures.Mpx).WithUser(LintTables.IntelApx.UserComponents.Bits | 0x18)
            .With(0xD, 3, new CpuidRegisters(64, 960, 0, 0)).With(0xD, 4, new CpuidRegisters(64, 1024, 0, 0)).WithSizes(),
            LintTables.IntelApx, Dump),
        ("L18", NoAvx(), NoAvx().With(false, NeedXsave), Dump),
        ("L19", Zen5.With(0xD, 1, CpuidRegister.Ecx, _ => 0).With(0xD, 11, default(CpuidRegisters)).With(0xD, 12, default(CpuidRegisters)),
            Zen5, Guest),
        ("L20", Server.With(false, CpuidFeatures.IntelPt), Server, Dump),
        ("L21", Server.With(0xD, 0, CpuidRegister.Ecx, v => v - 8).With(0xD, 0, CpuidRegister.Ebx, _ => 2696)
            .With(0xD, 1, CpuidRegister.Ebx, _ => 2440), Server, Dump),
        ("L22", Server.With(0xD, 0, CpuidRegister.Ebx, _ => 900), Server.With(0xD, 0, CpuidRegister.Ebx, _ => 2752)
            .With(0xD, 0, CpuidRegister.Ebx, _ => 2696).With(0xD, 1, CpuidRegister.Ebx, _ => 2440), Dump),
        ("L23", Zen2().With(0xD, 1, CpuidRegister.Ebx, _ => 840), Zen2(), Guest with { Xcr0 = new(7), Xss = new(0) }),
        ("L24", Server.With(0xD, 5, new CpuidRegisters(0, 1088, 0, 0)), Server, Guest),
        ("L25", Zen2().With(0xD, 2, new CpuidRegisters(256, 512, 0, 0)), Zen2(), Dump),
        ("L26", Zen5.With(0xD, 11, CpuidRegister.Ebx, _ => 2440), Zen5, Dump),
        ("L27", Server.With(0xD, 9, CpuidRegister.Ebx, _ => 2684).WithSizes(), Server, Dump),
        ("L28", Zen2().With(0xD, 9, new CpuidRegisters(8, 832, 0, 0)), Zen2(), Dump),
        ("L29", Zen5.With(0xD, 9, CpuidRegister.Eax, _ => 16).WithSizes(), Zen5, Dump),
        ("L30", Server.With(0xD, 1, CpuidRegister.Eax, v => v | 1 << 5), Server, Dump),
        ("L31", Zen5.With(false, CpuidFeatures.Xsavec, CpuidFeatures.Xgetbv1), Zen5, Dump),
        ("L32", Zen5.With(false, CpuidFeatures.Xsaves, CpuidFeatures.CetSs), Zen5, Dump),
        ("L33", Server.With(false, CpuidFeatures.Xfd), Server, Dump),
        ("L34", Server.With(false, CpuidFeatures.Xgetbv1), Server, Dump),
        ("L35", Zen2().With(false, CpuidFeatures.Xsavec).With(0xD, 1, CpuidRegister.Ebx, _ => 0), Zen2(), Dump),
        ("L36", Server.With(0x1D, 1, default(CpuidRegisters)), Server, Guest),
        ("L37", Server.With(0x24, 0, CpuidRegister.Ebx, _ => 0x0007_0000), Server, Dump),
        ("L38", LintTables.IntelApx.With(0, 0, CpuidRegister.Eax, _ => 0x28), LintTables.IntelApx, Dump),
        ("L39", Server.With(true, CpuidFeatures.ZeroFcsFds), Server, Guest with { Host = Server }),
        ("L40", Zen5.With(true, CpuidFeatures.Xsaveerptr), Zen5, Guest with { Host = Zen5 }),
        ("L41", Zen2().With(true, CpuidFeatures.Ffxsr).With(false, CpuidFeatures.Lm), Zen2().With(true, CpuidFeatures.Ffxsr), Dump),
        ("L42", LintTables.AmdBulldozer.WithUser(7).With(0xD, 62, default(CpuidRegisters)).WithSizes(), LintTables.AmdBulldozer, Dump),
        ("L43", Zen5, Zen5, Guest with { Host = Zen5.With(0xD, 9, CpuidRegister.Ebx, _ => 2440) }),
        ("L44", Zen2(), Zen2(), Guest with { AcceptedXcr0 = new(3) }),
        ("L45", Server.With(true, CpuidFeatures.Pks), Server, Guest),
        ("L47", Zen2(), Zen2(), Guest with { AtStart = true, Xcr0 = new(7) }),
        ("L48", Zen2().With(true, CpuidFeatures.Xsaves), Zen2(), Guest),
        ("N01", Server.With(0xD, 1, CpuidRegister.Ebx, v => v + 4), Server, Dump),
        ("N02", Zen2().With(0xD, 1, CpuidRegister.Ebx, _ => 0), Zen2(), Dump),
        ("N03", LintTables.AmdBulldozer.With(false, CpuidFeatures.Xsavec, CpuidFeatures.Xgetbv1),
            LintTables.AmdBulldozer.With(false, CpuidFeatures.Xsavec, CpuidFeatures.Xgetbv1).With(0xD, 1, CpuidRegister.Ebx, _ => 0), Dump),
        ("N04", Zen2().With(false, CpuidFeatures.Osxsave), Zen2().With(false, CpuidFeatures.Osxsave).With(0xD, 0, CpuidRegister.Ebx,
            _ => 576).With(0xD, 1, CpuidRegister.Ebx, _ => 576), Guest),
        ("N05", Server.With(0xD, 9, CpuidRegister.Ecx, _ => 2), Server, Dump),
        ("N07", WithoutEntry(Server, 7), Server, Guest),
        ("N08", new CpuidTable([.. Zen2().Entries.Select(e => e.Leaf == 7 ? e with { SubleafSignificant = false } : e)]), Zen2(),
            Kvm with { HasIndexFlags = true }),
        ("N09", new CpuidTable([.. Zen2().Entries, Zen2().Entries[1]]), Zen2(), Dump),
        ("N10", Server.With(0, 0, CpuidRegister.Eax, _ => 0x23), Server, Dump),
        ("N11", Server.With(7, 0, CpuidRegister.Eax, _ => 1), Server, Dump),
        ("N12", LintTables.IntelMpx.With(true, CpuidFeatures.AmxInt8), LintTables.IntelMpx, Dump),
        ("N13", Server.With(0x1E, 1, CpuidRegister.Eax, v => v ^ 2), Server, Dump),
        ("N14", Server.With(0x1D, 1, CpuidRegister.Ecx, _ => 8).With(0x1E, 0, CpuidRegister.Ebx, _ => 0x4008), Server, Dump),
        ("N15", Zen5.With(false, CpuidFeatures.Lm), Zen5.With(false, CpuidFeatures.Lm, CpuidFeatures.Pku)
            .WithUser(Zen5.UserComponents.Bits & ~0x200UL).With(0xD, 9, default(CpuidRegisters)).WithSizes(), Dump),
        ("N16", Server.With(0x24, 0, CpuidRegister.Ebx, _ => 1), Server, Dump),
        ("N17", Zen5.With(false, CpuidFeatures.Avx512vl), Zen5, Dump),
        ("N18", Zen5.With(false, CpuidFeatures.Aes), Zen5.With(false, CpuidFeatures.Aes, CpuidFeatures.Vaes), Dump),
        ("N19", Zen5.With(0xD, 1, CpuidRegister.Ecx, _ => 0x800).With(0xD, 12, default(CpuidRegisters)), Zen5, Dump),
        ("N20", Server.With(false, CpuidFeatures.Uintr), Server, Dump),
        ("N21", Server.With(false, CpuidFeatures.Hdc), Server, Dump),
        ("N22", Server.With(0x1C, 0, CpuidRegister.Eax, _ => 0), Server.With(0x1C, 0, CpuidRegister.Eax, _ => 1), Dump),
        ("N23", NoXsave().With(true, CpuidFeatures.Osxsave), NoXsave(), Guest),
        ("N24", NoXsave().With(true, CpuidFeatures.Avx), NoXsave(), Guest),
        ("N28", Zen5.With(0xD, 5, CpuidRegister.Ebx, _ => 2500).WithSizes(), Zen5, Dump),
        ("N29", LintTables.IntelApx.With(0xD, 19, CpuidRegister.Ebx, _ => 11008).WithSizes(), LintTables.IntelApx, Dump),
        ("N30", Server.With(0xD, 9, CpuidRegister.Ecx, _ => 4), Server, Dump),
        ("N31", Zen5.With(0xD, 5, CpuidRegister.Ebx, _ => 1088).With(0xD, 6, CpuidRegister.Ebx, _ => 1152).With(0xD, 7, CpuidRegister.Ebx,
            _ => 1664).With(0xD, 9, CpuidRegister.Ebx, _ => 2688).WithSizes(), Zen5, Dump),
        ("N32", Zen5.With(true, CpuidFeatures.Pks), Zen5, Dump),
        ("N33", Zen2().With(0x8000_0001, 0, CpuidRegister.Edx, v => v ^ 1), Zen2(), Dump),
        ("N34", Zen5, Zen5, LintContext.GuestView with { View = LintView.Tdx, Xfam = new(0xE7) }),
        ("N35", LintTables.IntelServer, Zen5, LintContext.GuestView with { View = LintView.Snp }),
        ("N36", Server.WithUser(Server.UserComponents.Bits | 1UL << 40), Server, Dump),
        ("N37", Server, LintTables.IntelMpx, Kvm),
        ("N38", new CpuidTable([new CpuidEntry(0, 0, false, new CpuidRegisters(1, 0, 0, 0)),
            new CpuidEntry(1, 0, false, new CpuidRegisters(0x580, 0, 0x04EF_FF38, 1))]),
                new CpuidTable([new CpuidEntry(1, 0, false, new CpuidRegisters(0x580, 0, 0, 1))]), Dump),
    ];

    // Rules that another one covers in its table: a field that is wrong in two ways, named with the reason.
    private static readonly Dictionary<string, string> AlsoFires = new()
    {
        ["L07"] = "L26: bit 0 is no supervisor component either",
        ["L25"] = "N31: no processor has AVX state in the legacy region",
        ["L27"] = "N31: no processor has PKRU there",
        ["N28"] = "N31: no processor has the opmask registers there",
        ["N29"] = "N31: no processor has APX state there",
        ["L36"] = "N14: without a palette nothing fills component 18",
    };

    public static TheoryData<string> Names => [.. Cases.Select(c => c.Rule)];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_rule_fires_alone_and_is_silent_at_its_edge(string name)
    {
        (string rule, CpuidTable broken, CpuidTable edge, LintContext context) = Cases.Single(c => c.Rule == name);
        LintRule expected = LintRules.Find(rule)!;

        LintFinding[] found = [.. CpuidLint.Check(broken, context)];

        Assert.Contains(found, finding => finding.Rule == expected);
        if (!AlsoFires.ContainsKey(rule))
        {
            Assert.All(found, finding => Assert.True(finding.Rule == expected || finding.Severity == Severity.Info,
                $"{finding.Rule.Id} {finding.Place} {finding.Message}"));
        }

        LintContext edgeContext = ReferenceEquals(broken, edge)
            ? Guest with { View = context.View == LintView.Tdx ? LintView.Guest : context.View } : context;
        Assert.DoesNotContain(CpuidLint.Check(edge, edgeContext), finding => finding.Rule == expected);
    }

    [Fact]
    public void Every_rule_has_a_case_and_every_number_of_both_lists_a_rule()
    {
        HashSet<string> tested = [.. Cases.Select(c => LintRules.Find(c.Rule)!.Id)];
        Assert.Equal(["XS1209"], LintRules.All.Select(rule => rule.Id).Except(tested));
        for (int i = 1; i <= 48; i++)
        {
            Assert.NotNull(LintRules.Find($"L{i:00}"));
        }

        for (int i = 1; i <= 38; i++)
        {
            Assert.NotNull(LintRules.Find($"N{i:00}"));
        }

        Assert.Equal(LintRules.All.Length, LintRules.All.Select(rule => rule.Id).Distinct().Count());
        Assert.Equal(86, LintRules.All.SelectMany(rule => rule.Aliases).Distinct().Count());
    }

    [Fact]
    public void The_tables_of_the_tests_are_consistent()
    {
        foreach (CpuidTable table in LintTables.All)
        {
            Assert.DoesNotContain(CpuidLint.Check(table, Dump), finding => finding.Severity != Severity.Info);
        }
    }

    [Fact]
    public void Only_the_checks_of_the_guest_that_was_named_are_errors()
    {
        CpuidTable half = Without(Server.With(false, CpuidFeatures.Xfd), 18).With(0xD, 18, default(CpuidRegisters));
        CpuidTable consistency = Server.With(0xD, 1, CpuidRegister.Ebx, v => v + 4);

        Assert.Contains(CpuidLint.Check(half, Guest with { Guest = LintGuest.Windows }), finding => finding.Severity == Severity.Error);
        Assert.Contains(CpuidLint.Check(consistency, Guest with { Guest = LintGuest.Linux }), finding => finding.Rule.Id == "XS1451"
            && finding.Severity == Severity.Error);
        Assert.Contains(CpuidLint.Check(consistency, Guest with { Guest = LintGuest.FreeBsd }), finding => finding.Rule.Id == "XS1451"
            && finding.Severity == Severity.Warning);
    }

    [Fact]
    public void A_clean_table_is_checked_without_allocating()
    {
        foreach (CpuidTable table in LintTables.All.Where(table => CpuidLint.Check(table, Dump).IsEmpty))
        {
            CpuidLint.Check(table, Dump);
            long before = GC.GetAllocatedBytesForCurrentThread();
            CpuidLint.Check(table, Dump);
            Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.True(LintTables.All.Count(table => CpuidLint.Check(table, Dump).IsEmpty) >= 4);
    }

    private static CpuidTable Zen2() => LintTables.AmdZen2;

    private static CpuidTable NoXsave() =>
        Zen2().With(false, CpuidFeatures.Xsave, CpuidFeatures.Osxsave).With(false, NeedXsave).With(0xD, 0, default(CpuidRegisters))
        .With(0xD, 1, default(CpuidRegisters)).With(0xD, 2, default(CpuidRegisters));

    private static CpuidTable NoAvx() => Legacy(3).With(true, NeedXsave.AsSpan(1));

    // XSAVE without AVX, with a mask.
    private static CpuidTable Legacy(ulong mask) => Zen2().With(false, NeedXsave).With(0xD, 2, default(CpuidRegisters)).WithUser(3)
        .WithSizes().WithUser(mask);

    private static CpuidTable Without(CpuidTable table, int component) =>
        table.WithUser(table.UserComponents.Bits & ~(1UL << component)).With(0xD, (uint)component, default(CpuidRegisters)).WithSizes();

    private static CpuidTable WithoutEntry(CpuidTable table, uint component) =>
        new([.. table.Entries.Where(entry => entry.Leaf != 0xD || entry.Subleaf != component)]);
}
