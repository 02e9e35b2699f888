using System.Text.Json;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kernels;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Tests.Support;

namespace Xstate.Tests.Rehearsal;

/// <summary>What becomes of a guest with a PKRU that its CPUID hides, asked as users ask: with what uname -r prints.</summary>
public class DistributionKernelTests
{
    // RHEL 9.0 to 9.3 refuse what upstream 5.14 takes; Debian, Ubuntu and SUSE took the fix where their number does not say so; Proxmox
    // drops bit 9 itself.
    [Theory]
    [InlineData("5.14.0-70.13.1.el9_0.x86_64", Verdict.Repairable)]
    [InlineData("5.14.0-162.23.1.el9_1.x86_64", Verdict.Repairable)]
    [InlineData("5.14.0-284.30.1.el9_2.x86_64", Verdict.Repairable)]
    [InlineData("5.14.0-362.8.1.el9_3.x86_64", Verdict.Repairable)]
    [InlineData("5.14.0-394.el9.x86_64", Verdict.Repairable)]
    [InlineData("5.14.0-427.13.1.el9_4.x86_64", Verdict.Same)]
    [InlineData("5.14.0-427.el9", Verdict.Same)]
    [InlineData("5.14.0-503.11.1.el9_5.x86_64", Verdict.Same)]
    [InlineData("5.14.0-570.12.1.el9_6.x86_64", Verdict.Same)]
    [InlineData("6.12.0-55.9.1.el10_0.x86_64", Verdict.Same)]
    [InlineData("4.18.0-513.5.1.el8_9.x86_64", Verdict.Unknown)]
    [InlineData("4.18.0-553.el8_10", Verdict.Unknown)]
    [InlineData("5.15.0-25-generic", Verdict.Same)]
    [InlineData("5.15.0-91-generic", Verdict.Same)]
    [InlineData("5.15.0-204-generic", Verdict.Same)]
    [InlineData("5.19.0-50-generic", Verdict.Repairable)]
    [InlineData("6.2.0-39-generic", Verdict.Repairable)]
    [InlineData("6.5.0-14-generic", Verdict.Repairable)]
    [InlineData("6.5.0-18-generic", Verdict.Repairable)]
    [InlineData("6.5.0-21-generic", Verdict.Unknown)]
    [InlineData("6.5.0-41-generic", Verdict.Same)]
    [InlineData("6.5.0-1018-aws", Verdict.Same)]
    [InlineData("6.8.0-60-generic", Verdict.Same)]
    [InlineData("5.10.0-30-amd64", Verdict.Same)]
    [InlineData("6.1.0-13-amd64", Verdict.Repairable)]
    [InlineData("6.1.0-14-amd64", Verdict.Same)]
    [InlineData("6.1.0-47-amd64", Verdict.Same)]
    [InlineData("6.1.0-50-cloud-amd64", Verdict.Same)]
    [InlineData("6.12.107+deb13-amd64", Verdict.Same)]
    [InlineData("5.15.108-1-pve", Verdict.Same)]
    [InlineData("6.2.16-4-pve", Verdict.Repairable)]
    [InlineData("6.2.16-5-pve", Verdict.Same)]
    [InlineData("6.2.16-19-pve", Verdict.Same)]
    [InlineData("6.8.12-9-pve", Verdict.Same)]
    [InlineData("6.4.0-150600.23.25-default", Verdict.Same)]
    [InlineData("5.14.21-150400.24.100-default", Verdict.Unknown)]
    [InlineData("5.14.21-150500.55.39-default", Verdict.Unknown)]
    [InlineData("6.1.55-75.123.amzn2023.x86_64", Verdict.Repairable)]
    [InlineData("6.1.61-85.141.amzn2023.x86_64", Verdict.Same)]
    [InlineData("6.1.97-104.177.amzn2023", Verdict.Same)]
    [InlineData("5.15.0-205.149.5.1.el9uek.x86_64", Verdict.Unknown)]
    [InlineData("6.5.8-200.fc38.x86_64", Verdict.Repairable)]
    [InlineData("5.10.0-136.12.0.86.oe2203sp1.x86_64", Verdict.Unknown)]
    public void A_leaked_PKRU_loads_or_not_as_the_distribution_built_its_kernel(string name, Verdict verdict)
    {
        TargetOutcome outcome = Rehearse("leaked-pkru", "intel-skylake-sp", name);
        Assert.Equal(verdict, outcome.Verdict);
        Assert.Equal((name, name), (outcome.Kernel, outcome.KernelRead!.Name));
        Assert.Equal(verdict == Verdict.Repairable ? Errno.EINVAL : Errno.None, outcome.Errno);
        Assert.Equal(verdict == Verdict.Unknown, !outcome.DependsOn.IsEmpty);
        if (verdict == Verdict.Unknown)
        {
            Dependency strict = Assert.Single(outcome.DependsOn, dependency => dependency.Id == KernelDifference.KvmSetStrictCpuid.Id);
            Assert.Equal(("kernel-difference", "xstate host --probe, on that host"), (strict.Fact, strict.FindOut));
            Assert.Equal([("present", Verdict.Repairable), ("absent", Verdict.Same)],
                strict.Outcomes.Select(under => (under.Value, under.Verdict)));
        }
    }

