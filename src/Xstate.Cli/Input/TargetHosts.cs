using System.Collections.Immutable;
using System.CommandLine;
using Xstate.Artifacts;
using Xstate.Cli.Output;
using Xstate.Hypervisors.Linux;
using Xstate.Reports;

namespace Xstate.Cli.Input;

/// <summary>
/// The HOSTs of the command line, each read once. Among several, what is wrong with one is said of it, and the others answer.
/// </summary>
internal sealed class TargetHosts
{
    private TargetHosts(ImmutableArray<TargetHost> all, ImmutableArray<UnreadInput> unread)
    {
        All = all;
        Unread = unread;
    }

    /// <summary>Those that could be read, in their order.</summary>
    public ImmutableArray<TargetHost> All { get; }

    /// <summary>Those that could not.</summary>
    public ImmutableArray<UnreadInput> Unread { get; }

    /// <summary>Characters of the longest name.</summary>
    public int WidestName => All.Select(host => host.Name.Length).DefaultIfEmpty().Max();

    /// <summary>Characters of the longest kernel's name.</summary>
    public int WidestKernel => All.Select(host => host.Host.Behavior.Reading.Name.Length).DefaultIfEmpty().Max();

    /// <summary>What lines of a table say of those that could not be read.</summary>
    public IEnumerable<IReadOnlyList<string>> UnreadRows => Unread.Select(host => (string[])[host.Argument, "", "error", host.Message]);

    /// <summary>Reads them.</summary>
    /// <exception cref="UsageException">There is one only, and it is no host; or the same for what reading a file throws.</exception>
    public static TargetHosts Open(IReadOnlyList<string> arguments, RestoreOptions restore, CommonOptions options, ParseResult parsed)
    {
        List<(string Argument, LinuxHost Host)> hosts = [];
        ImmutableArray<UnreadInput>.Builder unread = ImmutableArray.CreateBuilder<UnreadInput>();
        foreach (string argument in arguments)
        {
            try
            {
                hosts.Add((argument, HostArgument.Parse(argument, restore.HostLayout(parsed, options), restore.CpuMap(parsed),
                    restore.Kernel(parsed))));
            }
            catch (MalformedArtifactException error)
                when (arguments.Count > 1 && Session.Current.LeftOut.Takes(HostArgument.PathOf(argument), error))
            {
                // It is told at the end of the run.
            }
#pragma warning disable CA1031 // As in App: what is wrong becomes an exit code and one line.
            catch (Exception error) when (arguments.Count > 1)
#pragma warning restore CA1031
            {
                Failure failure = Failure.OfOne(error);
                unread.Add(new UnreadInput(argument, failure.Exit, failure.Message));
            }
        }

        if (hosts.Count == 0 && unread.Count == 0)
        {
            throw new UsageException($"none of the {arguments.Count} files is a host");
        }

        ILookup<string, string> named = hosts.ToLookup(host => host.Host.Record.Name, host => host.Argument);
        return new TargetHosts(
            [.. hosts.Select(host => new TargetHost(host.Argument, host.Host, named[host.Host.Record.Name].Count() == 1
                ? Quotation.Cut(host.Host.Record.Name) : host.Argument))],
            unread.ToImmutable());
    }

    /// <summary>Says on standard error what could not be read.</summary>
    public void TellUnread()
    {
        foreach (UnreadInput host in Unread)
        {
            Standard.Error.WriteLine($"xstate: {host.Argument}: {host.Message}");
        }
    }
}
