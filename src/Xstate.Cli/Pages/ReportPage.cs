namespace Xstate.Cli.Pages;

/// <summary>The page of <c>xstate report</c>: one renderer for answers that were just made and for those that were kept as JSON.</summary>
internal static class ReportPage
{
    /// <summary>Writes the page.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="title">What it is about; foreign.</param>
    /// <param name="parts">The answers.</param>
    public static void Write(Stream output, string title, IReadOnlyList<ReportPart> parts) =>
        PageShell.Write(output, title, PageAssets.ReportStyle, PageAssets.ReportScript, ReportData.Write(title, parts).Span);
}
