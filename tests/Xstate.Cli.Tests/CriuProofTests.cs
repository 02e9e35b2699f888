using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>The real CRIU as judge: what is written into a thread's image is what the restored process has.</summary>
public sealed class CriuProofTests(ITestOutputHelper output) : IDisposable
{
    private const string Variable = "XSTATE_CRIU";

    private readonly string _folder = Directory.CreateTempSubdirectory("xstate-criu-").FullName;
    private int _process;

    /// <summary>The one on the PATH, and those that XSTATE_CRIU names, separated as in PATH.</summary>
    public static TheoryData<string> Programs =>
        [.. new[] { "criu" }.Concat((Environment.GetEnvironmentVariable(Variable) ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries))];

    public void Dispose()
    {
        if (_process != 0)
        {
            Kill();
        }

        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [MemberData(nameof(Programs))]
    public async Task A_restored_process_has_the_registers_that_were_written_into_its_image(string program)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.UserName == "root", "criu dump needs root on Linux");
        Assert.SkipUnless(program.Contains('/', StringComparison.Ordinal)
            ? File.Exists(program) : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            .Any(folder => File.Exists(Path.Combine(folder, program))), $"{program} is not installed");
        string pid = await Start();
        XstateProcess before = await XstateProcess.Run("show", "--pid", pid, "--json", "--all");
        Assert.SkipUnless(before.ExitCode == 0, $"ptrace is not permitted here: {before.Error}");
        (int dumped, string told) = await Run(program, "dump", "-t", pid, "-D", _folder, "-v1");
        Assert.SkipUnless(dumped == 0, $"{program} cannot dump a process on this machine: {told.Trim()}");

        XstateProcess show = await XstateProcess.Run("show", _folder, "--json", "--all");
        JsonElement thread = Assert.Single(show.Json.GetProperty("threads").EnumerateArray());
        Assert.Equal(pid, thread.GetProperty("tid").ToString());
        Dictionary<string, string> image = Registers(thread);
        Dictionary<string, string> live = Registers(before.Json.GetProperty("threads")[0]);
        Assert.True(image.Count > 20, $"{image.Count} registers");
        Assert.All(image, register => Assert.Equal((register.Key, live[register.Key]), (register.Key, register.Value)));

        string wide = image.ContainsKey("zmm7") ? "zmm" : image.ContainsKey("ymm7") ? "ymm" : "xmm";
        string bytes = string.Concat(Enumerable.Range(1, image[$"{wide}7"].Length / 2)
            .Select(i => (i * 3).ToString("x2", CultureInfo.InvariantCulture)));
        List<string> changes = ["mxcsr=0x3fa0", "fcw=0x27f", "fsw=0x3000", "ftw=0xc0", "st0=00000000000000c00140",
            "st1=00000000000000a00140", $"{wide}7={bytes}"];
        if (image.ContainsKey("k3"))
        {
            changes.Add("k3=0x123456789abcdef");
        }

        string core = Path.Combine(_folder, $"core-{pid}.img");
        string rewritten = Path.Combine(_folder, "rewritten");
        XstateProcess set = await XstateProcess.Run(["set", core, .. changes, "-o", rewritten]);
        Assert.True(set.ExitCode == 0, set.Output + set.Error);
        File.Move(rewritten, core, overwrite: true);
        XstateProcess check = await XstateProcess.Run("check", _folder, "--on", "local", "--json");
        Assert.Equal("same", check.Json.GetProperty("targets")[0].GetProperty("verdict").GetString());

        (int restored, told) = await Run(program, "restore", "-D", _folder, "-d", "-v1");
        for (int i = 0; i < 20 && told.Contains("File exists", StringComparison.Ordinal); i++)
        {
            // Another process has got the number in the meantime; those of a test run do not live long.
            await Task.Delay(500, TestContext.Current.CancellationToken);
            (restored, told) = await Run(program, "restore", "-D", _folder, "-d", "-v1");
        }

