using System.Diagnostics;
using System.Runtime.Versioning;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Linux;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>The programs that the READMEs show.</summary>
public class SampleProgramTests
{
    private static readonly string[] PackageReadme = ["src", "Xstate", "README.md"];
    private static readonly string[] Readme = ["README.md"];

    [Fact]
    public void The_readme_of_the_package_shows_the_whole_embedding() => IsShown("embedding", PackageReadme);

    [Fact]
    public void The_readme_shows_the_whole_check() => IsShown("check", Readme);

    [Fact]
    public async Task The_embedding_prints_what_the_readme_of_the_package_says()
    {
        string printed = await Run("embedding");
        Assert.Contains($"```text\n{printed}```\n", Text(PackageReadme), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_check_prints_what_the_readme_says()
    {
        string[] arguments = ["samples/captures/leaked-pkru.json", "samples/hosts/intel-skylake-sp.json", "6.1.40"];
        string printed = await Run("check", arguments);
        string shown = $"```console\n$ dotnet run --project samples/check -- {string.Join(' ', arguments)}\n{printed}```\n";
        Assert.Contains(shown, Text(Readme), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_registers_are_those_of_the_file()
    {
        string printed = await Run("registers", "samples/captures/stale-pkru.json", "mxcsr");
        Assert.Equal("0 mxcsr Stored: a01f0000\n", printed);
    }

    [Fact]
    public async Task The_trim_drops_what_was_named_and_nothing_else()
    {
        string copy = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        const string Original = "samples/captures/live-avx512.json";
        try
        {
            await Run("trim", Original, copy, "opmask", "zmm_hi256", "hi16_zmm");
            XsaveArea before = Artifact.Open(Repository.PathOf(Original.Split('/'))).Capture!.States[0].ReadArea();
            XsaveArea after = Artifact.Open(copy).Capture!.States[0].ReadArea();
            StateComponentSet dropped = StateComponentSet.Of(StateComponent.Opmask, StateComponent.ZmmHi256, StateComponent.Hi16Zmm);
            Assert.True(before.XstateBv.ContainsAll(dropped));
            Assert.Equal(before.XstateBv.Except(dropped), after.XstateBv);
        }
        finally
        {
            File.Delete(copy);
        }
    }

    [Fact]
    public async Task The_instruction_on_pages_completes() =>
        Assert.Equal("Xsavec: none, XCOMP_BV 0x80000000000002e7\n", await Run("paged"));

    [Fact]
    [SupportedOSPlatform("linux")]
    public async Task The_program_on_kvm_moves_a_state_or_says_why_it_cannot()
    {
        string printed = await Run("kvm");
        Assert.SkipUnless(HostProbe.IsKvmUsable(out string why), why);
        Assert.EndsWith(" bytes: taken\n", printed, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("check")]
    [InlineData("registers")]
    [InlineData("trim")]
    [InlineData("paged")]
    [InlineData("kvm")]
    public void A_program_of_a_user_is_short(string sample)
    {
        string[] lines = File.ReadAllLines(Repository.PathOf("samples", sample, "Program.cs"));
        Assert.True(lines.Length < 25, $"{lines.Length} lines");
    }

    private static void IsShown(string sample, string[] readme)
    {
        string program = File.ReadAllText(Repository.PathOf("samples", sample, "Program.cs"));
        Assert.Contains($"```csharp\n{program}```\n", Text(readme), StringComparison.Ordinal);
    }

    private static async Task<string> Run(string sample, params string[] arguments)
    {
        string folder = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;
        string built = Repository.PathOf("samples", sample, "bin", folder, "net10.0", $"{sample}.dll");
        Assert.SkipUnless(File.Exists(built), $"{built} is not built");
        ProcessStartInfo start = new("dotnet", [built, .. arguments])
        {
            WorkingDirectory = Repository.Root,
            RedirectStandardOutput = true,
            UseShellExecute = false
        };
        using Process process = Process.Start(start)!;
        string printed = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, process.ExitCode);
        return printed;
    }

    private static string Text(string[] path) => File.ReadAllText(Repository.PathOf(path));
}
