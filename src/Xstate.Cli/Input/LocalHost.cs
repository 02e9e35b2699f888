using Xstate.Captures;
using Xstate.Linux;

namespace Xstate.Cli.Input;

/// <summary>This machine as a host.</summary>
internal static class LocalHost
{
    /// <summary>Records this machine; probing makes throw-away virtual machines.</summary>
    public static HostRecord Record(string name, bool probe) =>
        OperatingSystem.IsLinux() ? HostProbe.Record(name, probe) : throw new UsageException("only a Linux host can be recorded");
}
