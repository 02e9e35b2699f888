using System.CommandLine;
using System.Text;

namespace Xstate.Cli.Input;

/// <summary>FILE as often as wanted, and how the answers for several are printed: the same for every verb that takes files one by one.</summary>
internal sealed class BatchOptions
{
    private const int MaxListLength = 256 << 20;

    private readonly Argument<string[]> _files;

    private readonly Option<string?> _list = new("--files-from")
    {
        Description = "Also take the FILEs of a list: a name a line, or each ended by a zero byte (find -print0); - is standard input. Names in it are no patterns.",
    };

    private readonly Option<bool> _json;
    private readonly Option<bool> _lines = new("--jsonl") { Description = "Print one line of JSON a FILE: the answer of --json for that FILE alone, or what is wrong with it." };
    private readonly Option<bool> _details = new("--details") { Description = "Of several FILEs or HOSTs too, print everything and not one line each." };

    /// <summary>Options of a verb.</summary>
    /// <param name="what">What FILE is.</param>
    /// <param name="json">The verb's --json.</param>
    public BatchOptions(string what, Option<bool> json)
    {
        _files = new Argument<string[]>("FILE") { Arity = ArgumentArity.ZeroOrMore, Description = $"{what} {FileTree.Rules}" };
        _json = json;
    }

    /// <summary>Adds FILE, so that it comes first, and the options.</summary>
    public void AddTo(Command command)
    {
        command.Add(_files);
        command.Add(_list);
        command.Add(_lines);
        command.Add(_details);
    }

    /// <summary>Whether everything is printed of several too.</summary>
    public bool Details(ParseResult parsed) => parsed.GetValue(_details);

    /// <summary>How answers are printed.</summary>
    public BatchForm Form(ParseResult parsed) =>
        parsed.GetValue(_lines) ? BatchForm.JsonLines : parsed.GetValue(_json) ? BatchForm.Json : parsed.GetValue(_details) ? BatchForm.Details : BatchForm.Table;

    /// <summary>The files of the command line and of the list; empty for none.</summary>
    public List<string> Files(ParseResult parsed)
    {
        List<string> files = FileTree.Expand(parsed.GetValue(_files) ?? []);
        if (parsed.GetValue(_list) is { } list)
        {
            files.AddRange(FileTree.Expand(ReadList(list), isPattern: false));
        }

        return files;
    }

    private static IEnumerable<string> ReadList(string path)
    {
        using Stream stream = ArtifactInput.OpenStream(path);
        using MemoryStream bytes = new();
        byte[] buffer = new byte[1 << 16];
        for (int read = stream.Read(buffer); read > 0; read = stream.Read(buffer))
        {
            bytes.Write(buffer, 0, read);
            if (bytes.Length > MaxListLength)
            {
                throw new UsageException($"--files-from takes a list of at most {MaxListLength} bytes");
            }
        }

        string text = Encoding.UTF8.GetString(bytes.GetBuffer(), 0, (int)bytes.Length);
        char end = text.Contains('\0', StringComparison.Ordinal) ? '\0' : '\n';
        return text.Split(end).Select(line => end == '\n' ? line.TrimEnd('\r') : line).Where(line => line.Length > 0);
    }
}
