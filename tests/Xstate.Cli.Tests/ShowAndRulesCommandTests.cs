using System.Text.Json;
using Xstate.Findings;
using Xstate.Lint;

namespace Xstate.Cli.Tests;

public class ShowAndRulesCommandTests
{
    [Theory]
    [InlineData(0, true)]
    [InlineData(1, false)]
    public async Task An_area_that_holds_nothing_is_said_to_be_no_snapshot(byte fcw, bool isNone)
    {
        string file = Path.Combine(Path.GetTempPath(), $"xstate-nothing-{Guid.NewGuid():N}.bin");
        try
        {
            byte[] area = new byte[4096];
            area[0] = fcw;
            await File.WriteAllBytesAsync(file, area, TestContext.Current.CancellationToken);
            XstateProcess run = await XstateProcess.Run("show", file, "--format", "kvm_xsave");
            Assert.Equal(isNone, run.Output.Contains("XS0113 error: the area holds nothing", StringComparison.Ordinal));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task Show_names_layout_components_and_registers()
    {
        XstateProcess run = await XstateProcess.Run("show", "samples/captures/intel-for-amd.json", "--json");
        Assert.Equal(0, run.ExitCode);
        JsonElement vcpu = run.Json.GetProperty("vcpus")[0];
        Assert.Equal("0x2e7", vcpu.GetProperty("xstateBv").GetString());
        Assert.Equal(("cpuid", 2696), (vcpu.GetProperty("layout").GetProperty("source").GetString(),
            vcpu.GetProperty("layout").GetProperty("size").GetInt32()));
        JsonElement pkru = vcpu.GetProperty("components").EnumerateArray().Single(c => c.GetProperty("component").GetString() == "pkru");
        Assert.Equal((9, 2688, 8, "in-use"), (pkru.GetProperty("bit").GetInt32(), pkru.GetProperty("offset").GetInt32(),
            pkru.GetProperty("size").GetInt32(), pkru.GetProperty("state").GetString()));
        JsonElement registers = vcpu.GetProperty("registers");
        Assert.Equal(("0x55555554", "0x1fa0"), (registers.GetProperty("pkru").GetString(), registers.GetProperty("mxcsr").GetString()));
        Assert.Equal(128, registers.GetProperty("zmm31").GetString()!.Length);
        Assert.False(registers.TryGetProperty("xmm0", out _), "only the widest name is used");
    }

    [Fact]
    public async Task Show_text_decodes_PKRU_per_key()
    {
        XstateProcess run = await XstateProcess.Run("show", "samples/captures/intel-for-amd.json");
        Assert.Contains("keys 0-15: rw -- --", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Show_takes_hosts_and_dumps()
    {
        XstateProcess run = await XstateProcess.Run("show", "samples/hosts/amd-genoa.json", "--json");
        Assert.Equal("0x2e7", run.Json.GetProperty("processor").GetProperty("userComponents").GetString());
        Assert.Contains("AuthenticAMD family 25", (await XstateProcess.Run("show", "samples/hosts/amd-genoa.json")).Output,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Rules_lists_and_explains_every_rule()
    {
        XstateProcess list = await XstateProcess.Run("rules", "--json");
        Assert.Equal([.. Rules.All.Select(rule => rule.Id), .. LintRules.Own.Select(rule => rule.Id)],
            list.Json.GetProperty("rules").EnumerateArray().Select(rule => rule.GetProperty("rule").GetString()));
        Assert.Contains("6.1.60", (await XstateProcess.Run("rules", "xs0101")).Output, StringComparison.Ordinal);
        Assert.Contains("Probe:", (await XstateProcess.Run("rules", "KVM-GET-NOTRIM")).Output, StringComparison.Ordinal);
        Assert.StartsWith("XS1410: ", (await XstateProcess.Run("rules", "L10")).Output, StringComparison.Ordinal);
        Assert.StartsWith("XS1201: ", (await XstateProcess.Run("rules", "L24")).Output, StringComparison.Ordinal);
        Assert.Equal(2, (await XstateProcess.Run("rules", "XS9999")).ExitCode);
    }

    [Fact]
    public async Task Host_records_this_machine()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "only a Linux host can be recorded");
        XstateProcess run = await XstateProcess.Run("host", "--json");
        Assert.Equal(0, run.ExitCode);
        string release = await File.ReadAllTextAsync("/proc/sys/kernel/osrelease", TestContext.Current.CancellationToken);
        Assert.Equal(release.Trim(), run.Json.GetProperty("kernel").GetString());
        Assert.True(run.Json.GetProperty("cpuid").GetArrayLength() > 3);
    }
}
