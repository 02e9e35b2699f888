using Xstate.Linux;

namespace Xstate.Cli.Output;

/// <summary>What the terminal shows that somebody sees the output on.</summary>
/// <param name="Width">Cells of a line.</param>
/// <param name="HasColor">Whether colour is wanted.</param>
/// <param name="IsUnicode">Whether it shows more than ASCII.</param>
internal sealed record TerminalLook(int Width, bool HasColor = true, bool IsUnicode = true)
{
    /// <summary>The narrowest and the widest that text is laid out for: beyond, lines are not read any more but searched.</summary>
    public const int Narrowest = 20, Widest = 160;

    private const int Usual = 80;

    // The first that is set counts.
    private static readonly string[] Locale = ["LC_ALL", "LC_CTYPE", "LANG"];

    /// <summary>The look of this process's terminal; null where it cannot do more than text.</summary>
    /// <param name="descriptors">Descriptors that may know its width.</param>
    /// <param name="variable">The environment.</param>
    public static TerminalLook? Of(IEnumerable<int> descriptors, Func<string, string?> variable)
    {
        if (variable("TERM") is null or "" or "dumb")
        {
            return null;
        }

        int width = OperatingSystem.IsLinux() ? descriptors.Select(TerminalSize.ColumnsOf).FirstOrDefault(columns => columns is not null)
            ?? Usual : Usual;
        string? locale = Locale.Select(variable).FirstOrDefault(value => !string.IsNullOrEmpty(value));
        bool isUnicode = locale is not null && (locale.Contains("UTF-8", StringComparison.OrdinalIgnoreCase)
            || locale.Contains("utf8", StringComparison.OrdinalIgnoreCase));
        return new TerminalLook(Math.Clamp(width, Narrowest, Widest), string.IsNullOrEmpty(variable("NO_COLOR")), isUnicode);
    }
}
