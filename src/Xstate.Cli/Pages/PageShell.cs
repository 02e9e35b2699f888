using System.Security.Cryptography;
using System.Text;

namespace Xstate.Cli.Pages;

/// <summary>
/// A page in one file: style and script within it, data as JSON that only the script reads. A policy in its head allows these two and
/// nothing else, so that the page loads nothing and runs nothing that came with the data.
/// </summary>
internal static class PageShell
{
    private const string Tail = "</body>\n</html>\n";

    /// <summary>Writes the page.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="title">Its title; foreign.</param>
    /// <param name="style">The style sheet.</param>
    /// <param name="script">The script.</param>
    /// <param name="data">JSON in ASCII without the characters of markup, as the default encoder writes it.</param>
    public static void Write(Stream output, string title, string style, string script, ReadOnlySpan<byte> data)
    {
        if (data.IndexOf((byte)'<') >= 0)
        {
            throw new ArgumentException("data within a page has no '<'", nameof(data));
        }

        string policy = $"default-src 'none'; base-uri 'none'; form-action 'none'; style-src {HashOf(style)}; script-src {HashOf(script)}";
        Text(output, $"""
            {Head(policy, title, $"<style>{style}</style>\n")}
            <noscript>This page draws itself with its own script, which is switched off here.</noscript>
            <script type="application/json" id="data">
            """);
        output.Write(data);
        Text(output, $"</script>\n<script>{script}</script>\n{Tail}");
    }

    /// <summary>A page that stands as it is.</summary>
    /// <param name="policy">What it may load and run.</param>
    /// <param name="title">Its title; foreign.</param>
    /// <param name="head">Markup of its head, each element with its line's end.</param>
    /// <param name="body">Markup of its body.</param>
    public static string Wrap(string policy, string title, string head, string body) =>
        (Head(policy, title, head) + body + Tail).ReplaceLineEndings("\n");

    private static string Head(string policy, string title, string head) =>
        $"""
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta http-equiv="Content-Security-Policy" content="{policy}">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>{VisibleText.Encode(title)}</title>
        {head}</head>
        <body>

        """;

    private static string HashOf(string text) => $"'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(text)))}'";

    private static void Text(Stream output, string text) => output.Write(Encoding.UTF8.GetBytes(text.ReplaceLineEndings("\n")));
}
