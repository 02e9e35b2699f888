using System.Diagnostics;
using System.IO.Compression;
using System.Runtime.Versioning;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>The scripts of <c>deploy/hooks</c>, run as libvirt, CRIU and people run them: recorded states, and the built command.</summary>
[UnsupportedOSPlatform("windows")]
public class HookTests
{
    private const string Sapphire = "samples/hosts/intel-sapphire-rapids.json@linux-6.12";
    private const string Haswell = "samples/hosts/intel-haswell.json@linux-6.12";

    public static TheoryData<string, string, string> Verdicts { get; } = new()
    {
        { "hidden-avx512", Sapphire, "same" },
        { "leaked-pkru", Haswell, "repairable" },
        { "stale-pkru", Sapphire, "differs" },
        { "leaked-pkru", "samples/hosts/amd-genoa.json@5.15.0-custom", "unknown" },
        { "live-avx512", Haswell, "refused" },
        { "xfd-tiles", "samples/hosts/intel-sapphire-rapids.json@linux-6.8", "dangerous" },
    };

    [Theory]
    [MemberData(nameof(Verdicts))]
    public async Task The_gate_refuses_what_would_be_lost_and_tells_the_rest(string capture, string host, string verdict)
    {
        using Scratch scratch = new();
        string file = $"samples/captures/{capture}.json";
        (int exit, string error) = await Run(scratch, "xstate-gate", host, ["check", file]);
        Assert.Equal(verdict is "refused" or "dangerous" ? 1 : 0, exit);
        string level = verdict switch { "refused" or "dangerous" => "err", "differs" or "repairable" => "warning", _ => "notice" };
        Assert.Equal(verdict == "same" ? "" : $"xstate-gate: {level}: {file} on {host}: {verdict}", error.Split(';')[0]);
        Assert.Equal(verdict == "same" ? 0 : 1, (await Run(scratch, "xstate-gate", host, ["--strict", "check", file])).Exit);
    }

