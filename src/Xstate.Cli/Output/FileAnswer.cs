using System.Text.Json;

namespace Xstate.Cli.Output;

/// <summary>The answer for one FILE, complete before anything of it is printed.</summary>
/// <param name="Exit">The exit code that it alone has.</param>
internal sealed record FileAnswer(int Exit)
{
    /// <summary>Writes the fields of its JSON answer behind version, verb and, unless it writes it itself, <c>file</c>.</summary>
    public required Action<Utf8JsonWriter> Json { get; init; }

    /// <summary>Writes all of it as text.</summary>
    public required Action<TextWriter> Text { get; init; }

    /// <summary>What its lines of a table say behind FILE.</summary>
    public required IReadOnlyList<IReadOnlyList<string>> Rows { get; init; }
}
