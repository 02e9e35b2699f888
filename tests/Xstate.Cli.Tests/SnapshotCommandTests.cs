using System.Text.Json;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>
/// Snapshots of monitors and images of CRIU through the verbs: shown, checked in their own restore's order, repaired in place.
/// </summary>
public class SnapshotCommandTests
{
    private const string Data = "tests/Xstate.Tests/Artifacts";
    private const string Firecracker = $"{Data}/Firecracker/data/SEMISYNTHETIC-fc1.10-fmt4.0.0-2vcpu-s7.vmstate";
    private const string CloudHypervisor = $"{Data}/CloudHypervisor/data/SEMISYNTHETIC-ch53-state-1vcpu-s5.json.gz";
    private const string Thread = $"{Data}/Criu/data/core-2539.img";
    private const string Genoa = "samples/hosts/amd-genoa.json@linux-6.12";
    private const string SapphireRapids = "samples/hosts/intel-sapphire-rapids.json@linux-6.12";

    [Theory]
    [InlineData(Firecracker, "firecracker", "vcpus", 2)]
    [InlineData(CloudHypervisor, "cloud-hypervisor", "vcpus", 1)]
    [InlineData(Thread, "criu-core", "threads", 1)]
    public async Task show_names_every_register(string file, string format, string states, int count)
    {
        XstateProcess run = await XstateProcess.Run("show", file, "--json");
        Assert.Equal(0, run.ExitCode);
        Assert.Equal(format, run.Json.GetProperty("format").GetString());
        Assert.Equal(count, run.Json.GetProperty(states).GetArrayLength());
        Assert.True(run.Json.GetProperty(states)[0].GetProperty("registers").TryGetProperty("zmm31", out _));
    }

    [Theory]
    [InlineData(Firecracker, "firecracker")]
    [InlineData(CloudHypervisor, "cloud-hypervisor")]
    [InlineData(Thread, "criu")]
    public async Task check_follows_the_order_of_whoever_wrote_the_file(string file, string monitor)
    {
        XstateProcess run = await XstateProcess.Run("check", file, "--on", Genoa, "--json");
        Assert.Equal(0, run.ExitCode);
        JsonElement target = run.Json.GetProperty("targets")[0];
        Assert.Equal((monitor, "same"), (target.GetProperty("vmm").GetString(), target.GetProperty("verdict").GetString()));
    }

    [Theory]
    [InlineData(Firecracker, false)]
    [InlineData(CloudHypervisor, true)]
    public async Task fix_moves_a_snapshot_to_another_vendor_and_back(string file, bool compressed)
    {
        // Cloud Hypervisor itself would refuse the guest's CPUID there.
        string[] vmm = ["--vmm", "firecracker"];
        string folder = Directory.CreateTempSubdirectory("xstate").FullName;
        try
        {
            string moved = Path.Combine(folder, "moved");
            XstateProcess fix = await XstateProcess.Run(["fix", file, "--on", SapphireRapids, "-o", moved, .. vmm]);
            Assert.Equal(0, fix.ExitCode);
            XstateProcess check = await XstateProcess.Run(["check", moved, "--on", SapphireRapids, "--json", .. vmm]);
            JsonElement target = check.Json.GetProperty("targets")[0];
            Assert.Empty(target.GetProperty("differences").EnumerateArray());
            Assert.DoesNotContain(target.GetProperty("findings").EnumerateArray(),
                finding => finding.GetProperty("severity").GetString() == "error" && finding.GetProperty("rule").GetString() != "XS0508");
            string back = Path.Combine(folder, "back");
            Assert.Equal(0, (await XstateProcess.Run("fix", moved, "--undo", "-o", back)).ExitCode);
            Assert.True(compressed || File.ReadAllBytes(back).AsSpan().SequenceEqual(File.ReadAllBytes(Repository.PathOf(file))));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task Cloud_Hypervisor_refuses_a_guest_of_another_vendor_before_it_asks_KVM()
    {
        XstateProcess run = await XstateProcess.Run("check", CloudHypervisor, "--on", SapphireRapids, "--json");
        Assert.Equal(1, run.ExitCode);
        JsonElement target = run.Json.GetProperty("targets")[0];
        Assert.Equal(("refused", "Cloud Hypervisor's CPUID comparison"),
            (target.GetProperty("verdict").GetString(), target.GetProperty("call").GetString()));
        XstateProcess wrong = await XstateProcess.Run("check", CloudHypervisor, "--on", SapphireRapids, "--vmm", "cloud-hypervisor",
            "--guest-cpu", "enforce");
        Assert.Equal(2, wrong.ExitCode);
        Assert.Contains("--guest-cpu is about QEMU and libvirt, not Cloud Hypervisor", wrong.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task check_of_a_thread_says_what_CRIU_would_drop()
    {
        XstateProcess run = await XstateProcess.Run("check", Thread, "--on", "samples/hosts/amd-rome.json@linux-6.12");
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("restored by CRIU", run.Output, StringComparison.Ordinal);
        Assert.Contains("XS1005 error", run.Output, StringComparison.Ordinal);
        Assert.Contains("thread 0 zmm0 from byte 32: ", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task check_of_cpuinfo_answers_for_processes_that_were_started_there()
    {
        XstateProcess run = await XstateProcess.Run("check", $"{Data}/Criu/data/cpuinfo.img", "--on", SapphireRapids,
            "samples/hosts/amd-rome.json@linux-6.12", "--json");
        Assert.Equal(1, run.ExitCode);
        Assert.Equal(["same", "differs"], run.Json.GetProperty("targets").EnumerateArray()
            .Select(target => target.GetProperty("verdict").GetString()));
        Assert.Contains(run.Json.GetProperty("targets")[0].GetProperty("findings").EnumerateArray(),
            finding => finding.GetProperty("rule").GetString() == "XS1009");
    }

    [Fact]
    public async Task What_the_decoder_noticed_is_said_by_check()
    {
        byte[] file = File.ReadAllBytes(Repository.PathOf(Firecracker));
        file[^20] ^= 1;
        XstateProcess run = await XstateProcess.Run(file, "check", "-", "--on", Genoa, "--json");
        Assert.Equal(1, run.ExitCode);
        Assert.Equal("XS1101", run.Json.GetProperty("targets")[0].GetProperty("findings")[0].GetProperty("rule").GetString());
    }
}