    // Debian 12 has the fix of tile data under XFD from 6.1.162 on; of RHEL 9.4 nobody read whether it has it.
    [Theory]
    [InlineData("6.1.0-42-amd64", Verdict.Dangerous)]
    [InlineData("6.1.0-47-amd64", Verdict.Same)]
    [InlineData("5.14.0-427.13.1.el9_4.x86_64", Verdict.Unknown)]
    [InlineData("6.8.0-60-generic", Verdict.Unknown)]
    public void Tile_data_under_XFD_is_as_the_distribution_built_its_kernel(string name, Verdict verdict)
    {
        TargetOutcome outcome = Rehearse("xfd-tiles", "intel-sapphire-rapids", name);
        Assert.Equal(verdict, outcome.Verdict);
        if (verdict == Verdict.Unknown)
        {
            Dependency fix = Assert.Single(outcome.DependsOn, dependency => dependency.Id == KernelDifference.KvmSetXfdNm.Id);
            Assert.DoesNotContain("--probe", fix.FindOut, StringComparison.Ordinal);
            Assert.Equal(Verdict.Dangerous, fix.Outcomes[0].Verdict);
        }
    }

    // What Proxmox drops is PKRU alone, and it does so where the host has none too.
    [Theory]
    [InlineData("leaked-pkru", "intel-haswell", "6.8.12-4-pve", null)]
    [InlineData("leaked-pkru", "intel-haswell", "6.8.12-custom", "KVM_SET_XSAVE")]
    [InlineData("hidden-avx512", "intel-icelake", "6.2.16-5-pve", "KVM_SET_XSAVE")]
    [InlineData("hidden-avx512", "intel-icelake", "6.2.16-19-pve", null)]
    public void Proxmox_drops_a_hidden_PKRU_and_nothing_else(string capture, string host, string name, string? refused)
    {
        TargetOutcome outcome = Rehearse(capture, host, name);
        Assert.Equal(refused, outcome.RefusedCall);
        Assert.Empty(outcome.Differences);
    }

    [Theory]
    [InlineData("4.18.0-553.el8_10")]
    [InlineData("5.14.21-150500.55.39-default")]
    [InlineData("6.1.0-custom")]
    public void What_does_not_hang_on_an_unknown_difference_is_answered_as_usual(string name)
    {
        TargetOutcome outcome = Rehearse("live-avx512", "intel-haswell", name);
        Assert.Equal(Verdict.Refused, outcome.Verdict);
        Assert.Equal("KVM_SET_XSAVE", outcome.RefusedCall);
        Assert.Empty(outcome.DependsOn);
    }

