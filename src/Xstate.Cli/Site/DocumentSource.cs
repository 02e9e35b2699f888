using System.Text;

namespace Xstate.Cli.Site;

/// <summary>The documentation that is part of the program, so that an installed one has it too.</summary>
internal static class DocumentSource
{
    private const string Prefix = "docs/";

    /// <summary>
    /// The names of all documents, as in the folder docs; those of the repository's root are below <c>project/</c>. docs/rules is not among
    /// them: it is made from the code.
    /// </summary>
    public static IEnumerable<string> Names => typeof(DocumentSource).Assembly.GetManifestResourceNames()
        .Where(name => name.StartsWith(Prefix, StringComparison.Ordinal))
        .Select(name => name[Prefix.Length..].Replace('\\', '/'))
        .Order(StringComparer.Ordinal);

    /// <summary>A document.</summary>
    public static string Read(string name)
    {
        using Stream stream = typeof(DocumentSource).Assembly.GetManifestResourceStream(Prefix + name)
            ?? throw new InvalidOperationException($"the document {name} is missing");
        using StreamReader reader = new(stream, Encoding.UTF8);
        return reader.ReadToEnd().ReplaceLineEndings("\n");
    }
}
