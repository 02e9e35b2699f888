using System.Text;
using System.Text.Json;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>Kernels on the command line, as users name them.</summary>
public sealed class KernelNameCommandTests : IDisposable
{
    private const string Leaked = "samples/captures/leaked-pkru.json";
    private const string Skylake = "samples/hosts/intel-skylake-sp.json";

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData("6.1.0-47-amd64", 0, "same", "debian-abi", "6.1.170", "changelog")]
    [InlineData("6.2.16-19-pve", 0, "same", "proxmox", "6.2.16", "source")]
    [InlineData("5.14.0-427.el9", 0, "same", "rhel9", "5.14", "changelog")]
    [InlineData("4.18.0-553.el8_10", 1, "unknown", "rhel8", "4.18", "assumed")]
    [InlineData("5.15.0-91-generic", 0, "same", "ubuntu", "5.15.131", "signature")]
    [InlineData("6.5.0-18-generic", 1, "repairable", "ubuntu", "6.5.8", "signature")]
    [InlineData("5.14.21-150500.55.39-default", 1, "unknown", "suse", "5.14", "source")]
    [InlineData("6.1.97-104.177.amzn2023", 0, "same", "amazon-linux", "6.1.97", "inferred")]
    public async Task A_check_says_how_the_kernel_was_read(string name, int exit, string verdict, string family, string basis,
        string confidence)
    {
        XstateProcess run = await XstateProcess.Run("check", Leaked, "--on", $"{Skylake}@{name}", "--json");
        Assert.Equal(exit, run.ExitCode);
        JsonElement target = run.Json.GetProperty("targets")[0];
        JsonElement read = target.GetProperty("kernelRead");
        Assert.Equal((verdict, name), (target.GetProperty("verdict").GetString(), target.GetProperty("kernel").GetString()));
        Assert.Equal((family, basis, confidence), (read.GetProperty("family").GetString(), read.GetProperty("base").GetString(),
            read.GetProperty("confidence").GetString()));
        string text = (await XstateProcess.Run("check", Leaked, "--on", $"{Skylake}@{name}")).Output;
        Assert.Contains(name, text.Split('\n')[0], StringComparison.Ordinal);
        Assert.Equal(verdict == "unknown", text.Contains("depends on kernel-difference KVM-SET-STRICT-CPUID", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_behaviour_set_by_hand_wins()
    {
        Assert.Equal(1,
            (await XstateProcess.Run("check", Leaked, "--on", $"{Skylake}@4.18.0-553.el8_10,KVM-SET-STRICT-CPUID=yes")).ExitCode);
        XstateProcess no = await XstateProcess.Run("check", Leaked, "--on",
            $"{Skylake}@4.18.0-553.el8_10,KVM-SET-STRICT-CPUID=no", "--json");
        Assert.Equal((0, "same"), (no.ExitCode, no.Json.GetProperty("targets")[0].GetProperty("verdict").GetString()));
        XstateProcess wrong = await XstateProcess.Run("check", Leaked, "--on", $"{Skylake}@linux-6.1,KVM-NOTHING=yes");
        Assert.Equal(2, wrong.ExitCode);
        Assert.Contains("KVM-NOTHING", wrong.Error, StringComparison.Ordinal);
        Assert.Equal(2, (await XstateProcess.Run("check", Leaked, "--on", $"{Skylake}@linux-6.1,KVM-SET-XCOMP=maybe")).ExitCode);
    }

    [Fact]
    public async Task A_host_without_a_kernel_takes_the_options()
    {
        const string Version = "Linux version 6.5.0-21-generic (b@h) (gcc 12) #21 SMP (Ubuntu 6.5.0-21.21~22.04.1-generic 6.5.8)";
        string file = _scratch.Write("version", Encoding.UTF8.GetBytes(Version + "\n"));
        foreach (string kernel in new[] { Version, $"@{file}", "Ubuntu 6.5.0-21.21~22.04.1-generic 6.5.8" })
        {
            XstateProcess run = await XstateProcess.Run("check", Leaked, "--on", Skylake, "--kernel", kernel, "--json");
            JsonElement target = run.Json.GetProperty("targets")[0];
            Assert.Equal(("6.5.0-21-generic", "repairable"), (target.GetProperty("kernel").GetString(), target.GetProperty("verdict")
                .GetString()));
        }

        XstateProcess none = await XstateProcess.Run("check", Leaked, "--on", Skylake);
        Assert.Equal(2, none.ExitCode);
        Assert.Contains("--kernel", none.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Rules_tells_what_is_known_of_a_kernel_and_from_where()
    {
        XstateProcess text = await XstateProcess.Run("rules", "--kernel", "5.14.0-284.30.1.el9_2.x86_64");
        Assert.Equal(0, text.ExitCode);
        Assert.StartsWith("RHEL 9 5.14.0-284.30.1.el9_2.x86_64 (5.14 with backports)", text.Output, StringComparison.Ordinal);
        Assert.Contains("rpm -q --changelog", text.Output, StringComparison.Ordinal);
        XstateProcess json = await XstateProcess.Run("rules", "--kernel", "4.18.0-553.el8_10", "--json");
        Dictionary<string, JsonElement> behaviors = json.Json.GetProperty("behaviors").EnumerateArray().ToDictionary(row =>
            row.GetProperty("behavior").GetString()!);
        Assert.Equal("unknown", behaviors["KVM-SET-STRICT-CPUID"].GetProperty("knowledge").GetString());
        Assert.Equal("no change log of el8 kernels could be read", behaviors["KVM-SET-STRICT-CPUID"].GetProperty("why").GetString());
        Assert.Equal("absent", behaviors["SIG-KEYS-OPEN"].GetProperty("knowledge").GetString());
        XstateProcess one = await XstateProcess.Run("rules", "KVM-SET-PKRU-DROP", "--kernel", "6.8.12-4-pve", "--json");
        Assert.Equal("present", Assert.Single(one.Json.GetProperty("behaviors").EnumerateArray().ToArray()).GetProperty("knowledge")
            .GetString());
        Assert.Equal(2, (await XstateProcess.Run("rules", "--kernel", "el9")).ExitCode);
    }

    // A scenario needs one answer; without it the message says what is missing and how to give it.
    [Fact]
    public async Task A_run_that_needs_what_is_not_known_says_so()
    {
        byte[] scenario = """
            {"name":"s","steps":[{"op":"set_cpuid2","cpuid":"supported","and":{"0xd.0.eax":"0x7"}},
            {"op":"set_xsave","xstateBv":"0x207","mxcsr":"0x1f80"}]}
            """u8.ToArray();
        XstateProcess run = await XstateProcess.Run(scenario, "run", "-", "--backend", "model", "--host", $"{Skylake}@4.18.0-553.el8_10");
        Assert.Equal(2, run.ExitCode);
        Assert.Contains("is not known", run.Error, StringComparison.Ordinal);
        Assert.Contains("=yes", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("internal error", run.Error, StringComparison.Ordinal);
        XstateProcess known = await XstateProcess.Run(scenario, "run", "-", "--backend", "model", "--host",
            $"{Skylake}@5.14.0-162.23.1.el9_1.x86_64");
        Assert.Contains("EINVAL", known.Output, StringComparison.Ordinal);
    }

    // On 7.2.0 to 7.2.12 nobody knows whether EFER is checked.
    [Fact]
    public async Task A_check_on_a_kernel_with_an_unsettled_release_answers() =>
        Assert.Equal(0, (await XstateProcess.Run("check", Leaked, "--on", $"{Skylake}@linux-7.2.5")).ExitCode);

    [Fact]
    public async Task A_kernel_has_its_world_switch()
    {
        Assert.Contains("kvm-svm-6.19", (await XstateProcess.Run("explore", "svm@linux-6.19")).Output, StringComparison.Ordinal);
        Assert.Contains("kvm-svm-5.8", (await XstateProcess.Run("explore", "svm@6.12.107+deb13-amd64")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_answer_of_host_opens_as_a_host()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "only a Linux host can be recorded");
        XstateProcess host = await XstateProcess.Run("host", "--json");
        Assert.Equal(Environment.MachineName, host.Json.GetProperty("host").GetString());
        Assert.Equal((await File.ReadAllTextAsync("/proc/sys/kernel/osrelease", TestContext.Current.CancellationToken)).Trim(),
            host.Json.GetProperty("record").GetProperty("kernel").GetString());
        string file = _scratch.Write("answer.json", Encoding.UTF8.GetBytes(host.Output));
        XstateProcess check = await XstateProcess.Run("check", Leaked, "--on", file, "--json");
        Assert.InRange(check.ExitCode, 0, 1);
        JsonElement target = check.Json.GetProperty("targets")[0];
        Assert.Equal(Environment.MachineName, target.GetProperty("host").GetString());
        XstateProcess record = await XstateProcess.Run("host", "--name", "mine", "-o", "-");
        Assert.Equal(0, record.ExitCode);
        Assert.Equal(("xstate-host", "mine"), (record.Json.GetProperty("format").GetString(), record.Json.GetProperty("name").GetString()));
        Assert.Empty(new JsonSchema("host.schema.json").Errors(record.Json));
        string broken = _scratch.Write("broken.json",
            Encoding.UTF8.GetBytes("{\"schemaVersion\": 1, \"verb\": \"host\", \"host\": \"x\"}"));
        Assert.Equal(3, (await XstateProcess.Run("check", Leaked, "--on", broken)).ExitCode);
    }

    // Every behaviour is either probed or named with the reason, and the record is written whether or not KVM was there.
    [Fact]
    public async Task A_probe_leaves_no_behaviour_out()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "only a Linux host can be recorded");
        string file = _scratch.PathOf("probed.json");
        XstateProcess run = await XstateProcess.Run("host", "--probe", "-o", file);
        bool hasKvm = OperatingSystem.IsLinux() && Linux.HostProbe.IsKvmUsable(out _);
        Assert.Equal(hasKvm ? 0 : 4, run.ExitCode);
        using JsonDocument record = JsonDocument.Parse(await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken));
        string[] probed = [.. record.RootElement.GetProperty("probes").EnumerateArray().Select(row => row.GetProperty("id").GetString()!)];
        JsonElement[] open = [.. record.RootElement.GetProperty("notProbed").EnumerateArray()];
        Assert.Equal(Hypervisors.KernelDifference.All.Select(difference => difference.Id).Order(StringComparer.Ordinal),
            probed.Concat(open.Select(row => row.GetProperty("id").GetString()!)).Order(StringComparer.Ordinal));
        Assert.All(open, row => Assert.NotEqual("", row.GetProperty("why").GetString()));
        Assert.Contains(open, row => row.GetProperty("id").GetString() == "KVM-SET-XFD-NM" && row.GetProperty("why")
            .GetString()!.Contains("never", StringComparison.Ordinal));
        Assert.Equal(hasKvm, probed.Contains("KVM-SET-XCOMP"));
    }
}