    [Theory]
    [InlineData("README.md", "exit code 3")]
    [InlineData("missing", "exit code 3")]
    public async Task What_cannot_be_judged_is_unknown(string file, string why)
    {
        using Scratch scratch = new();
        (int exit, string error) = await Run(scratch, "xstate-gate", Haswell, ["check", file]);
        Assert.Equal(0, exit);
        Assert.Contains(why, error, StringComparison.Ordinal);
        Assert.Contains(": unknown; restored all the same", error, StringComparison.Ordinal);
        (exit, error) = await Run(scratch, "xstate-gate", Haswell, ["--strict", "check", file]);
        Assert.Equal(1, exit);
        Assert.Contains("not restored here (--strict)", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_command_is_unknown_too()
    {
        using Scratch scratch = new();
        Dictionary<string, string> settings = new() { ["XSTATE"] = scratch.PathOf("nowhere") };
        Assert.Equal(0, (await Run(scratch, "xstate-gate", Haswell, ["check", "README.md"], settings: settings)).Exit);
        settings["XSTATE_STRICT"] = "yes";
        Assert.Equal(1, (await Run(scratch, "xstate-gate", Haswell, ["check", "README.md"], settings: settings)).Exit);
    }

    [Theory]
    [InlineData("tiles", "migrate", "begin", 1, "tiles on " + Haswell + ": refused")]
    [InlineData("plain", "migrate", "begin", 0, "")]
    [InlineData("plain", "restore", "begin", 0, "")]
    [InlineData("absent", "migrate", "begin", 0, "absent has no record")]
    [InlineData("../plain", "migrate", "begin", 0, "the guest's name is not looked for")]
    [InlineData("plain*", "restore", "begin", 0, "the guest's name is not looked for")]
    [InlineData("saved", "restore", "begin", 1, ": refused")]
    [InlineData("saved", "migrate", "begin", 0, "saved has no record")]
    [InlineData("saved", "start", "begin", 0, "")]
    [InlineData("saved", "restore", "end", 0, "")]
    public async Task Libvirt_is_answered_at_the_beginning_of_a_restore_and_of_a_migration(
        string guest, string operation, string step, int expected, string said)
    {
        using Scratch scratch = new();
        string records = scratch.PathOf("vms.jsonl");
        await File.WriteAllLinesAsync(records,
        [
            """{"vm":"tiles","host":"node-1","guestCpuid":"old"}""",
            VmLines.Cpuid("tiles", "intel-sapphire-rapids"),
            VmLines.Cpuid("old", "intel-haswell"),
            """{"vm":"plain","host":"node-1","guestCpuid":"old","xcr0":"0x7","inUse":["x87","sse","avx"],"msrs":[]}""",
            """{"vm":"tiles","host":"node-1","guestCpuid":"tiles"}""",
        ], TestContext.Current.CancellationToken);
        Directory.CreateDirectory(scratch.PathOf("saves"));
        File.Copy(Path.Combine(Repository.Root, "samples/captures/live-avx512.json"), scratch.PathOf("saves/saved.save"));
        Dictionary<string, string> settings = new() { ["XSTATE_SAVES"] = scratch.PathOf("saves"), ["XSTATE_RECORDS"] = records };
        (int exit, string error) = await Run(scratch, "libvirt-qemu", Haswell, [guest, operation, step, "-"], "<domain/>", settings);
        Assert.True(expected == exit, error);
        Assert.Contains(said, error, StringComparison.Ordinal);
        Assert.True(said.Length > 0 || error.Length == 0, error);
    }

    [Theory]
    [InlineData("firecracker-restore", Haswell)]
    [InlineData("firecracker-restore", "samples/hosts/amd-genoa.json@linux-6.12")]
    [InlineData("cloud-hypervisor-restore", Haswell)]
    [InlineData("cloud-hypervisor-restore", "samples/hosts/amd-genoa.json@linux-6.12")]
    public async Task A_snapshot_is_loaded_only_where_it_can_be(string hook, string host)
    {
        using Scratch scratch = new();
        bool isFirecracker = hook == "firecracker-restore";
        string state = isFirecracker
            ? "tests/Xstate.Tests/Artifacts/Firecracker/data/SEMISYNTHETIC-fc1.10-fmt4.0.0-1vcpu-s5.vmstate"
            : scratch.PathOf("state.json");
        if (!isFirecracker)
        {
            await using FileStream packed = File.OpenRead(Path.Combine(Repository.Root,
                "tests/Xstate.Tests/Artifacts/CloudHypervisor/data/SEMISYNTHETIC-ch53-state-1vcpu-s5.json.gz"));
            await using GZipStream unpacked = new(packed, CompressionMode.Decompress);
            await using FileStream file = File.Create(state);
            await unpacked.CopyToAsync(file, TestContext.Current.CancellationToken);
        }

        string vmm = isFirecracker ? "firecracker" : "cloud-hypervisor";
        XstateProcess check = await XstateProcess.Run("check", state, "--on", host, "--vmm", vmm, "--json");
        string verdict = check.Json.GetProperty("targets")[0].GetProperty("verdict").GetString()!;
        bool passes = verdict is not ("refused" or "dangerous");
        Assert.Equal(host != Haswell, passes);
        string loaded = scratch.PathOf("loaded");
        string argument = isFirecracker ? state : Path.GetDirectoryName(state)!;
        (int exit, string error) = await Run(scratch, hook, host, [argument, "touch", loaded]);
        Assert.Equal((passes ? 0 : 1, passes), (exit, File.Exists(loaded)));
        Assert.True(verdict == "same" || error.Contains(verdict, StringComparison.Ordinal), error);
        File.Delete(loaded);
        (exit, _) = await Run(scratch, hook, host, ["--strict", argument, "touch", loaded]);
        Assert.Equal(verdict == "same", File.Exists(loaded));
    }

    [Theory]
    [InlineData("pre-restore", "samples/hosts/amd-genoa.json@linux-6.12")]
    [InlineData("pre-restore", Haswell)]
    [InlineData("post-restore", Haswell)]
    public async Task CRIU_is_answered_before_a_restore(string action, string host)
    {
        using Scratch scratch = new();
        foreach (string image in Directory.GetFiles(Path.Combine(Repository.Root, "tests/Xstate.Tests/Artifacts/Criu/data"), "*.img"))
        {
            File.Copy(image, scratch.PathOf(Path.GetFileName(image)));
        }

        string folder = Path.GetDirectoryName(scratch.PathOf("x"))!;
        XstateProcess check = await XstateProcess.Run("check", folder, "--on", host, "--json");
        string verdict = check.Json.GetProperty("targets")[0].GetProperty("verdict").GetString()!;
        Dictionary<string, string> settings = new() { ["CRTOOLS_SCRIPT_ACTION"] = action, ["CRTOOLS_IMAGE_DIR"] = folder };
        (int exit, string error) = await Run(scratch, "criu-action", host, [], settings: settings);
        Assert.Equal(action == "pre-restore" && verdict is ("refused" or "dangerous") ? 1 : 0, exit);
        Assert.Equal(action == "pre-restore" && verdict != "same", error.Contains(verdict, StringComparison.Ordinal));
    }

    private static async Task<(int Exit, string Error)> Run(
        Scratch scratch, string hook, string host, string[] arguments, string input = "", Dictionary<string, string>? settings = null)
    {
        string hooks = Path.Combine(Repository.Root, "deploy/hooks");
        ProcessStartInfo command = XstateProcess.StartInfo();
        string xstate = scratch.PathOf("xstate");
        await File.WriteAllTextAsync(xstate, $"#!/bin/sh\nexec {command.FileName} {string.Join(' ', command.ArgumentList)} \"$@\"\n");
        File.SetUnixFileMode(xstate, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        ProcessStartInfo start = new("/bin/sh", [Path.Combine(hooks, hook), .. arguments])
        {
            WorkingDirectory = Repository.Root,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        foreach ((string name, string value) in new Dictionary<string, string>
        {
            ["XSTATE"] = xstate,
            ["XSTATE_HOST"] = host,
            ["XSTATE_GATE"] = Path.Combine(hooks, "xstate-gate"),
            ["XSTATE_LOG"] = "stderr",
            ["XSTATE_CONF"] = scratch.PathOf("none"),
        }.Concat(settings ?? []))
        {
            start.Environment[name] = value;
        }

        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        try
        {
            await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has ended without reading it.
        }

        await process.WaitForExitAsync();
        Assert.Empty(await output);
        return (process.ExitCode, (await error).TrimEnd('\n'));
    }
}
