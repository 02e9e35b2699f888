using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Xstate.Cli.Site;

/// <summary>
/// What the search knows: a script of data, since a page that is opened from a disk may load scripts beside it and nothing else.
/// </summary>
internal static partial class SearchIndex
{
    private const string Head = "const SITE_PAGES = ";

    /// <summary>The script.</summary>
    public static byte[] Write(IEnumerable<SitePage> pages)
    {
        using MemoryStream bytes = new();
        bytes.Write(Encoding.UTF8.GetBytes(Head));
        using (Utf8JsonWriter json = new(bytes))
        {
            json.WriteStartArray();
            foreach (SitePage page in pages.Where(page => page.Kind != SiteKind.Home))
            {
                json.WriteStartObject();
                json.WriteString("path", page.Path);
                json.WriteString("title", page.Title);
                json.WriteString("kind", SitePage.NameOf(page.Kind));
                json.WriteString("summary", page.Summary);
                if (!page.Phrases.IsEmpty)
                {
                    json.WriteStartArray("phrases");
                    foreach (string phrase in page.Phrases)
                    {
                        json.WriteStringValue(phrase);
                    }

                    json.WriteEndArray();
                }

                json.WriteString("words", page.IsIndex ? "" : WordsOf(page.Body));
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        bytes.Write(";\n"u8);
        return bytes.ToArray();
    }

    // Each word once, as the search takes a query apart.
    private static string WordsOf(Html body)
    {
        string text = WebUtility.HtmlDecode(Tag().Replace(body.Text, " ")).ToLowerInvariant();
        return string.Join(' ', Word().EnumerateMatches(text).ToList(text).Distinct().Where(word => word.Length is > 1 and < 40)
            .Order(StringComparer.Ordinal));
    }

    private static List<string> ToList(this Regex.ValueMatchEnumerator matches, string text)
    {
        List<string> words = [];
        foreach (ValueMatch match in matches)
        {
            words.Add(text.Substring(match.Index, match.Length));
        }

        return words;
    }

    [GeneratedRegex("<[^>]*>", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Tag();

    [GeneratedRegex("[a-z0-9_]+(?:[-.][a-z0-9_]+)*", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Word();
}
