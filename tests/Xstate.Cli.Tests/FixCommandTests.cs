using System.Text.Json;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

public sealed class FixCommandTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("xstate-fix-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("leaked-pkru", "intel-skylake-sp.json@linux-6.1.40")]
    [InlineData("hidden-avx512", "intel-haswell.json@linux-6.12")]
    [InlineData("intel-for-amd", "amd-genoa.json@linux-6.12")]
    [InlineData("compacted", "intel-icelake.json@linux-6.12")]
    [InlineData("xfd-tiles", "intel-sapphire-rapids.json@linux-6.8")]
    public async Task A_repaired_sample_checks_clean_and_undo_gives_the_original_back(string sample, string host)
    {
        string original = $"samples/captures/{sample}.json";
        string repaired = Path.Combine(_folder, "repaired.json");
        string restored = Path.Combine(_folder, "restored.json");
        Assert.Equal(0, (await XstateProcess.Run("fix", original, "--on", $"samples/hosts/{host}", "-o", repaired)).ExitCode);
        XstateProcess check = await XstateProcess.Run("check", repaired, "--on", $"samples/hosts/{host}", "--json");

        // On another processor the guest may miss instructions that it was promised, which no repair of its state mends.
        JsonElement target = check.Json.GetProperty("targets")[0];
        string[] errors = [.. target.GetProperty("findings").EnumerateArray().Where(finding => finding.GetProperty("severity")
            .GetString() == "error").Select(finding => finding.GetProperty("rule").GetString()!)];
        Assert.All(errors, rule => Assert.Equal("XS0508", rule));
        Assert.Equal(errors.Length == 0 ? (0, "same") : (1, "differs"), (check.ExitCode, target.GetProperty("verdict").GetString()));
        Assert.Empty(target.GetProperty("differences").EnumerateArray());
        Assert.Equal(0, (await XstateProcess.Run("fix", repaired, "--undo", "-o", restored)).ExitCode);
        Assert.Equal(await File.ReadAllBytesAsync(Repository.PathOf(original), TestContext.Current.CancellationToken),
            await File.ReadAllBytesAsync(restored, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Nothing_is_written_when_no_repair_helps()
    {
        string repaired = Path.Combine(_folder, "repaired.json");
        XstateProcess run = await XstateProcess.Run("fix", "samples/captures/live-avx512.json", "--on",
            "samples/hosts/intel-haswell.json@linux-6.12", "-o", repaired);
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("nothing was written", run.Output, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(_folder));
    }

    [Fact]
    public async Task An_existing_file_is_not_replaced_without_force()
    {
        string repaired = Path.Combine(_folder, "repaired.json");
        await File.WriteAllTextAsync(repaired, "mine", TestContext.Current.CancellationToken);
        string[] arguments = ["fix", "samples/captures/leaked-pkru.json", "--on", "samples/hosts/intel-haswell.json@linux-6.12", "-o",
            repaired];
        Assert.Equal(2, (await XstateProcess.Run(arguments)).ExitCode);
        Assert.Equal("mine", await File.ReadAllTextAsync(repaired, TestContext.Current.CancellationToken));
        Assert.Equal(0, (await XstateProcess.Run([.. arguments, "--force"])).ExitCode);
        Assert.NotEqual("mine", await File.ReadAllTextAsync(repaired, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_raw_image_stays_a_raw_image()
    {
        byte[] image = new byte[4096];
        image[512] = 0x07;
        image[513] = 0x02;
        image[24] = 0x80;
        image[25] = 0x1f;
        string input = Path.Combine(_folder, "kvm_xsave");
        string output = Path.Combine(_folder, "repaired");
        await File.WriteAllBytesAsync(input, image, TestContext.Current.CancellationToken);
        XstateProcess run = await XstateProcess.Run("fix", input, "--on", "samples/hosts/intel-haswell.json@linux-6.12", "--guest-cpuid",
            "samples/hosts/intel-haswell.json", "--layout", "samples/hosts/intel-skylake-sp.json", "-o", output);
        Assert.Equal(0, run.ExitCode);
        image[513] = 0;
        Assert.Equal(image, await File.ReadAllBytesAsync(output, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task An_undo_file_of_another_repair_is_refused()
    {
        string repaired = Path.Combine(_folder, "a.json");
        await XstateProcess.Run("fix", "samples/captures/leaked-pkru.json", "--on", "samples/hosts/intel-haswell.json@linux-6.12", "-o",
            repaired);
        XstateProcess run = await XstateProcess.Run("fix", "samples/captures/compacted.json", "--undo", repaired + ".undo.json", "-o",
            Path.Combine(_folder, "b.json"));
        Assert.Equal(3, run.ExitCode);
        Assert.False(File.Exists(Path.Combine(_folder, "b.json")));
    }
}
