using System.Text;
using System.Text.RegularExpressions;
using Xstate.Cli.Output;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>One run of the command in this process on a terminal that is not there.</summary>
/// <param name="ExitCode">Its exit code.</param>
/// <param name="Raw">What the terminal got, with escape sequences.</param>
/// <param name="Error">The messages on it.</param>
internal sealed partial record FakeTerminal(int ExitCode, string Raw, string Error)
{
    static FakeTerminal() => Environment.CurrentDirectory = Repository.Root;

    /// <summary>What somebody reads.</summary>
    public string Text => Style().Replace(Raw, "");

    /// <summary>Its lines.</summary>
    public string[] Lines => Text.TrimEnd('\n').Split('\n');

    /// <summary>Runs in the repository's root.</summary>
    public static FakeTerminal Run(int width, params string[] arguments) => Run(new TerminalLook(width), arguments);

    /// <summary>Runs in the repository's root.</summary>
    public static FakeTerminal Run(TerminalLook? look, params string[] arguments)
    {
        using MemoryStream output = new();
        using MemoryStream error = new();
        int code = App.Run(arguments, new StandardStreams(Stream.Null, output, error, IsOutputTerminal: true, IsErrorTerminal: true)
        {
            Look = look,
        });
        return new FakeTerminal(code, Encoding.UTF8.GetString(output.ToArray()), Encoding.UTF8.GetString(error.ToArray()));
    }

    // Colours and weights only: any other escape sequence stays, for tests to see.
    [GeneratedRegex(@"\x1b\[[0-9;]*m", RegexOptions.None, 1000)]
    private static partial Regex Style();
}
