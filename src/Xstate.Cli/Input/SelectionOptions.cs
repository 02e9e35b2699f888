using System.CommandLine;
using Xstate.Captures;
using Xstate.Hypervisors.Linux;
using Xstate.Reports;

namespace Xstate.Cli.Input;

/// <summary>Options that choose states and registers, and how these are shown.</summary>
internal sealed class SelectionOptions
{
    private readonly Option<bool> _all = new("--all") { Description = "List registers with their initial value too." };
    private readonly Option<bool> _draw = new("--draw")
    {
        Description = "Draw the XSAVE area to scale: where each component lies, and whether it is in use, initial, hidden from the guest "
            + "or not in the file.",
    };

    private readonly Option<string?> _on = new("--on")
    {
        Description = "With --draw: also draw which components in use this HOST does not take, as check finds out with its defaults.",
    };

    private readonly Option<int?> _state = new("--tid", "--vcpu") { Description = "Show this thread or virtual CPU only." };

    private readonly Option<string?> _registers = new("--register", "-r")
    {
        Description = "Show these registers only, one a line: names, ranges, components, families, MSRs "
            + "(zmm5,pkru,zmm8-zmm11,opmask,st,ia32_efer).",
    };

    private readonly Option<string?> _view = new("--as")
    {
        Description = $"Show registers as elements, the lowest first: {string.Join(", ", ElementView.All.Select(view => view.Name))} (i "
            + "signed, u unsigned, x hexadecimal).",
    };

    /// <summary>Adds the options to a verb.</summary>
    public void AddTo(Command command)
    {
        command.Add(_all);
        command.Add(_draw);
        command.Add(_on);
        command.Add(_state);
        command.Add(_registers);
        command.Add(_view);
    }

    /// <summary>The HOST whose refusals are drawn, or null.</summary>
    public LinuxHost? Target(ParseResult parsed, CommonOptions options) => parsed.GetValue(_on) is not { } host ? null
        : !parsed.GetValue(_draw) ? throw new UsageException("--on goes with --draw; xstate check FILE --on HOST tells all")
        : HostArgument.Parse(host, parsed.GetValue(options.Layout));

    /// <summary>What was chosen.</summary>
    /// <exception cref="UsageException">There is no such register or view.</exception>
    public ShowOptions Read(ParseResult parsed)
    {
        try
        {
            return new ShowOptions
            {
                All = parsed.GetValue(_all),
                Draw = parsed.GetValue(_draw),
                State = parsed.GetValue(_state),
                Registers = parsed.GetValue(_registers) is { } names ? RegisterSelection.Parse(names) : null,
                View = parsed.GetValue(_view) is { } view ? ElementView.Find(view)
                    ?? throw new UsageException(
                    $"there is no view '{view}'; there are {string.Join(", ", ElementView.All.Select(known => known.Name))}") : null,
            };
        }
        catch (FormatException error)
        {
            throw new UsageException(error.Message);
        }
    }

    /// <summary>Refuses a choice that a capture does not have.</summary>
    public static void Require(Capture capture, ShowOptions options)
    {
        if (options.State is { } wanted && !capture.States.Any(state => state.Id == wanted))
        {
            throw new UsageException(
                $"there is no virtual CPU or thread {wanted}; there are "
                + $"{string.Join(", ", capture.States.Take(16).Select(state => state.Id))}");
        }
    }
}
