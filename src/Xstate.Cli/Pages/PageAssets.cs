using System.Text;

namespace Xstate.Cli.Pages;

/// <summary>Style sheets and scripts of the pages, which are part of the program.</summary>
internal static class PageAssets
{
    /// <summary>The style sheet of the report page.</summary>
    public static string ReportStyle { get; } = Read("base.css", "kernels.css", "report.css");

    /// <summary>The script of the report page: its parts in the order in which they need each other.</summary>
    public static string ReportScript { get; } = Read(
        "dom.js", "area.js", "registers.js", "findings.js", "pool.js", "kernels.js", "trace.js", "answers.js", "report.js");

    /// <summary>The style sheet of the reference site.</summary>
    public static string SiteStyle { get; } = Read("base.css", "kernels.css", "site.css");

    /// <summary>The script of the site's search.</summary>
    public static string SiteScript { get; } = Read("dom.js", "search.js");

    /// <summary>Parts, one behind the other.</summary>
    public static string Read(params ReadOnlySpan<string> names)
    {
        StringBuilder text = new();
        foreach (string name in names)
        {
            using Stream stream = typeof(PageAssets).Assembly.GetManifestResourceStream($"pages/{name}")
                ?? throw new InvalidOperationException($"the part {name} of the pages is missing");
            using StreamReader reader = new(stream);
            text.Append(reader.ReadToEnd());
        }

        return text.ToString();
    }
}
