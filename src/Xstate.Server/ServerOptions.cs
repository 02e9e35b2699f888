using System.Net;

namespace Xstate.Server;

/// <summary>What the service is started with.</summary>
internal sealed record ServerOptions
{
    /// <summary>Folders with host records: NODE.json each.</summary>
    public required IReadOnlyList<string> Hosts { get; init; }

    /// <summary>Files of VM records, as <c>xstate pool --vms</c> reads them.</summary>
    public IReadOnlyList<string> Vms { get; init; } = [];

    /// <summary>The kernel of hosts whose record names none; null for none.</summary>
    public string? Kernel { get; init; }

    /// <summary>Where it listens.</summary>
    public required IPEndPoint Listen { get; init; }

    /// <summary>The certificate, PEM.</summary>
    public required string Certificate { get; init; }

    /// <summary>Its key, PEM.</summary>
    public required string Key { get; init; }

    /// <summary>How long connections are told to close before the service stops.</summary>
    public TimeSpan Drain { get; init; } = TimeSpan.FromSeconds(5);
}
