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
    public async Task A_host_that_could_not_be_probed_says_so()
    {
        Assert.SkipWhen(OperatingSystem.IsLinux() && Linux.HostProbe.IsKvmUsable(out _), "this machine can be probed; one without /dev/kvm runs this");
        XstateProcess run = await XstateProcess.Run("host", "--probe");
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("xstate: nothing was probed: ", run.Error, StringComparison.Ordinal);
    }
}
