using System.Text;

namespace Xstate.Cli.Output;

/// <summary>One line on the terminal, written over and over, and erased at the end.</summary>
internal sealed class ProgressLine : IDisposable
{
    private const string Erase = "\r\e[K";
    private readonly Stream _terminal;

    private ProgressLine(Stream terminal)
    {
        _terminal = terminal;
    }

    /// <summary>A line where somebody sees it and where the terminal can write over it; null elsewhere.</summary>
    public static ProgressLine? OnTerminal() =>
        !Session.Current.Streams.IsErrorTerminal || Environment.GetEnvironmentVariable("TERM") is null or "" or "dumb"
        ? null : new ProgressLine(Session.Current.Streams.Error);

    /// <summary>Writes over what the line says. The text is the program's own: numbers and names of units.</summary>
    public void Show(string text) => Write(Erase + text);

    /// <inheritdoc/>
    public void Dispose() => Write(Erase);

    private void Write(string text)
    {
        try
        {
            _terminal.Write(Encoding.UTF8.GetBytes(text));
            _terminal.Flush();
        }
        catch (IOException)
        {
            // A terminal that has gone sees no progress.
        }
    }
}
