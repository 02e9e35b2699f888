using System.Text.Json;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>Many FILEs and many HOSTs in one run: all of them are answered, whatever is wrong with one.</summary>
public class BatchTests
{
    private const string Host = "samples/hosts/intel-haswell.json@linux-6.12";
    private const string OtherHost = "samples/hosts/intel-sapphire-rapids.json@linux-6.12";
    private const string Broken = "README.md";

    [Fact]
    public async Task A_bad_file_among_others_is_told_and_the_others_are_answered()
    {
        XstateProcess run = await XstateProcess.Run("check", "samples/captures/stale-pkru.json", Broken,
            "samples/captures/live-avx512.json", "--on", Host);
        string[] lines = run.Output.TrimEnd().Split('\n');
        Assert.Equal(3, run.ExitCode);
        Assert.Equal(4, lines.Length);
        Assert.Equal(["FILE", "HOST", "KERNEL", "VERDICT", "WHY"], Cells(lines[0]));
        Assert.Equal(["samples/captures/stale-pkru.json", "intel-haswell", "linux-6.12", "refused"], Cells(lines[1])[..4]);
        Assert.Equal([Broken, "-", "-", "error"], Cells(lines[2])[..4]);
        Assert.StartsWith("KVM_SET_XSAVE EINVAL XS0102", Cells(lines[3])[4], StringComparison.Ordinal);
        Assert.Equal("xstate: 1 of 3 files have no answer\n", run.Error);
    }

