using System.CommandLine;

namespace Xstate.Cli.Output;

/// <summary>The option <c>-o</c>, the same for every verb that writes a file.</summary>
internal static class OutputOption
{
    private const string Rules =
        " - is standard output; the report goes to standard error then. Nothing but a regular file is ever replaced, and with --force "
        + "only; "
        + "a symbolic link is replaced itself, and what it leads to stays.";

    /// <summary>One that may be left out.</summary>
    public static Option<string?> Create(string description) => new("--output", "-o") { Description = description + Rules };

    /// <summary>One that may not.</summary>
    public static Option<string> CreateRequired(string description) =>
        new("--output", "-o") { Description = description + Rules, Required = true };
}
