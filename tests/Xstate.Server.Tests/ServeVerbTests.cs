using System.Diagnostics;

namespace Xstate.Server.Tests;

/// <summary>xstate serve goes on as the service that stands beside it.</summary>
public class ServeVerbTests
{
    [Theory]
    [InlineData("--version", 0)]
    [InlineData("--hosts", 1)]
    public async Task The_program_beside_it_takes_its_place_arguments_and_exit_code(string argument, int exit)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "one program takes another's place on Linux only");
        string command = Path.Combine(AppContext.BaseDirectory, "Xstate.Cli.dll");
        Assert.SkipUnless(File.Exists(Path.Combine(AppContext.BaseDirectory, "xstate-server")),
            "the service was built without a program of its own, only as an assembly");
        (int code, string text) = await Run("dotnet", command, "serve", "--", argument);
        (int own, string same) = await Run(Path.Combine(AppContext.BaseDirectory, "xstate-server"), argument);
        Assert.Equal((exit, same), (code, text));
        Assert.Equal(exit, own);
        Assert.NotEqual("", same);
    }

    private static async Task<(int Code, string Text)> Run(string program, params string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments) { RedirectStandardOutput = true, UseShellExecute = false };
        using Process process = Process.Start(start)!;
        string text = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, text);
    }
}
