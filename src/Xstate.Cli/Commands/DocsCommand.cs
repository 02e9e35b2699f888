using System.CommandLine;
using Xstate.Cli.Output;
using Xstate.Cli.Site;
using Xstate.Reports;

namespace Xstate.Cli.Commands;

/// <summary><c>xstate docs -o site/</c>: the reference site, from the code and the documents that are part of the program.</summary>
internal static class DocsCommand
{
    public static Command Create(Command root)
    {
        Option<string> output = new("--output", "-o")
        {
            Description = "The folder: a new or an empty one. It appears whole or not at all.",
            Required = true,
        };
        Option<bool> force = new("--force")
        {
            Description = "Replace a folder that this verb wrote. One that holds anything else is never replaced.",
        };
        Option<bool> json = new("--json") { Description = "Print the stable JSON answer instead of text." };
        Command command = new("docs", "Write the reference as a site of HTML pages with a search, which needs no server.")
        {
            output, force, json,
        };
        command.SetAction(parsed => Run(root, parsed.GetValue(output)!, parsed.GetValue(force), parsed.GetValue(json)));
        return command;
    }

    private static int Run(Command root, string folder, bool force, bool json)
    {
        OutputFolder.Refuse(folder, force);
        Session.Current.Progress?.Show("making the pages");
        ReferenceSite site = ReferenceSite.Create(root);
        Session.Current.Progress?.Show($"writing {site.Files.Length} files");
        OutputFolder.Write(folder, [.. site.Files.Select(file => (file.Path, file.Bytes))]);
        string first = Path.Combine(folder, SitePath.Home);
        if (json)
        {
            Standard.Write(stream => JsonAnswer.Write(stream, "docs", writer =>
            {
                writer.WriteString("output", folder);
                writer.WriteString("first", first);
                writer.WriteNumber("pages", site.Pages.Count);
            }));
        }
        else
        {
            Standard.Out.WriteLine($"wrote {folder}: {site.Pages.Count} pages; open {first}");
        }

        return ExitCode.Fine;
    }
}
