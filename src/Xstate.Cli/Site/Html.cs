using System.Runtime.CompilerServices;
using System.Text;
using Xstate.Cli.Pages;

namespace Xstate.Cli.Site;

/// <summary>A piece of a page. Whatever is put into one is encoded, unless it is such a piece itself.</summary>
/// <param name="Text">The markup.</param>
internal readonly record struct Html(string Text)
{
    /// <summary>Nothing.</summary>
    public static Html Empty { get; } = new("");

    /// <summary>Whether it is nothing.</summary>
    public bool IsEmpty => string.IsNullOrEmpty(Text);

    /// <summary>The markup that stands literally in an interpolated string, around text that is encoded.</summary>
    public static Html Of(Builder markup) => new(markup.ToString());

    /// <summary>Pieces, one behind the other.</summary>
    public static Html Join(IEnumerable<Html> pieces, string between = "") =>
        new(string.Join(VisibleText.Encode(between), pieces.Where(piece => !piece.IsEmpty).Select(piece => piece.Text)));

    /// <summary>A piece, or nothing.</summary>
    public static Html If(bool isWanted, Func<Html> piece) => isWanted ? piece() : Empty;

    /// <inheritdoc/>
    public override string ToString() => Text;

    /// <summary>What the compiler makes of an interpolated string.</summary>
    [InterpolatedStringHandler]
    public readonly ref struct Builder
    {
        private readonly StringBuilder _text;

        public Builder(int literalLength, int formattedCount) => _text = new StringBuilder(literalLength + (16 * formattedCount));

        public void AppendLiteral(string markup) => _text.Append(markup);

        public void AppendFormatted(string? text) => _text.Append(VisibleText.Encode(text ?? ""));

        public void AppendFormatted(int number) => _text.Append(number);

        public void AppendFormatted(Html piece) => _text.Append(piece.Text);

        public override string ToString() => _text.ToString();
    }
}