    // Each unknown difference set by hand gives the outcome that was announced for it.
    [Theory]
    [InlineData("leaked-pkru", "intel-skylake-sp", "4.18.0-553.el8_10")]
    [InlineData("leaked-pkru", "intel-skylake-sp", "5.15.0-205.149.5.1.el9uek.x86_64")]
    [InlineData("hidden-avx512", "intel-icelake", "5.10.0-136.12.0.86.oe2203sp1.x86_64")]
    [InlineData("xfd-tiles", "intel-sapphire-rapids", "6.8.0-60-generic")]
    public void What_is_set_by_hand_gives_the_outcome_that_was_announced(string capture, string host, string name)
    {
        TargetOutcome outcome = Rehearse(capture, host, name);
        Assert.Equal(Verdict.Unknown, outcome.Verdict);
        foreach (Dependency dependency in outcome.DependsOn)
        {
            foreach (DependencyOutcome announced in dependency.Outcomes)
            {
                KernelBehavior settled = Read(name).Set(KernelDifference.Find(dependency.Id!)!, announced.Value == "present");
                Assert.Equal((dependency.Id, announced.Value, announced.Verdict),
                    (dependency.Id, announced.Value, Rehearse(capture, host, settled).Verdict));
            }
        }
    }

    // Zen 2 loses XSAVES with the kernel, and gets it back with microcode.
    [Theory]
    [InlineData("6.1.10", null, true)]
    [InlineData("linux-5.15.30", null, true)]
    [InlineData("linux-5.15.189", null, false)]
    [InlineData("linux-4.19.306", null, true)]
    [InlineData("linux-4.19.307", null, false)]
    [InlineData("linux-5.4.240", null, true)]
    [InlineData("linux-5.4.269", null, false)]
    [InlineData("linux-5.10.174", null, true)]
    [InlineData("linux-5.10.175", null, false)]
    [InlineData("5.10.0-21-amd64", null, true)]
    [InlineData("5.10.0-22-amd64", null, false)]
    [InlineData("linux-5.15.102", null, true)]
    [InlineData("linux-5.15.103", null, false)]
    [InlineData("6.1.20", null, false)]
    [InlineData("6.2.6", null, true)]
    [InlineData("6.2.7", null, false)]
    [InlineData("6.6", 0x0830_1052u, false)]
    [InlineData("6.10", 0x0830_1051u, false)]
    [InlineData("6.10", 0x0830_1052u, true)]
    [InlineData("6.5.13-6-pve", 0x0830_1052u, true)]
    [InlineData("6.5.13-5-pve", 0x0830_1052u, false)]
    public void Erratum_1386_takes_XSAVES_from_Zen_2(string name, uint? microcode, bool has)
    {
        LinuxHost host = new(SampleHosts.Open("amd-rome") with { Microcode = microcode }, Read(name));
        Assert.Equal(has, host.HasXsaves);
        Assert.True(new LinuxHost(SampleHosts.Open("amd-milan"), Read(name)).HasXsaves);
    }

    [Fact]
    public void Where_the_microcode_is_not_recorded_the_answer_hangs_on_it_only_if_it_matters()
    {
        LinuxHost host = new(SampleHosts.Open("amd-rome"), Read("linux-6.12"));
        UnknownDifferenceException lacking = Assert.Throws<UnknownDifferenceException>(() => host.HasXsaves);
        Assert.Contains("microcode", lacking.Message, StringComparison.Ordinal);
        Assert.NotEqual(Verdict.Unknown, RestoreRehearsal.Perform(SampleHosts.OpenCapture("stale-pkru"), host).Verdict);
    }

