using System.Globalization;
using System.Text.Json;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>A thread with a small alternate signal stack, checked for this machine: what is told of it is what a program made for it
/// meets.</summary>
public sealed class SignalStackProgramTests : IDisposable
{
    private const int KilledBySegv = 128 + 11;
    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData(2048, false)]
    [InlineData(2560, false)]
    [InlineData(8192, true)]
    [InlineData(16384, true)]
    public async Task Where_AVX_512_is_the_program_dies_exactly_when_the_check_says_so(int size, bool lives)
    {
        Assert.SkipUnless(
            OperatingSystem.IsLinux() && File.ReadAllText("/proc/cpuinfo").Contains(" avx512f ", StringComparison.Ordinal),
            "this processor has no AVX-512: a machine with it under Linux 5.14 or later would run this");
        Assert.SkipUnless(Environment.OSVersion.Version >= new Version(5, 14), "before 5.14 the kernel does not look");
        string compiler = ExternalTool.Require("gcc");
        string program = _scratch.PathOf("sigstack");
        string source = Repository.PathOf("tests", "Xstate.Cli.Tests", "corpus", "sigstack.c");
        string output = ExternalTool.Run(compiler, "-O1", source, "-o", program);
        Assert.SkipUnless(File.Exists(program), $"gcc cannot build the program here: {output}");

        string image = _scratch.PathOf("core-2539.img");
        byte[] sample = File.ReadAllBytes(Repository.PathOf("tests", "Xstate.Tests", "Artifacts", "Criu", "data", "core-2539.img"));
        File.WriteAllBytes(image, CriuPatch.WithAlternateStack(sample, (ulong)size));
        XstateProcess check = await XstateProcess.Run("check", image, "--on", "local", "--criu", "4.2", "--json");
        JsonElement target = check.Json.GetProperty("targets")[0];
        JsonElement[] told = [.. target.GetProperty("findings").EnumerateArray().Where(finding =>
            finding.GetProperty("rule").GetString() == "XS1011")];
        Assert.Equal(lives ? 0 : 1, told.Length);
        Assert.All(told, finding => Assert.Equal($"{size} bytes", finding.GetProperty("found").GetString()));

        // The shell tells the signal as 128 and its number.
        XstateProcess run = await Shell.Run($"'{program}' {size.ToString(CultureInfo.InvariantCulture)}; exit $?");
        Assert.Equal(lives ? 0 : KilledBySegv, run.ExitCode);
    }
}
