using System.Text;

namespace Xstate.Cli.Input;

/// <summary>A list of files: a name a line, or each ended by a zero byte. None of them is a pattern.</summary>
internal static class FileList
{
    private const int MaxLength = 256 << 20;

    /// <summary>The files of a list, directories among them with what is below; none without a list.</summary>
    public static List<string> Read(string? path) => path is null ? [] : FileTree.Expand(Names(path), isPattern: false);

    private static IEnumerable<string> Names(string path)
    {
        using Stream stream = ArtifactInput.OpenStream(path);
        using MemoryStream bytes = new();
        byte[] buffer = new byte[1 << 16];
        for (int read = stream.Read(buffer); read > 0; read = stream.Read(buffer))
        {
            bytes.Write(buffer, 0, read);
            if (bytes.Length > MaxLength)
            {
                throw new UsageException($"a list has at most {MaxLength} bytes; {path} has more");
            }
        }

        string text = Encoding.UTF8.GetString(bytes.GetBuffer(), 0, (int)bytes.Length);
        char end = text.Contains('\0', StringComparison.Ordinal) ? '\0' : '\n';
        return text.Split(end).Select(line => end == '\n' ? line.TrimEnd('\r') : line).Where(line => line.Length > 0);
    }
}
