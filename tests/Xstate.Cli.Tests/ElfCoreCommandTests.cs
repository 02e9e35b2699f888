using System.Text.Json;

namespace Xstate.Cli.Tests;

/// <summary>Cores through the verbs, compressed as they lie in the repository.</summary>
public sealed class ElfCoreCommandTests : IDisposable
{
    private const string Data = "tests/Xstate.Tests/Artifacts/ElfCore/data/";
    private const string Zen4 = $"{Data}zen4-kernel618-3threads-x86_64.core.gz";
    private const string Gdb16 = $"{Data}zen4-gdb16-gcore-x86_64.core.gz";
    private const string Damaged = $"{Data}zen4-gdb13-gcore-x86_64-DAMAGED.core.gz";

    private readonly string _folder = Directory.CreateTempSubdirectory("xstate-core-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Show_gives_every_thread_with_its_id()
    {
        XstateProcess run = await XstateProcess.Run("show", Zen4, "--json");
        JsonElement[] threads = [.. run.Json.GetProperty("threads").EnumerateArray()];
        Assert.Equal([13744, 13745, 13746], threads.Select(thread => thread.GetProperty("tid").GetInt32()));
        Assert.Equal(["0xe7", "0x7", "0x2"], threads.Select(thread => thread.GetProperty("xstateBv").GetString()!));
        Assert.Equal(("note", "0x1111111211111111"), (threads[0].GetProperty("layout").GetProperty("source").GetString(),
            threads[0].GetProperty("registers").GetProperty("k0").GetString()));
        Assert.Empty(run.Json.GetProperty("findings").EnumerateArray());
        Assert.Contains("thread 13746: XSTATE_BV 0x2", (await XstateProcess.Run("show", Zen4)).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_without_a_host_says_what_a_core_says_against_itself()
    {
        XstateProcess sound = await XstateProcess.Run("check", Zen4);
        Assert.Equal((0, $"{Zen4}: nothing contradicts itself\n"), (sound.ExitCode, sound.Output));
        XstateProcess damaged = await XstateProcess.Run("check", Damaged, "--json");
        Assert.Equal(1, damaged.ExitCode);
        Assert.Equal(["XS0804", "XS0802"], damaged.Json.GetProperty("findings").EnumerateArray()
            .Select(finding => finding.GetProperty("rule").GetString()!));
        Assert.Equal(2, (await XstateProcess.Run("check", "samples/captures/compacted.json")).ExitCode);
    }

    [Fact]
    public async Task Fix_without_a_host_mends_what_gdb_13_did_and_undo_takes_it_back()
    {
        string mended = Path.Combine(_folder, "mended");
        string original = Path.Combine(_folder, "original");
        XstateProcess run = await XstateProcess.Run("fix", Damaged, "-o", mended);
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("XS0802", run.Output, StringComparison.Ordinal);
        JsonElement shown = (await XstateProcess.Run("show", mended, "--json")).Json;
        Assert.DoesNotContain("XS0802", shown.GetProperty("findings").GetRawText(), StringComparison.Ordinal);
        JsonElement whole = (await XstateProcess.Run("show", Zen4, "--json")).Json;
        Assert.Equal(whole.GetProperty("threads")[0].GetProperty("registers").GetProperty("zmm16").GetString(),
            shown.GetProperty("threads")[0].GetProperty("registers").GetProperty("zmm16").GetString());

        // What is lost stays lost: it cannot be set, and is no zero in a raw image.
        Assert.Equal("?", shown.GetProperty("threads")[0].GetProperty("registers").GetProperty("k1").GetString());
        string tid = $"{shown.GetProperty("threads")[0].GetProperty("tid").GetInt32()}";
        XstateProcess set = await XstateProcess.Run("set", mended, "k1=0x5", "--tid", tid, "-o", Path.Combine(_folder, "never"));
        Assert.Equal(2, set.ExitCode);
        Assert.Contains("lost cannot be given a value", set.Error, StringComparison.Ordinal);
        XstateProcess raw = await XstateProcess.Run("convert", mended, "--to", "kvm_xsave", "--tid", tid, "-o",
            Path.Combine(_folder, "never"));
        Assert.Equal(1, raw.ExitCode);
        Assert.Contains("XS0809", raw.Output, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(_folder, "never")));
        Assert.Equal(0, (await XstateProcess.Run("fix", mended, "--undo", "-o", original)).ExitCode);
        Assert.Equal((await XstateProcess.Run("show", Damaged)).Output, (await XstateProcess.Run("show", original)).Output);
        Assert.Equal(2, (await XstateProcess.Run("fix", Zen4, "-o", Path.Combine(_folder, "never"))).ExitCode);
    }

    [Fact]
    public async Task Convert_adds_the_layout_note()
    {
        string noted = Path.Combine(_folder, "noted");
        XstateProcess run = await XstateProcess.Run("convert", Gdb16, "--add-layout-note", "-o", noted, "--json");
        Assert.Equal((0, "elf-core", new FileInfo(noted).Length),
            (run.ExitCode, run.Json.GetProperty("to").GetString(), run.Json.GetProperty("length").GetInt64()));
        JsonElement[] threads = [.. (await XstateProcess.Run("show", noted, "--json")).Json.GetProperty("threads").EnumerateArray()];
        Assert.All(threads, thread => Assert.Equal("note", thread.GetProperty("layout").GetProperty("source").GetString()));
        XstateProcess wrong = await XstateProcess.Run("convert", Gdb16, "--add-layout-note", "--layout",
            "samples/hosts/intel-haswell.json", "-o", Path.Combine(_folder, "never"));
        Assert.Equal(2, wrong.ExitCode);
        Assert.Contains("is not that of areas with 0xe7", wrong.Error, StringComparison.Ordinal);
        Assert.Equal(2, (await XstateProcess.Run("convert", Gdb16, "--add-layout-note", "--to", "kvm_xsave", "-o",
            Path.Combine(_folder, "never"))).ExitCode);
        Assert.Equal(2, (await XstateProcess.Run("convert", "samples/captures/compacted.json", "--add-layout-note", "-o",
            Path.Combine(_folder, "never"))).ExitCode);
        Assert.False(File.Exists(Path.Combine(_folder, "never")));
    }

    [Fact]
    public async Task Set_warns_of_a_PKRU_that_closes_key_0_for_a_thread()
    {
        XstateProcess run = await XstateProcess.Run("set", $"{Data}tcgmax-linux6.12.107-3threads-avx-pkru-s11.core.gz", "pkru=0x1",
            "--tid", "133", "-o", Path.Combine(_folder, "closed"));
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("XS1304 warning: PKRU 0x1 closes key 0", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Set_changes_one_register_of_one_thread()
    {
        string changed = Path.Combine(_folder, "changed");
        XstateProcess run = await XstateProcess.Run("set", Zen4, "k1=0x42", "--tid", "13744", "-o", changed);
        Assert.True(run.ExitCode == 0, run.Error);
        JsonElement threads = (await XstateProcess.Run("show", changed, "--json")).Json.GetProperty("threads");
        Assert.Equal("0x42", threads[0].GetProperty("registers").GetProperty("k1").GetString());
        Assert.Equal("0x0", threads[1].GetProperty("registers").GetProperty("k1").GetString());
    }
}
