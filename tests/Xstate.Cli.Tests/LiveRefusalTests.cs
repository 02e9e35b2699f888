using System.Diagnostics;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>Inputs that are no plain file, and a machine that cannot be probed: said so that somebody knows what to do.</summary>
public sealed class LiveRefusalTests : IDisposable
{
    private readonly Scratch _scratch = new();

    public LiveRefusalTests() => Assert.SkipUnless(OperatingSystem.IsLinux(), "named pipes and /dev/kvm are Linux's here");

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task A_pipe_with_the_name_of_an_image_is_not_waited_for()
    {
        await Shell.Run("mkdir images; mkfifo images/core-1.img", _scratch.Folder);
        XstateProcess run = await XstateProcess.Run("show", _scratch.PathOf("images"));
        Assert.Equal(2, run.ExitCode);
        Assert.Contains("is a directory", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_users_process_is_said_to_be_that()
    {
        string setpriv = ExternalTool.Require("setpriv");
        Assert.SkipUnless(Environment.UserName == "root", "another user is taken on by root: a test run as root would run this");
        using Process sleeper = Process.Start("sleep", "600");
        try
        {
            string line = $"{setpriv} --reuid 65534 --regid 65534 --clear-groups {XstateProcess.ShellCommand} show --pid {sleeper.Id}";
            XstateProcess run = await Shell.Run(line, null, ("HOME", "/tmp"));
            Assert.SkipWhen(run.ExitCode is 126 or 127 or 150 || run.Error.Contains("Permission denied", StringComparison.Ordinal),
                $"nobody cannot start the command here: {run.Error.Trim()}");
            Assert.Equal(4, run.ExitCode);
            Assert.Contains($"process {sleeper.Id} belongs to user 0 and this one to 65534: run as that user or with CAP_SYS_PTRACE",
                run.Error, StringComparison.Ordinal);
        }
        finally
        {
            sleeper.Kill();
            sleeper.WaitForExit();
        }
    }

    [Theory]
    [InlineData("show", "--pid")]
    [InlineData("show", "--pid=")]
    [InlineData("show", "pid:")]
    public async Task A_process_id_that_was_forgotten_is_asked_for(params string[] arguments)
    {
        XstateProcess run = await XstateProcess.Run(arguments);
        Assert.Equal(2, run.ExitCode);
        Assert.Contains("--pid takes a process id, such as --pid 1234", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_help_says_that_looking_can_interrupt_a_system_call()
    {
        XstateProcess help = await XstateProcess.Run("show", "--help");
        Assert.Equal(0, help.ExitCode);
        Assert.Contains("EINTR", help.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_host_that_could_not_be_probed_says_so()
    {
        Assert.SkipWhen(OperatingSystem.IsLinux() && Linux.HostProbe.IsKvmUsable(out _),
            "this machine can be probed; one without /dev/kvm runs this");
        XstateProcess run = await XstateProcess.Run("host", "--probe");
        Assert.Equal(4, run.ExitCode);
        Assert.Contains("xstate: KVM was not probed: ", run.Error, StringComparison.Ordinal);
    }
}