    // The facts as they were collected, read by name; where the table knows better, it says why here.
    [Fact]
    public void The_table_says_of_every_collected_build_what_was_collected()
    {
        using JsonDocument facts = JsonDocument.Parse(File.ReadAllBytes(Repository.Shared("reference", "distro-kernels.json")));
        int compared = 0;
        foreach (JsonElement family in facts.RootElement.GetProperty("families").EnumerateArray())
        {
            string id = family.GetProperty("family").GetString()!;
            if (!family.TryGetProperty("ranges", out JsonElement ranges))
            {
                continue;
            }

            foreach (JsonElement range in ranges.EnumerateArray())
            {
                foreach (string name in NamesOf(id, range))
                {
                    KernelBehavior kernel = Read(name);
                    Assert.Equal((name, id), (name, kernel.Reading.Family));
                    compared += Compare(name, kernel, range, Knowledge.Present, "present", "set") + Compare(name, kernel, range,
                        Knowledge.Absent, "absent", "cleared")
                        + Compare(name, kernel, range, Knowledge.Unknown, "unknown");
                    if (kernel.Release is { } release && range.TryGetProperty("upstream", out JsonElement upstream)
                        && upstream.GetString() is { } text && char.IsDigit(text[0]) && !text.Contains("..", StringComparison.Ordinal))
                    {
                        compared++;
                        Assert.Equal((name, text), (name, release.ToString()));
                    }
                }
            }
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{compared} facts agree");
        Assert.True(compared > 500, $"{compared} facts");
    }

    private static int Compare(string name, KernelBehavior kernel, JsonElement range, Knowledge expected, params string[] members)
    {
        int compared = 0;
        foreach (string member in members)
        {
            if (!range.TryGetProperty(member, out JsonElement ids))
            {
                continue;
            }

            foreach (string id in ids.EnumerateArray().Select(id => id.GetString()!))
            {
                Assert.Equal((name, id, expected), (name, id, kernel.Knows(KernelDifference.Find(id)!)));
                compared++;
            }
        }

        return compared;
    }

    private static IEnumerable<string> NamesOf(string family, JsonElement range)
    {
        string Text(string member) => range.TryGetProperty(member, out JsonElement value) ? value.ToString() : "";
        string from = Text("from");
        string to = Text("to").Length == 0 ? from : Text("to");
        return family switch
        {
            "debian-abi" => [$"{Text("series")}.0-{from}-amd64", $"{Text("series")}.0-{to}-cloud-amd64"],
            "ubuntu" => int.Parse(from, System.Globalization.CultureInfo.InvariantCulture) > 1000
                ? [$"{Text("series")}.0-{from}-aws"]
                : [$"{Text("series")}.0-{from}-generic", $"{Text("series")}.0-{to}-lowlatency"],
            "rhel9" when from.Contains('.', StringComparison.Ordinal) => ["5.14.0-70.13.1.el9_0.x86_64", "5.14.0-70.99.1.el9_0.x86_64"],
            "rhel9" => [$"5.14.0-{from}.el9.x86_64", $"5.14.0-{to}.el9"],
            "rhel10" => [$"6.12.0-{from}.el10.x86_64", "6.12.0-124.8.1.el10_1.x86_64"],
            "rhel8" => ["4.18.0-305.el8.x86_64", "4.18.0-553.16.1.el8_10.x86_64"],
            "proxmox" => [$"{from}-pve", $"{to}-pve"],
            "suse" => Text("product").Split(' ').Select(product => $"{Text("base")}-{product}.10.3-default"),
            _ => [],
        };
    }

    private static TargetOutcome Rehearse(string capture, string host, string name) => Rehearse(capture, host, Read(name));

    private static TargetOutcome Rehearse(string capture, string host, KernelBehavior kernel) =>
        RestoreRehearsal.Perform(SampleHosts.OpenCapture(capture), new LinuxHost(SampleHosts.Open(host), kernel));

    private static KernelBehavior Read(string name)
    {
        Assert.True(KernelNames.TryRead(name, KernelEvidence.None, out KernelBehavior? kernel, out string error), error);
        return kernel;
    }
}
