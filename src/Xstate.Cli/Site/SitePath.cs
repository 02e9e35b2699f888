using System.Text;

namespace Xstate.Cli.Site;

/// <summary>Paths within the site.</summary>
internal static class SitePath
{
    /// <summary>The first page.</summary>
    public const string Home = "index.html";

    /// <summary>A link from one page to another, or to a place on it.</summary>
    public static string Between(string from, string to) =>
        string.Concat(Enumerable.Repeat("../", from.Count(letter => letter == '/'))) + to;

    /// <summary>The path that a relative link leads to; null where it leads out of the folder of all.</summary>
    public static string? Resolve(string from, string link)
    {
        List<string> parts = [.. from.Split('/')[..^1]];
        foreach (string part in link.Split('/'))
        {
            if (part == ".." && parts.Count == 0)
            {
                return null;
            }

            if (part == "..")
            {
                parts.RemoveAt(parts.Count - 1);
            }
            else if (part is not ("" or "."))
            {
                parts.Add(part);
            }
        }

        return string.Join('/', parts);
    }

    /// <summary>Words as the name of a file or an anchor: lower case, digits and hyphens.</summary>
    public static string Slug(string text)
    {
        StringBuilder slug = new();
        foreach (char letter in text)
        {
            if (char.IsAsciiLetterOrDigit(letter) || letter == '_')
            {
                slug.Append(char.ToLowerInvariant(letter));
            }
            else if (slug.Length > 0 && slug[^1] != '-')
            {
                slug.Append('-');
            }
        }

        return slug.ToString().Trim('-');
    }
}
