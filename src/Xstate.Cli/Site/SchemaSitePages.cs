using System.Text;
using System.Text.Json;

namespace Xstate.Cli.Site;

/// <summary>The JSON schemas, as they are, and their list.</summary>
internal static class SchemaSitePages
{
    private const string Ending = ".schema.json";
    private const string IndexPath = "schemas/index.html";

    private static IEnumerable<string> Names => DocumentSource.Names.Where(name => name.EndsWith(Ending, StringComparison.Ordinal));

    /// <summary>The schemas.</summary>
    public static IEnumerable<SiteFile> Files() =>
        Names.Select(name => new SiteFile(name, Encoding.UTF8.GetBytes(DocumentSource.Read(name))));

    /// <summary>Their list.</summary>
    public static SitePage Index() => new(IndexPath, SiteKind.Guide, "JSON schemas",
        Sections.Table("schemas", ["Schema", "What it describes"], Names.Select(name =>
        {
            using JsonDocument schema = JsonDocument.Parse(DocumentSource.Read(name));
            JsonElement root = schema.RootElement;
            string description = root.TryGetProperty("description", out JsonElement text) ? text.GetString()! : "";
            return (Html[])
            [
                SiteIndex.Link(IndexPath, name, Html.Of($"{name["schemas/".Length..]}")),
                Html.Of($"{root.GetProperty("title").GetString()}. {description}"),
            ];
        })))
    {
        Summary = "What --json and --jsonl print, and the files of Xstate's own: the stable interface.",
    };
}
