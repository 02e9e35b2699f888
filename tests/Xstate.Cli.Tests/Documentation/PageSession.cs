using Xstate.Tests.Support;

namespace Xstate.Cli.Tests.Documentation;

/// <summary>Runs the commands of a page one after another, in a folder that has only the samples and the pages at first.</summary>
internal sealed class PageSession : IDisposable
{
    private static readonly string[] Linked = ["samples", "docs", "README.md"];

    private readonly Scratch _scratch = new();
    private int _exitCode;

    public PageSession()
    {
        foreach (string name in Linked)
        {
            string target = Repository.PathOf(name);
            if (Directory.Exists(target))
            {
                Directory.CreateSymbolicLink(_scratch.PathOf(name), target);
            }
            else
            {
                File.CreateSymbolicLink(_scratch.PathOf(name), target);
            }
        }
    }

    /// <summary>Runs a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="inShell">Whether it is a line for a shell, with other programs in it.</param>
    /// <returns>The lines that a terminal shows.</returns>
    public async Task<string[]> Run(ShownCommand command, bool inShell = false)
    {
        if (command.Text == ShownCommand.ExitCode)
        {
            return [$"{_exitCode}"];
        }

        XstateProcess run = inShell ? await Shell.Run(command.Text, _scratch.Folder)
            : await XstateProcess.RunIn(_scratch.Folder, [.. command.Words]);
        _exitCode = run.ExitCode;
        string text = (run.Output + run.Error).TrimEnd('\n');
        return text.Length == 0 ? [] : text.Split('\n');
    }

    public void Dispose() => _scratch.Dispose();
}
