using System.Collections.Immutable;

namespace Xstate.Cli.Help;

/// <summary>What help and the manual page of a verb tell beside its options.</summary>
/// <param name="Verb">The verb.</param>
/// <param name="Examples">Command lines that run in the repository, without the leading word xstate.</param>
/// <param name="ExitCodes">What its exit codes mean, where they are its own; the common ones are <see cref="CommonExitCodes"/>.</param>
internal sealed record VerbGuide(string Verb, ImmutableArray<Example> Examples, ImmutableArray<(int Code, string Meaning)> ExitCodes)
{
    /// <summary>What the codes of every verb mean.</summary>
    public static ImmutableArray<(int Code, string Meaning)> CommonExitCodes { get; } =
    [
        (ExitCode.Fine, "Done, and nothing to report."),
        (ExitCode.Usage, "The command line is wrong."),
        (ExitCode.UnreadableInput, "An input cannot be read as what it should be."),
        (ExitCode.MachineRefused, "The kernel or the machine refused."),
        (ExitCode.OutputFailed, "Standard output or an output file cannot be written."),
        (ExitCode.Internal, "A defect of xstate itself; please report it."),
    ];

    /// <summary>All exit codes of the verb in their order.</summary>
    public ImmutableArray<(int Code, string Meaning)> AllExitCodes =>
        [.. CommonExitCodes.Where(common => !ExitCodes.Any(own => own.Code == common.Code)).Concat(ExitCodes).OrderBy(pair => pair.Code)];
}
