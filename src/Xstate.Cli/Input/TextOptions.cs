using System.CommandLine;
using Xstate.Cli.Output;

namespace Xstate.Cli.Input;

/// <summary>The options that say how much of a report is written, and whether it is laid out for a terminal; every verb has them.</summary>
internal sealed class TextOptions
{
    private readonly Option<bool> _plain = new("--plain")
    {
        Description = "Write the same plain text to a terminal that a pipe gets: no colour, no lines broken.",
        Recursive = true,
    };

    private readonly Option<bool> _details = new("--details")
    {
        Description = "Write everything: of several FILEs or HOSTs too and not one line each, and long lists to their end.",
        Recursive = true,
    };

    public void AddTo(Command root)
    {
        root.Add(_plain);
        root.Add(_details);
    }

    /// <summary>Has a run write as the command line asks.</summary>
    public void Apply(ParseResult parsed, Session session) => session.Write(parsed.GetValue(_plain), parsed.GetValue(_details));
}
