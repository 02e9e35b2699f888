using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.FeatureLists;
using Xstate.Artifacts.FirecrackerCpu;
using Xstate.Artifacts.PastedDumps;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Lint;
using Xstate.Tests.Support;
using Xstate.Transforms;

namespace Xstate.Tests.Lint;

public class CpuidMakerTests
{
    private static readonly string[] FullHosts = ["amd-genoa", "intel-haswell", "intel-icelake", "intel-sapphire-rapids"];

    private static readonly LintContext AtStart = new()
    {
        View = LintView.Kvm,
        HasIndexFlags = true,
        AtStart = true,
        Xcr0 = StateComponentSet.Of(StateComponent.X87),
        Xss = StateComponentSet.Empty
    };

    [Fact]
    public void Whatever_is_wanted_the_table_is_consistent_and_has_exactly_that()
    {
        SplitMix64 random = new(20261130);
        int made = 0;
        int refused = 0;
        for (int number = 0; number < 400; number++)
        {
            CpuidTable offered = SampleHosts.Cpuid(random.Pick<string>(FullHosts));
            StateComponentSet available = offered.UserComponents | offered.SupervisorComponents;
            StateComponentSet wanted = new(available.Bits & random.Next());
            CpuidFeature[] without = [.. CpuidFeatures.All.Where(feature => offered.Has(feature) && feature.Effect != default
                && random.OneIn(20))];
            MadeCpuid result = CpuidMaker.Make(offered, new CpuidWish { Components = wanted, Without = [.. without] });
            Assert.Empty(CpuidLint.Check(result.Cpuid, AtStart).Where(finding => finding.Severity == Severity.Error
                && result.Obstacles.IsEmpty));
            Assert.DoesNotContain(without, result.Cpuid.Has);
            Assert.True((offered.UserComponents | offered.SupervisorComponents)
                .ContainsAll(result.Cpuid.UserComponents | result.Cpuid.SupervisorComponents));
            if (!result.Obstacles.IsEmpty)
            {
                refused++;
                continue;
            }

            made++;
            StateComponentSet closed = wanted | StateComponentSet.Legacy;
            Assert.True((result.Cpuid.UserComponents | result.Cpuid.SupervisorComponents).ContainsAll(closed));
            Assert.Equal((576u, (uint)XsaveLayout.FromCpuid(result.Cpuid).StandardLength),
                (result.Cpuid.EnabledAreaLength, result.Cpuid.LargestAreaLength));
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{made} made, {refused} refused");
        Assert.True(made > 50 && refused > 20, $"{made} made, {refused} refused");
    }

    [Fact]
    public void A_component_comes_with_its_group_and_with_what_it_builds_upon()
    {
        MadeCpuid made = CpuidMaker.Make(SampleHosts.Cpuid("intel-sapphire-rapids"),
            new CpuidWish { Components = StateComponentSet.Of(StateComponent.Opmask) });
        Assert.Empty(made.Obstacles);
        Assert.Equal(0xE7UL, made.Cpuid.UserComponents.Bits);
        Assert.True(made.Cpuid.Has(CpuidFeatures.Avx512f) && !made.Cpuid.Has(CpuidFeatures.AmxTile) && !made.Cpuid.Has(CpuidFeatures.Pku));
        Assert.Contains(CpuidFeatures.Pku, made.Removed);
    }

    [Fact]
    public void What_the_base_lacks_and_what_cannot_stay_is_said()
    {
        CpuidTable haswell = SampleHosts.Cpuid("intel-haswell");
        Assert.Contains("does not offer",
            Assert.Single(CpuidMaker.Make(haswell, new CpuidWish { Components = StateComponentSet.Of(StateComponent.Pkru) }).Obstacles),
            StringComparison.Ordinal);
        Assert.Contains("PKU", Assert.Single(CpuidMaker.Make(haswell, new CpuidWish { With = [CpuidFeatures.Pku] }).Obstacles),
            StringComparison.Ordinal);
        MadeCpuid both = CpuidMaker.Make(haswell, new CpuidWish { With = [CpuidFeatures.Avx2], Without = [CpuidFeatures.Avx] });
        Assert.Contains(both.Obstacles, obstacle => obstacle.Contains("AVX2 cannot be kept", StringComparison.Ordinal));
    }

    [Fact]
    public void Sizes_are_those_of_the_XCR0_that_is_given()
    {
        CpuidTable offered = SampleHosts.Cpuid("intel-icelake");
        StateComponentSet xcr0 = new(0xE7);
        CpuidTable made = CpuidMaker.Make(offered, new CpuidWish { Xcr0 = xcr0 }).Cpuid;
        XsaveLayout layout = XsaveLayout.FromCpuid(made);
        Assert.Equal(((uint)layout.StandardLengthFor(xcr0), (uint)layout.CompactedLengthFor(xcr0)),
            (made.EnabledAreaLength, made.Read(0xD, 1).Ebx));
        Assert.True(made.Has(CpuidFeatures.Osxsave));
    }

    [Fact]
    public void Every_form_reads_back_as_what_was_made()
    {
        int compared = 0;
        foreach (string host in FullHosts)
        {
            CpuidTable offered = SampleHosts.Cpuid(host);
            foreach (StateComponentSet components in (StateComponentSet[])[new(7), new(0x207), new(0xE7), offered.UserComponents])
            {
                MadeCpuid made = CpuidMaker.Make(offered,
                    new CpuidWish { Components = new(components.Bits & offered.UserComponents.Bits) });
                Assert.Empty(made.Obstacles);
                CpuTemplate template = Open(CpuTemplateWriter.Write(offered, made.Cpuid)).Template!;
                AssertSame(made.Cpuid, CpuTemplates.Apply(template, offered).Cpuid);
                AssertSame(made.Cpuid, Open(CpuidListWriter.Write(made.Cpuid)).Cpuid!.Cpuid);
                CpuidFeature[] named = [.. made.Removed.Where(feature => FeatureNames.QemuNameOf(feature) is not null)];
                foreach (CpuModel model in (CpuModel[])[Open(FeatureListWriter.WriteQemu(named)).Models!.Main!,
                    Open(FeatureListWriter.WriteLibvirt(named)).Models!.Main!])
                {
                    Assert.Equal(named.Select(feature => feature.ToString()).Order(StringComparer.Ordinal),
                        model.Absent.Select(name => FeatureNames.FeatureOf(name)!.ToString()).Order(StringComparer.Ordinal));
                    Assert.Empty(model.Features);
                }

                compared++;
            }
        }

        Assert.Equal(16, compared);
    }

    [Fact]
    public void A_template_cannot_add_what_the_base_does_not_have()
    {
        CpuidTable offered = SampleHosts.Cpuid("intel-haswell");
        NotSupportedException error = Assert.Throws<NotSupportedException>(() => CpuTemplateWriter.Write(offered,
            offered.With(0xD, 0x11, new CpuidRegisters(64, 2752, 2, 0))));
        Assert.Contains("0xd.0x11", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void QEMU_knows_every_name_that_it_is_given()
    {
        // Features of processors that QEMU 7.2 did not know yet; newer ones name them so.
        string[] newer =
        [
            "sha512", "sm3", "sm4", "cmpccxadd", "fzrm", "fsrs", "fsrc", "fred", "lkgs", "wrmsrns", "amx-fp16", "avx-ifma", "lam", "lass",
                "msrlist", "hreset", "movrs", "rao-int", "invd-disable",
            "avx-vnni-int8", "avx-ne-convert", "amx-complex", "avx-vnni-int16", "prefetchiti", "user-msr", "avx10", "apxf", "shstk", "ibt",
                "monitorx", "amd-prefetchi", "lfence-rdtsc", "pconfig",
        ];
        string? known = QemuHelp();
        Assert.SkipWhen(known is null, "qemu-system-x86_64 is not installed; Debian's qemu-system-x86 has it");
        string[] names = known.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries);
        string[] given = [.. CpuidFeatures.All.Where(feature => feature.Effect != default).Select(FeatureNames.QemuNameOf).OfType<string>()
            .Except(newer)];
        Assert.True(given.Length > 60);
        Assert.Empty(given.Except(names));
    }

    private static string? QemuHelp()
    {
        try
        {
            using System.Diagnostics.Process process = System.Diagnostics.Process.Start(
                new System.Diagnostics.ProcessStartInfo("/usr/bin/qemu-system-x86_64", ["-cpu", "help"])
                {
                    RedirectStandardOutput = true,
                    RedirectStandardError = true,
                    UseShellExecute = false
                })!;
            string text = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0 ? text : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    // EBX of 0xD.0 and 0xD.1 is KVM's to compute; an answer that is gone and one of zeros are the same to a guest.
    private static void AssertSame(CpuidTable expected, CpuidTable read)
    {
        foreach (CpuidEntry entry in expected.Entries.Concat(read.Entries))
        {
            bool sizes = entry.Leaf == CpuidTable.XsaveLeaf && entry.Subleaf < 2;
            CpuidRegisters one = expected.Read(entry.Leaf, entry.Subleaf);
            CpuidRegisters other = read.Read(entry.Leaf, entry.Subleaf);
            Assert.Equal((entry.Leaf, entry.Subleaf, sizes ? one with { Ebx = 0 } : one),
                (entry.Leaf, entry.Subleaf, sizes ? other with { Ebx = 0 } : other));
        }
    }

    private static Artifact Open(byte[] bytes) => Artifact.Open(new MemoryStream(bytes));
}
