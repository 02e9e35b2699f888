namespace Xstate.Cli.Output;

/// <summary>One line on the terminal, written over and over, and erased at the end.</summary>
internal sealed class ProgressLine : IDisposable
{
    private const string Erase = "\r\e[K";

    private ProgressLine()
    {
    }

    /// <summary>A line where somebody sees it and where the terminal can write over it; null elsewhere.</summary>
    public static ProgressLine? OnTerminal() =>
        Console.IsErrorRedirected || Environment.GetEnvironmentVariable("TERM") is null or "" or "dumb" ? null : new ProgressLine();

    /// <summary>Writes over what the line says.</summary>
    public void Show(string text) => Console.Error.Write(Erase + text);

    /// <inheritdoc/>
    public void Dispose() => Console.Error.Write(Erase);
}
