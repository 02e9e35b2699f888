using Xstate.Artifacts;
using Xstate.Cli.Output;
using Xstate.Hypervisors;
using Xstate.Linux;
using Xstate.Scenarios;

namespace Xstate.Cli;

/// <summary>What went wrong, as an exit code and one line: the one place where exceptions become either.</summary>
/// <param name="Exit">The exit code of a run that ends with it.</param>
/// <param name="Message">What is wrong.</param>
internal readonly record struct Failure(int Exit, string Message)
{
    /// <summary>What an exception says.</summary>
    public static Failure Of(Exception error) => error switch
    {
        UsageException => new(ExitCode.Usage, error.Message),
        OutputException => new(ExitCode.OutputFailed, error.Message),
        ScenarioException or MalformedArtifactException or IOException or UnauthorizedAccessException =>
            new(ExitCode.UnreadableInput, error.Message),
        UnknownDifferenceException unknown =>
            new(ExitCode.Usage,
            $"{unknown.Message}. Set it by hand, as in @{unknown.Kernel},{unknown.Difference}=yes or =no; xstate host --probe finds "
            + "out on that host"),
        LinuxException => new(ExitCode.MachineRefused, error.Message),
        _ =>
            new(ExitCode.Internal,
                $"internal error: {error.GetType().Name}: {error.Message} This is a defect of xstate; please report it with the command "
                + "line and the input"),
    };

    /// <summary>
    /// What an exception says of one of several inputs: the command line as a whole makes sense, so that this input is not what it should
    /// be.
    /// </summary>
    public static Failure OfOne(Exception error)
    {
        Failure failure = Of(error);
        return failure.Exit == ExitCode.Usage ? failure with { Exit = ExitCode.UnreadableInput } : failure;
    }
}
