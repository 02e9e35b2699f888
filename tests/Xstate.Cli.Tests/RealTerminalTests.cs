using System.Diagnostics;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>The command on a pseudo-terminal of tmux, and what is on its screen.</summary>
public sealed class RealTerminalTests : IDisposable
{
    private const string Head = "@@ ";
    private const string Tmux = "/usr/bin/tmux";

    private static readonly string[] Lines =
    [
        "check samples/captures/leaked-pkru.json --on samples/hosts/intel-skylake-sp.json@linux-6.1.40 --details",
        "check samples/captures/*.json --on samples/hosts/amd-genoa.json@linux-6.12 samples/hosts/intel-haswell.json@linux-6.1.40",
        "show samples/captures/live-avx512.json --details",
        "diff samples/captures/leaked-pkru.json samples/captures/live-avx512.json --details",
        "lint samples/hosts/amd-genoa.json --details",
        "pool samples/hosts/*.json --kernel linux-6.12",
        "rules",
        "explore --list",
        "fix samples/captures/intel-for-amd.json --on samples/hosts/amd-genoa.json@linux-6.12 -o {folder}/fixed --force",
        "convert samples/captures/leaked-pkru.json --to kvm_xsave -o {folder}/area --force",
        "set samples/captures/leaked-pkru.json mxcsr=+ftz -o {folder}/set --force",
        "make-cpuid samples/hosts/intel-haswell.json --components avx --to cpuid-r -o {folder}/cpuid --force",
        "run samples/scenarios/case-5-trim.json --backend model --host samples/hosts/intel-haswell.json@linux-6.1.40 --text",
        "explore kvm-vmx-5.8 --trace text --details",
        "report samples/captures/leaked-pkru.json -o {folder}/page.html --force",
        "docs -o {folder}/site --force",
        "conform --count 20 --seed 1",
        "host",
        "rules XS0101",
        "rules EINVAL",
        "rules --kernel 6.1.0-47-amd64",
        "check --vmm list",
    ];

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task Every_verb_that_answers_people_is_among_the_lines()
    {
        // A manual page and completions are for other programs; serve starts another program, and help breaks its lines by itself.
        string[] others = ["man", "completion", "serve", "help"];
        string[] verbs = (await XstateProcess.Run("man", "--list")).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(verbs.Except(others).Order(StringComparer.Ordinal),
            Lines.Select(line => line.Split(' ')[0]).Distinct().Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData(40)]
    [InlineData(80)]
    [InlineData(120)]
    public async Task Every_answer_fits_a_terminal(int width)
    {
        Assert.SkipUnless(File.Exists(Tmux), "tmux is not installed");
        string socket = _scratch.PathOf("tmux");
        string script = _scratch.PathOf("script");
        string[] lines = [.. Lines.Select(line => line.Replace("{folder}", _scratch.Folder, StringComparison.Ordinal))];
        string[] commands = [.. lines.Select((line, i) => $"echo '{Head}{i}'; xstate {line}")];
        await File.WriteAllTextAsync(script, $"""
            xstate() {"{"} {XstateProcess.ShellCommand} "$@"; {"}"}
            {string.Join('\n', commands)}
            {Tmux} -S '{socket}' wait-for -S done
            sleep 60

            """, TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(_scratch.PathOf("conf"), "set -g history-limit 20000\nset -g default-terminal screen-256color\n",
            TestContext.Current.CancellationToken);
        await Run("-f", _scratch.PathOf("conf"), "-S", socket, "new-session", "-d", "-x", $"{width}", "-y", "50", "/bin/sh", script);
        try
        {
            await Run("-S", socket, "wait-for", "done");

            // With the lines joined that the terminal itself has broken.
            string screen = await Run("-S", socket, "capture-pane", "-p", "-J", "-S", "-");
            string[] answers = screen.Split(Head)[1..];
            Assert.Equal(lines.Length, answers.Length);
            foreach ((string answer, string line) in answers.Zip(lines))
            {
                XstateProcess plain = await XstateProcess.Run(line.Split(' '));
                string[] seen = [.. answer.Split('\n')[1..].Select(one => one.TrimEnd())];
                LaidOut.Hold(seen.AsSpan().TrimEnd("").ToArray(), plain.Output, width);
            }
        }
        finally
        {
            await Run("-S", socket, "kill-server");
        }
    }

    private static async Task<string> Run(params string[] arguments)
    {
        ProcessStartInfo start = new(Tmux, arguments)
        {
            WorkingDirectory = Repository.Root,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.Environment["TERM"] = "xterm-256color";
        start.Environment["LC_ALL"] = "C.UTF-8";
        start.Environment.Remove("NO_COLOR");
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == 0, await error);
        return output;
    }
}
