using Microsoft.Extensions.Logging;
using Xstate.Artifacts;
using Xstate.Cli.Output;
using Xstate.Fleet;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kernels;
using Xstate.Hypervisors.Linux;

namespace Xstate.Server;

/// <summary>Reads host records and VM records, and pools them. What cannot be read is logged, and the rest is answered.</summary>
internal sealed partial class FleetLoader
{
    private const int MaxLogged = 10;

    private readonly ILogger _log;
    private long _unread;

    /// <param name="log">Where is said what cannot be read.</param>
    public FleetLoader(ILogger log)
    {
        _log = log;
    }

    /// <summary>Reads a fleet.</summary>
    /// <exception cref="InvalidOperationException">There is no host.</exception>
    public FleetIndex Load(ServerOptions options)
    {
        KernelBehavior? kernel = options.Kernel is null ? null
            : KernelNames.TryRead(options.Kernel, KernelEvidence.None, out KernelBehavior? named, out string error) ? named
            : throw new InvalidOperationException($"{options.Kernel} is not a kernel: {error}");
        List<PoolHost> hosts = [];
        foreach (string file in options.Hosts.SelectMany(FilesOf))
        {
            Try(file, () => hosts.Add(Open(file, kernel)));
        }

        if (hosts.Count == 0)
        {
            throw new InvalidOperationException($"there is no host record in {string.Join(", ", options.Hosts)}");
        }

        // A node is called as its file, which the cluster names; what the record is called counts where no file is.
        PoolBuilder builder = new(hosts);
        Dictionary<string, HostClass> nodes = [];
        foreach ((HostClass one, PoolHost host) in builder.Classes.SelectMany(one => one.Hosts.Select(host => (one, host))))
        {
            nodes[host.Argument] = one;
        }

        foreach ((HostClass one, PoolHost host) in builder.Classes.SelectMany(one => one.Hosts.Select(host => (one, host))))
        {
            nodes.TryAdd(host.Host.Record.Name, one);
        }

        Dictionary<string, (GuestClass, string?)> vms = [];
        foreach (string file in options.Vms)
        {
            Try(file, () => AddVms(builder, file, vms));
        }

        return new FleetIndex(builder.Build(), nodes, vms) { Unread = _unread };
    }

    private static IEnumerable<string> FilesOf(string folder) =>
        Directory.GetFiles(folder, "*.json").Where(file => !Path.GetFileName(file).StartsWith('.')).Order(StringComparer.Ordinal);

    private static PoolHost Open(string file, KernelBehavior? kernel)
    {
        using FileStream stream = File.OpenRead(file);
        Captures.HostRecord record = Artifact.Open(stream).Host ?? throw new InvalidDataException("it is no host record");
        KernelBehavior behavior = KernelBehavior.Of(record) ?? kernel ?? throw new InvalidDataException("it names no kernel");
        return new PoolHost(Path.GetFileNameWithoutExtension(file), new LinuxHost(record, behavior));
    }

    private void AddVms(PoolBuilder builder, string file, Dictionary<string, (GuestClass, string?)> vms)
    {
        using FileStream stream = File.OpenRead(file);
        VmRecordReader reader = new(stream);
        long bad = 0;
        while (VmRecordFeed.TryAddNext(reader, builder, out (VmRecord Record, GuestClass Class)? added, out string? problem))
        {
            if (added is { } vm)
            {
                vms[vm.Record.Vm] = (vm.Class, vm.Record.Host);
            }
            else if (++bad <= MaxLogged)
            {
                Tell(file, problem!);
            }
        }

        _unread += bad;
        if (bad > MaxLogged)
        {
            Tell(file, $"{bad - MaxLogged} more lines are no records");
        }
    }

    private void Try(string file, Action read)
    {
        try
        {
            read();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException
            or MalformedArtifactException or InvalidDataException)
        {
            _unread++;
            Tell(file, error.Message);
        }
    }

    private void Tell(string file, string message) => LogUnread(TerminalWriter.Escape(file), TerminalWriter.Escape(message));

    [LoggerMessage(LogLevel.Warning, "{File}: {Message}")]
    private partial void LogUnread(string file, string message);
}
