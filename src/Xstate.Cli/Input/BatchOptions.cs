using System.CommandLine;
using Xstate.Cli.Output;

namespace Xstate.Cli.Input;

/// <summary>
/// FILE as often as wanted, and how the answers for several are printed: the same for every verb that takes files one by one.
/// </summary>
internal sealed class BatchOptions
{
    private readonly Argument<string[]> _files;

    private readonly Option<string?> _list = new("--files-from")
    {
        Description = "Also take the FILEs of a list: a name a line, or each ended by a zero byte (find -print0); - is standard input. "
            + "Names in it are no patterns.",
    };

    private readonly Option<bool> _json;
    private readonly Option<bool> _lines = new(
        "--jsonl")
    { Description = "Print one line of JSON a FILE: the answer of --json for that FILE alone, or what is wrong with it." };

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
        AddFilesTo(command);
        command.Add(_lines);
    }

    /// <summary>Adds FILE and the list of FILEs alone, for a verb that makes one answer of all of them.</summary>
    public void AddFilesTo(Command command)
    {
        command.Add(_files);
        command.Add(_list);
    }

    /// <summary>How answers are printed.</summary>
    public BatchForm Form(ParseResult parsed) =>
        parsed.GetValue(_lines) ? BatchForm.JsonLines : parsed.GetValue(_json) ? BatchForm.Json : Session.Current.IsDetailed
        ? BatchForm.Details : BatchForm.Table;

    /// <summary>The files of the command line and of the list; empty for none.</summary>
    public List<string> Files(ParseResult parsed)
    {
        List<string> files = FileTree.Expand(parsed.GetValue(_files) ?? []);
        files.AddRange(FileList.Read(parsed.GetValue(_list)));
        return files;
    }
}
