using System.Text.Json;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

public sealed class LintCommandTests : IDisposable
{
    private const string Tcg = "samples/hosts/qemu-tcg-max.json";
    private const string Rome = "samples/hosts/amd-rome.json";

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task A_finding_names_rule_field_values_and_what_to_do()
    {
        XstateProcess run = await XstateProcess.Run("lint", Tcg, "--json");

        JsonElement finding = run.Json.GetProperty("findings").EnumerateArray().Single(f => f.GetProperty("rule").GetString() == "XS1453");
        Assert.Equal("N03", finding.GetProperty("aliases")[0].GetString());
        Assert.Equal(("host", "0xd.0x1.ebx"), (finding.GetProperty("where").GetProperty("table").GetString(),
            finding.GetProperty("where").GetProperty("leaf").GetString()));
        Assert.Equal(("968", "0"), (finding.GetProperty("found").GetString(), finding.GetProperty("expected").GetString()));
        Assert.Equal("Xen", finding.GetProperty("breaks")[0].GetProperty("who").GetString());
        Assert.Equal(0, run.ExitCode);
    }

    [Fact]
    public async Task A_milder_case_of_a_rule_claims_none_of_its_consequences()
    {
        // What KVM makes of that processor under SVM: leaf 0xD of MPX without MPX.
        string hidden = _scratch.PathOf("hidden.json");
        string record = await File.ReadAllTextAsync(Repository.PathOf(Tcg.Split('/')), TestContext.Current.CancellationToken);
        Assert.Contains("0x219c43ab", record, StringComparison.Ordinal);
        await File.WriteAllTextAsync(hidden, record.Replace("0x219c43ab", "0x219c03ab", StringComparison.Ordinal),
            TestContext.Current.CancellationToken);
        XstateProcess run = await XstateProcess.Run("lint", hidden);

        Assert.Contains("XS1414 warning: leaf 0xd.0 offers bndregs and MPX is not shown", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("#GP at boot", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_error_is_exit_code_1_and_a_guest_that_survives_makes_it_a_warning()
    {
        string broken = _scratch.PathOf("broken.txt");
        await File.WriteAllTextAsync(broken, Text(compacted: 904), TestContext.Current.CancellationToken);

        XstateProcess any = await XstateProcess.Run("lint", broken, "--view", "guest");
        XstateProcess linux = await XstateProcess.Run("lint", broken, "--view", "guest", "--guest", "linux-6.12");
        XstateProcess freebsd = await XstateProcess.Run("lint", broken, "--view", "guest", "--guest", "freebsd");
        XstateProcess old = await XstateProcess.Run("lint", broken, "--view", "guest", "--guest", "linux-5.10");

        Assert.Equal((1, 1, 0, 0), (any.ExitCode, linux.ExitCode, freebsd.ExitCode, old.ExitCode));
        Assert.Contains("Linux before 5.16: warns of an XSAVE consistency problem and goes on", old.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("turns XSAVE off", old.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("before 5.16", linux.Output, StringComparison.Ordinal);
        Assert.Contains("XS1451 error", linux.Output, StringComparison.Ordinal);
        Assert.Contains("XS1451 warning", freebsd.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_fix_writes_a_CPUID_that_is_clean_and_lists_what_it_changed()
    {
        string broken = _scratch.PathOf("broken.txt");
        string mended = _scratch.PathOf("mended.txt");
        await File.WriteAllTextAsync(broken, Text(compacted: 904), TestContext.Current.CancellationToken);

        XstateProcess fix = await XstateProcess.Run("lint", broken, "--view", "guest", "--fix", "-o", mended);
        XstateProcess again = await XstateProcess.Run("lint", mended, "--view", "guest");

        Assert.Equal((0, 0), (fix.ExitCode, again.ExitCode));
        Assert.Contains("0xd.0x1.ebx 0x388 -> 0x340", fix.Output, StringComparison.Ordinal);
        Assert.Contains("no contradiction found", again.Output, StringComparison.Ordinal);
        Assert.Equal(2, (await XstateProcess.Run("lint", broken, "--fix", "-o", mended)).ExitCode);
    }

    [Fact]
    public async Task Several_files_answer_in_their_order_and_SARIF_has_a_result_a_finding()
    {
        XstateProcess json = await XstateProcess.Run("lint", Rome, Tcg, "--json");
        XstateProcess sarif = await XstateProcess.Run("lint", Rome, Tcg, "--sarif");

        JsonElement[] files = [.. json.Json.GetProperty("files").EnumerateArray()];
        Assert.Equal([Rome, Tcg], files.Select(file => file.GetProperty("file").GetString()));
        JsonElement report = sarif.Json.GetProperty("runs")[0];
        Assert.Equal(files.Sum(file => file.GetProperty("findings").GetArrayLength()), report.GetProperty("results").GetArrayLength());
        Assert.All(report.GetProperty("results").EnumerateArray(), result =>
            Assert.Equal(result.GetProperty("ruleId").GetString(), report.GetProperty("tool").GetProperty("driver")
                .GetProperty("rules")[result.GetProperty("ruleIndex").GetInt32()].GetProperty("id").GetString()));
    }

    [Theory]
    [InlineData("lint")]
    [InlineData("lint", Tcg, "--view", "nosuch")]
    [InlineData("lint", Tcg, "--guest", "nosuch")]
    [InlineData("lint", Tcg, "--guest", "linux-nosuch")]
    [InlineData("lint", Tcg, "--guest", "linux-")]
    [InlineData("lint", Tcg, "--guest", "freebsd-14")]
    [InlineData("lint", Tcg, "--fix")]
    [InlineData("lint", "samples/captures/intel-for-amd.json", Rome, "--fix", "-o", "never")]
    public async Task A_misuse_is_exit_code_2(params string[] arguments) => Assert.Equal(2, (await XstateProcess.Run(arguments)).ExitCode);

    // A guest of an AMD processor with AVX, whose compacted size is 832.
    private static string Text(uint compacted) =>
        $"""
        CPU 0:
           0x00000000 0x00: eax=0x0000000d ebx=0x68747541 ecx=0x444d4163 edx=0x69746e65
           0x00000001 0x00: eax=0x00a20f10 ebx=0x00000000 ecx=0x1c000000 edx=0x078bfbff
           0x0000000d 0x00: eax=0x00000007 ebx=0x00000340 ecx=0x00000340 edx=0x00000000
           0x0000000d 0x01: eax=0x00000003 ebx=0x{compacted:x8} ecx=0x00000000 edx=0x00000000
           0x0000000d 0x02: eax=0x00000100 ebx=0x00000240 ecx=0x00000000 edx=0x00000000

        """;
}
