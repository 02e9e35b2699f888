using System.Text;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests.Help;

/// <summary>The completion scripts in the shells themselves.</summary>
public sealed class CompletionTests
{
    // A terminal in which a key completes the line and prints what it became.
    private const string ZshTerminal = """
        zmodload zsh/zpty
        zpty z zsh -f -i
        zpty -w z "PS1='> '; fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D"
        zpty -w z 'answer() { zle complete-word; print -r -- "[${BUFFER}]"; BUFFER=; }; zle -N answer; bindkey "^T" answer; print ready'
        zpty -r z out '*ready*'
        zpty -r z out '*ready*'
        zpty -w -n z "$2"$'\x14'
        zpty -r z out '*\[*\]*'
        print -r -- "${${out##*\[}%%\]*}"
        """;

    public static TheoryData<string, string> Lines() => new()
    {
        { "xstate chec", "check" },
        { "xstate check --cri", "--criu" },
        { "xstate run --backend kv", "kvm" },
        { "xstate man make", "make-cpuid" },
    };

    [Theory]
    [MemberData(nameof(Lines))]
    public async Task Bash_completes(string line, string last)
    {
        ExternalTool.Require("bash");
        string[] words = line.Split(' ');
        string script = $"{await Script("bash")}\nCOMP_WORDS=({line}); COMP_CWORD={words.Length - 1}; _xstate; printf '%s\\n' "
            + $"\"${{COMPREPLY[@]}}\"\n";
        Assert.Equal($"{last}\n", RunScript("bash", script, "--norc"));
    }

    [Fact]
    public async Task Bash_completes_files_where_a_file_stands()
    {
        ExternalTool.Require("bash");
        string script = $"compopt() {{ :; }}\n{await Script("bash")}\ncd {Repository.Root}; COMP_WORDS=(xstate check READ); "
            + $"COMP_CWORD=2; _xstate; printf '%s\\n' \"${{COMPREPLY[@]}}\"\n";
        Assert.Equal("README.md\n", RunScript("bash", script, "--norc"));
    }

    [Theory]
    [MemberData(nameof(Lines))]
    public async Task Fish_completes(string line, string last)
    {
        ExternalTool.Require("fish");
        string answer = RunScript("fish", $"{await Script("fish")}\ncomplete -C '{line}'\n", "--no-config");
        Assert.Equal([last], answer.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(each => each.Split('\t')[0]));
    }

    [Theory]
    [MemberData(nameof(Lines))]
    public async Task Zsh_completes(string line, string last)
    {
        ExternalTool.Require("zsh");
        using Scratch scratch = new();
        scratch.Write("_xstate", Encoding.UTF8.GetBytes(await Script("zsh")));
        string terminal = scratch.Write("terminal", Encoding.UTF8.GetBytes(ZshTerminal));
        string answer = ExternalTool.Run("zsh", "-f", terminal, scratch.Folder, line).Trim();
        Assert.Equal(string.Join(' ', [.. line.Split(' ')[..^1], last]), answer);
    }

    [Fact]
    public async Task Other_shells_are_refused()
    {
        XstateProcess run = await XstateProcess.Run("completion", "tcsh");
        Assert.Equal(ExitCode.Usage, run.ExitCode);
    }

    private static async Task<string> Script(string shell) => (await XstateProcess.Run("completion", shell)).Output;

    private static string RunScript(string shell, string script, string option)
    {
        using Scratch scratch = new();
        return ExternalTool.Run(shell, option, scratch.Write("script", Encoding.UTF8.GetBytes(script)));
    }
}