        Assert.SkipUnless(restored == 0, $"{program} cannot restore a process on this machine: {told.Trim()}");
        XstateProcess after = await XstateProcess.Run("show", "--pid", pid, "--json", "--all");
        Assert.True(after.ExitCode == 0, after.Error);
        foreach (string change in changes)
        {
            image[change.Split('=')[0]] = change.Split('=')[1];
        }

        Dictionary<string, string> has = Registers(after.Json.GetProperty("threads")[0]);
        Assert.All(image, register => Assert.Equal((register.Key, register.Value), (register.Key, has[register.Key])));
        output.WriteLine($"{image.Count} registers of process {pid} as its image had them, {changes.Count} of them written into it");
    }

    private static Dictionary<string, string> Registers(JsonElement thread) =>
        thread.GetProperty("registers").EnumerateObject().ToDictionary(register => register.Name, register => register.Value.GetString()!);

    [Fact]
    public async Task A_directory_of_images_is_shown_and_checked_as_a_whole_and_changed_thread_by_thread()
    {
        const string Images = "tests/Xstate.Tests/Artifacts/Criu/data";
        XstateProcess show = await XstateProcess.Run("show", Images, "--json");
        Assert.Empty(new JsonSchema("show.answer.schema.json").Errors(show.Json));
        Assert.Equal([2539, 2541, 2542], show.Json.GetProperty("threads").EnumerateArray()
            .Select(thread => thread.GetProperty("tid").GetInt32()));
        XstateProcess check = await XstateProcess.Run("check", Images, "--on", "samples/hosts/amd-milan.json@linux-6.12");
        Assert.Equal(1, check.ExitCode);
        Assert.Contains("thread 2539", check.Output, StringComparison.Ordinal);
        XstateProcess set = await XstateProcess.Run("set", Images, "--tid", "2541", "mxcsr=0x1f80", "-o", Path.Combine(_folder, "out"));
        Assert.Equal(2, set.ExitCode);
        Assert.Contains("core-N.img", set.Error, StringComparison.Ordinal);
        XstateProcess other = await XstateProcess.Run("set", "samples/hosts", "mxcsr=0x1f80", "-o", Path.Combine(_folder, "out"));
        Assert.Equal(2, other.ExitCode);
        Assert.Contains("is a directory", other.Error, StringComparison.Ordinal);
    }

    // In a session of its own and without pipes of this process, as CRIU wants it.
    private async Task<string> Start()
    {
        string file = Path.Combine(_folder, "pid");
        await Run("sh", "-c", $"setsid sh -c 'echo $$ > {file}; exec sleep 1000' < /dev/null > /dev/null 2>&1 &");
        for (int i = 0; i < 100 && (!File.Exists(file) || new FileInfo(file).Length == 0); i++)
        {
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }

        string pid = (await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken)).Trim();
        _process = int.Parse(pid, CultureInfo.InvariantCulture);
        for (int i = 0; i < 100 && !(await File.ReadAllTextAsync($"/proc/{pid}/comm", TestContext.Current.CancellationToken))
            .StartsWith("sleep", StringComparison.Ordinal); i++)
        {
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }

        // Past the loading of its libraries, in the one call that it makes for its whole life.
        await Task.Delay(300, TestContext.Current.CancellationToken);
        return pid;
    }

    private void Kill()
    {
        try
        {
            Process.GetProcessById(_process).Kill();
        }
        catch (ArgumentException)
        {
            // Dumped and not restored.
        }
    }

    private static async Task<(int Code, string Told)> Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false
        })!;
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(TimeSpan.FromMinutes(2));
        Task<string> error = process.StandardError.ReadToEndAsync(limit.Token);
        Task<string> told = process.StandardOutput.ReadToEndAsync(limit.Token);
        await process.WaitForExitAsync(limit.Token);
        return (process.ExitCode, program == "sh" ? "" : await error + await told);
    }
}
