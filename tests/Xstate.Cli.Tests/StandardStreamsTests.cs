using System.Text;
using Xstate.Cli.Output;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>What the command does when a standard stream is closed or full, and when something happens that nobody foresaw.</summary>
public sealed class StandardStreamsTests : IDisposable
{
    private const string Sample = "samples/captures/leaked-pkru.json";
    private const string Host = "samples/hosts/intel-skylake-sp.json@linux-6.1.40";

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData("show /nosuch 2>&-", 3)]
    [InlineData("show /nosuch 2>/dev/full", 3)]
    [InlineData("show 2>&-", 2)]
    [InlineData("show " + Sample + " 2>&-", 0)]
    public async Task A_closed_or_full_standard_error_is_quiet_and_the_exit_code_is_the_verb_s(string line, int code)
    {
        XstateProcess run = await Shell.Run($"xstate {line}");
        Assert.Equal((code, ""), (run.ExitCode, run.Error));
    }

    [Theory]
    [InlineData("show " + Sample + " >/dev/full", "No space left on device")]
    [InlineData("show " + Sample + " --json >/dev/full", "No space left on device")]
    [InlineData("show " + Sample + " >&-", "it is closed")]
    [InlineData("rules >&-", "it is closed")]
    public async Task A_full_or_closed_standard_output_is_exit_code_5_and_says_why(string line, string reason)
    {
        XstateProcess run = await Shell.Run($"xstate {line}");
        Assert.Equal((5, $"xstate: cannot write standard output: {reason}\n"), (run.ExitCode, run.Error));
    }

    [Fact]
    public async Task A_report_that_cannot_be_written_says_what_is_in_place()
    {
        XstateProcess run = await Shell.Run($"xstate fix {Sample} --on {Host} -o {_scratch.PathOf("out")} >/dev/full");
        Assert.Equal(5, run.ExitCode);
        Assert.EndsWith($"No space left on device; in place: {_scratch.PathOf("out.undo.json")}, {_scratch.PathOf("out")}\n", run.Error,
            StringComparison.Ordinal);
        Assert.Equal(["out", "out.undo.json"], _scratch.Names);
    }

    [Theory]
    [InlineData("show " + Sample, 0)]
    [InlineData("check " + Sample + " --on " + Host, 1)]
    [InlineData("rules", 0)]
    public async Task A_pipe_that_nobody_reads_is_quiet_and_the_exit_code_is_the_verb_s(string line, int code)
    {
        XstateProcess run = await Shell.Run($"{{ xstate {line}; echo $? >{_scratch.PathOf("code")}; }} | true");
        Assert.Equal("", run.Error);
        Assert.Equal(code, int.Parse(await File.ReadAllTextAsync(_scratch.PathOf("code"), TestContext.Current.CancellationToken),
            System.Globalization.CultureInfo.InvariantCulture));
    }

    [Fact]
    public void Nothing_in_the_command_passes_by_the_one_door_to_the_terminal()
    {
        string[] passing = [.. Directory.GetFiles(Repository.PathOf("src"), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
            .Where(file => File.ReadAllText(file).Contains("Console.", StringComparison.Ordinal))
            .Select(file => Path.GetRelativePath(Repository.PathOf("src"), file)).Order(StringComparer.Ordinal)];
        Assert.Equal(["Xstate.Cli/Output/StandardStreams.cs", "Xstate.Server/Program.cs"], passing);
    }

    [Fact]
    public async Task A_closed_standard_input_is_not_waited_for()
    {
        XstateProcess run = await Shell.Run("xstate show - <&-");
        Assert.Equal((3, "xstate: standard input is closed\n"), (run.ExitCode, run.Error));
    }

    [Fact]
    public void What_nobody_foresaw_is_one_line_and_exit_code_70()
    {
        using MemoryStream output = new();
        using MemoryStream error = new();
        int code = App.Run(["show", "-"], new StandardStreams(new BrokenStream(), output, error));
        string message = Encoding.UTF8.GetString(error.ToArray());
        Assert.Equal((70, ""), (code, Encoding.UTF8.GetString(output.ToArray())));
        Assert.StartsWith("xstate: internal error: InvalidOperationException: broken\\u000aon purpose", message, StringComparison.Ordinal);
        Assert.Equal(1, message.Count(letter => letter == '\n'));
    }

    [Theory]
    [InlineData("show", "")]
    [InlineData("check", Sample, "--on", "")]
    [InlineData("check", Sample, "--on", Host, "--layout", "")]
    [InlineData("check", Sample, "--on", Host, "--layout=")]
    [InlineData("fix", Sample, "--on", Host, "-o", "")]
    [InlineData("run", "", "--backend", "model", "--host", Host)]
    [InlineData("diff", "", "")]
    [InlineData("convert", "", "--to", "kvm_xsave", "-o", "x")]
    [InlineData("set", "", "pkru=0", "--in-place")]
    [InlineData("rules", "")]
    [InlineData("check", Sample, "--on", Host, "--vcpu-pkru", "0x100000000")]
    [InlineData("check", Sample, "--on", Host, "--vcpu-pkru", "99999999999999999999999")]
    public async Task An_empty_name_or_a_value_that_is_too_large_is_a_usage_error(params string[] arguments)
    {
        XstateProcess run = await XstateProcess.Run(arguments);
        Assert.Equal((2, ""), (run.ExitCode, run.Output));
        Assert.StartsWith("xstate: ", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"name\":\"x\\ud800\",\"steps\":[]}")]
    [InlineData("{\"name\":\"x\",\"st\\udfffps\":[]}")]
    [InlineData("{\"name\":\"x\",\"steps\":[{\"op\":\"\\ud800\"}]}")]
    [InlineData("{\"name\":\"x\",\"steps\":[{\"\\udc00\":1}]}")]
    public async Task A_lone_surrogate_in_a_scenario_is_unreadable_input(string scenario)
    {
        XstateProcess run = await XstateProcess.Run(Encoding.UTF8.GetBytes(scenario), "run", "-", "--backend", "model", "--host",
            "samples/hosts/amd-genoa.json@linux-6.12");
        Assert.Equal(3, run.ExitCode);
        Assert.StartsWith("xstate: line 1", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_name_that_begins_with_an_at_sign_is_a_file_s()
    {
        string file = _scratch.Write("@options", Encoding.UTF8.GetBytes("--json\n"));
        XstateProcess run = await XstateProcess.Run("show", Sample, "@" + file);
        Assert.Equal(3, run.ExitCode);
        Assert.StartsWith("FILE ", run.Output, StringComparison.Ordinal);
        File.Copy(Repository.PathOf(Sample.Split('/')), file, overwrite: true);
        Assert.Equal(0, (await Shell.Run("xstate show @options", _scratch.Folder)).ExitCode);
    }

    [Fact]
    public async Task A_file_that_reports_no_length_is_read_as_a_pipe_is()
    {
        Assert.SkipUnless(File.Exists("/proc/cpuinfo"), "needs Linux's /proc");
        XstateProcess byName = await XstateProcess.Run("show", "/proc/cpuinfo", "--json");
        Assert.Equal("proc-cpuinfo", byName.Json.GetProperty("format").GetString());
        XstateProcess asHost = await XstateProcess.Run("check", Sample, "--on", "/proc/cpuinfo@linux-6.12", "--host-layout",
            "samples/hosts/intel-icelake.json");
        Assert.InRange(asHost.ExitCode, 0, 1);
        XstateProcess endless = await XstateProcess.Run("show", "/dev/zero");
        Assert.Equal(3, endless.ExitCode);
        Assert.Contains("a file that tells no length", endless.Error, StringComparison.Ordinal);
    }

    private sealed class BrokenStream : MemoryStream
    {
        public override int Read(Span<byte> buffer) => throw new InvalidOperationException("broken\non purpose");

        public override long Length => throw new InvalidOperationException("broken\non purpose");
    }
}
