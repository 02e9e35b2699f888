using Xstate.Reports;

namespace Xstate.Cli.Output;

/// <summary>A word of a line, with what its pieces are.</summary>
/// <param name="Start">Its place in the line.</param>
internal sealed record LaidOutWord(int Start)
{
    // Hexadecimal digits, from that many on, are bytes.
    private const int FewestDigits = 16;

    /// <summary>Blanks before it.</summary>
    public int Blanks { get; set; }

    /// <summary>Its pieces.</summary>
    public List<(TextMark Mark, string Text)> Pieces { get; } = [];

    /// <summary>Whether there is none.</summary>
    public bool IsEmpty => Pieces.Count == 0;

    /// <summary>Cells of all.</summary>
    public int Cells => Pieces.Sum(piece => LaidOutLine.Measure(piece.Text));

    // Bytes as hexadecimal digits; such as were lost are question marks.
    public bool IsBytes => Pieces is [var piece] && !IsWhole(piece.Mark) && piece.Text.Length >= FewestDigits
        && piece.Text.TrimEnd(',', '.', ';', ':', ')').All(digit => char.IsAsciiHexDigitLower(digit) || digit == '?');

    /// <summary>Whether a piece is not broken, whatever is in it.</summary>
    public static bool IsWhole(TextMark mark) => mark is TextMark.Name or TextMark.Command;
}