    [Fact]
    public async Task Several_hosts_are_one_line_each_and_details_are_everything()
    {
        string[] command = ["check", "samples/captures/leaked-pkru.json", "--on", Host, "missing.json@linux-6.12", OtherHost];
        XstateProcess table = await XstateProcess.Run(command);
        string[] lines = table.Output.TrimEnd().Split('\n');
        Assert.Equal(3, table.ExitCode);
        Assert.Equal(["intel-haswell", "intel-sapphire-rapids", "missing.json@linux-6.12"], lines[1..].Select(line => Cells(line)[1]));
        XstateProcess details = await XstateProcess.Run([.. command, "--details"]);
        Assert.Equal(3, details.ExitCode);
        Assert.Contains("repair (xstate fix does it)", details.Output, StringComparison.Ordinal);
        Assert.Contains("missing.json", details.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_makes_no_sense_for_the_verb_is_usage_alone_and_unreadable_among_others()
    {
        Assert.Equal(2, (await XstateProcess.Run("check", "samples/hosts/intel-haswell.json", "--on", Host)).ExitCode);
        Assert.Equal(3, (await XstateProcess.Run("check", "samples/hosts/intel-haswell.json", "samples/captures/leaked-pkru.json", "--on",
            Host)).ExitCode);
        Assert.Equal(3, (await XstateProcess.Run("check", "samples/captures/leaked-pkru.json", "--on", Host,
            "samples/hosts/intel-haswell.json")).ExitCode);
    }

    [Fact]
    public async Task One_bad_host_alone_fails_as_ever()
    {
        Assert.Equal(3,
            (await XstateProcess.Run("check", "samples/captures/leaked-pkru.json", "--on", "missing.json@linux-6.12")).ExitCode);
        Assert.Equal(2,
            (await XstateProcess.Run("check", "samples/captures/leaked-pkru.json", "--on", "samples/hosts/intel-haswell.json")).ExitCode);
        Assert.Equal(2, (await XstateProcess.Run("show", Broken, "--format", "nothing")).ExitCode);
    }

    [Fact]
    public async Task Hosts_of_one_name_are_told_apart_by_their_arguments()
    {
        XstateProcess run = await XstateProcess.Run("check", "samples/captures/leaked-pkru.json", "--on", Host,
            "samples/hosts/intel-haswell.json@linux-6.1.40");
        Assert.Equal([Host, "samples/hosts/intel-haswell.json@linux-6.1.40"],
            run.Output.TrimEnd().Split('\n')[1..].Select(line => Cells(line)[1]));
    }

    [Theory]
    [InlineData("show")]
    [InlineData("check", "--on", Host)]
    [InlineData("lint")]
    public async Task Lines_are_what_each_file_answers_alone(string verb, params string[] options)
    {
        string[] files = ["samples/captures/leaked-pkru.json", Broken, "samples/captures/stale-pkru.json"];
        XstateProcess lines = await XstateProcess.Run([verb, .. files, .. options, "--jsonl"]);
        XstateProcess together = await XstateProcess.Run([verb, .. files, .. options, "--json"]);
        Assert.Equal(3, lines.ExitCode);
        Assert.Equal(3, together.ExitCode);
        JsonElement[] each = [.. lines.Output.TrimEnd().Split('\n').Select(line => JsonDocument.Parse(line).RootElement)];
        Assert.Equal(files, each.Select(answer => answer.GetProperty("file").GetString()));
        Assert.Equal(3, each[1].GetProperty("error").GetProperty("exit").GetInt32());
        JsonElement[] inOne = [.. together.Json.GetProperty("files").EnumerateArray()];
        Assert.All(each.Zip(inOne), pair => Assert.True(JsonElement.DeepEquals(pair.First, pair.Second)));
        Assert.Empty(new JsonSchema("batch.answer.schema.json").Errors(together.Json));
        foreach (int good in (int[])[0, 2])
        {
            XstateProcess alone = await XstateProcess.Run([verb, files[good], .. options, "--json"]);
            Assert.True(JsonElement.DeepEquals(alone.Json, each[good]));
            Assert.Empty(new JsonSchema($"{verb}.answer.schema.json").Errors(alone.Json));
        }
    }

    [Fact]
    public async Task An_unread_host_is_a_target_with_an_error()
    {
        XstateProcess run = await XstateProcess.Run("check", "samples/captures/leaked-pkru.json", "--on", Host, "missing.json@linux-6.12",
            "--json");
        JsonElement last = run.Json.GetProperty("targets")[1];
        Assert.Equal(3, run.ExitCode);
        Assert.Equal("missing.json@linux-6.12", last.GetProperty("argument").GetString());
        Assert.Equal(3, last.GetProperty("error").GetProperty("exit").GetInt32());
        Assert.Empty(new JsonSchema("check.answer.schema.json").Errors(run.Json));
    }

    [Fact]
    public async Task A_kernel_for_hosts_without_one_is_given_once()
    {
        XstateProcess run = await XstateProcess.Run("check", "samples/captures/leaked-pkru.json", "--on",
            "samples/hosts/intel-haswell.json", "samples/hosts/amd-genoa.json@linux-6.1.40", "--kernel", "linux-6.12");
        Assert.Equal(["linux-6.12", "linux-6.1.40"], run.Output.TrimEnd().Split('\n')[1..].Select(line => Cells(line)[2]));
    }

    [Fact]
    public async Task A_pattern_that_the_shell_left_is_ours_and_carries_a_kernel()
    {
        XstateProcess run = await XstateProcess.Run("check", "samples/captures/*-pkru.json", "--on",
            "samples/hosts/amd-[gm]*.json@linux-6.12", "samples/hosts/amd-m*.json@linux-6.12", "samples/hosts/**/amd-r?me.json@linux-6.12",
            "--jsonl");
        string[] lines = run.Output.TrimEnd().Split('\n');
        Assert.Equal(["samples/captures/leaked-pkru.json", "samples/captures/stale-pkru.json"],
            lines.Select(line => JsonDocument.Parse(line).RootElement.GetProperty("file").GetString()));
        JsonElement[] targets = [.. JsonDocument.Parse(lines[0]).RootElement.GetProperty("targets").EnumerateArray()];
        Assert.Equal(
            ["samples/hosts/amd-milan.json@linux-6.12", "samples/hosts/amd-rome.json@linux-6.12",
                "samples/hosts/amd-[gm]*.json@linux-6.12"],
            targets.Select(target => target.GetProperty("argument").GetString()));
    }

    [Fact]
    public async Task A_directory_is_its_regular_files_without_hidden_ones_and_link_loops()
    {
        using Scratch scratch = new();
        scratch.Copy("samples/captures/leaked-pkru.json", "b.json");
        scratch.Copy("samples/captures/leaked-pkru.json", ".hidden.json");
        Directory.CreateDirectory(scratch.PathOf("below"));
        Directory.CreateDirectory(scratch.PathOf(".git"));
        scratch.Copy("samples/captures/leaked-pkru.json", "below/a.json");
        scratch.Copy("samples/captures/leaked-pkru.json", ".git/c.json");
        File.CreateSymbolicLink(scratch.PathOf("linked.json"), scratch.PathOf("b.json"));
        Directory.CreateSymbolicLink(scratch.PathOf("below/loop"), scratch.Folder);
        XstateProcess run = await XstateProcess.Run("show", scratch.Folder, "--jsonl");
        Assert.Equal(0, run.ExitCode);
        Assert.Equal(["b.json", "linked.json", "below/a.json"], FilesOf(run).Select(file => Path.GetRelativePath(scratch.Folder, file)));
        XstateProcess pattern = await XstateProcess.Run("show", scratch.PathOf("**"), "--jsonl");
        Assert.Equal(["b.json", "linked.json", "below/a.json"], FilesOf(pattern).Select(file => Path.GetRelativePath(scratch.Folder, file))
            .OrderBy(name => name.Contains('/')).ThenBy(name => name, StringComparer.Ordinal));
    }

    [Theory]
    [InlineData('\n')]
    [InlineData('\0')]
    public async Task A_list_names_files_and_none_of_them_is_a_pattern(char end)
    {
        using Scratch scratch = new();
        string odd = scratch.Copy("samples/captures/leaked-pkru.json", "*.json");
        scratch.Copy("samples/captures/stale-pkru.json", "other.json");
        string missing = scratch.PathOf("o*.json");
        byte[] list = System.Text.Encoding.UTF8.GetBytes($"{odd}{end}samples/captures/stale-pkru.json{end}{missing}{end}");
        XstateProcess run = await XstateProcess.Run(list, "show", "--files-from", "-", "--jsonl");
        Assert.Equal(3, run.ExitCode);
        Assert.Equal([odd, "samples/captures/stale-pkru.json", missing], FilesOf(run));
    }

    [Fact]
    public async Task Fix_of_several_writes_each_into_the_directory_and_goes_on_after_a_bad_one()
    {
        using Scratch scratch = new();
        string folder = scratch.PathOf("out") + "/";
        XstateProcess run = await XstateProcess.Run("fix", "samples/captures/hidden-avx512.json", Broken,
            "samples/captures/leaked-pkru.json", "--on", "samples/hosts/intel-skylake-sp.json@linux-6.1.40", "-o", folder, "--jsonl");
        Assert.Equal(3, run.ExitCode);
        Assert.Equal(["hidden-avx512.json", "hidden-avx512.json.undo.json", "leaked-pkru.json", "leaked-pkru.json.undo.json"],
            Directory.GetFiles(folder).Select(file => Path.GetFileName(file)!).Order(StringComparer.Ordinal));
        foreach (string line in run.Output.TrimEnd().Split('\n'))
        {
            Assert.Empty(new JsonSchema("batch.answer.schema.json")
                .Errors(JsonDocument.Parse($"{{\"schemaVersion\":1,\"verb\":\"fix\",\"files\":[{line}]}}").RootElement));
        }

        XstateProcess again = await XstateProcess.Run("check", folder + "leaked-pkru.json", "--on",
            "samples/hosts/intel-skylake-sp.json@linux-6.1.40");
        Assert.Equal(0, again.ExitCode);
    }

    [Fact]
    public async Task Convert_of_several_names_each_after_its_format()
    {
        using Scratch scratch = new();
        XstateProcess run = await XstateProcess.Run("convert", "samples/captures/leaked-pkru.json", "samples/captures/live-avx512.json",
            "--to", "kvm_xsave", "-o", scratch.Folder);
        Assert.Equal(0, run.ExitCode);
        Assert.Equal(["leaked-pkru.json.kvm_xsave", "live-avx512.json.kvm_xsave"], scratch.Names);
    }

    [Fact]
    public async Task Two_files_of_one_name_are_refused_before_anything_is_written()
    {
        using Scratch scratch = new();
        Directory.CreateDirectory(scratch.PathOf("in"));
        string other = scratch.Copy("samples/captures/leaked-pkru.json", "in/leaked-pkru.json");
        XstateProcess run = await XstateProcess.Run("fix", "samples/captures/leaked-pkru.json", other, "--on", Host, "-o",
            scratch.PathOf("out/"));
        Assert.Equal(2, run.ExitCode);
        Assert.False(Directory.Exists(scratch.PathOf("out")));
        Assert.Equal(2, (await XstateProcess.Run("fix", "samples/captures/leaked-pkru.json", "samples/captures/stale-pkru.json", "--on",
            Host, "-o", scratch.PathOf("out"))).ExitCode);
    }

    [Theory]
    [InlineData(1, 4, 4)]
    [InlineData(4, 3, 3)]
    [InlineData(5, 3, 5)]
    [InlineData(70, 5, 70)]
    [InlineData(0, 1, 1)]
    public void The_worst_exit_code_wins(int one, int other, int worst)
    {
        Assert.Equal(worst, ExitCode.Worse(one, other));
        Assert.Equal(worst, ExitCode.Worse(other, one));
    }

    [Fact]
    public async Task A_wrong_option_is_a_usage_error_and_not_one_of_each_file()
    {
        XstateProcess run = await XstateProcess.Run("check", "samples/captures/leaked-pkru.json", "samples/captures/stale-pkru.json",
            "--on", Host, "--vmm", "nosuch");
        Assert.Equal(2, run.ExitCode);
        Assert.Empty(run.Output);
    }

    private static IEnumerable<string> FilesOf(XstateProcess run) =>
        run.Output.TrimEnd().Split('\n').Select(line => JsonDocument.Parse(line).RootElement.GetProperty("file").GetString()!);

    private static string[] Cells(string line) => line.Split("  ", StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
}
