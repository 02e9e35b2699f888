using Xstate.Captures;
using Xstate.Linux;

namespace Xstate.Cli.Input;

/// <summary>This machine as a host.</summary>
internal static class LocalHost
{
    /// <summary>Records this machine; probing makes throw-away virtual machines.</summary>
    /// <param name="name">The record's name.</param>
    /// <param name="probe">Whether to find out how this kernel's KVM behaves.</param>
    /// <param name="device">/dev/cpu/N/cpuid of the processor whose CPUID to record, or null for the one that this runs on.</param>
    public static HostRecord Record(string name, bool probe, string? device = null)
    {
        if (!OperatingSystem.IsLinux())
        {
            throw new UsageException("only a Linux host can be recorded");
        }

        HostRecord host = HostProbe.Record(name, probe);
        if (device is null)
        {
            return host;
        }

        return CpuidDevice.IsPath(device, out _)
            ? host with { Cpuid = CpuidDevice.Read(device).Cpuid, Provenance = new Provenance(FactSource.Measured, $"{host.Provenance.Detail}; CPUID of {device}") }
            : throw new UsageException($"--cpuid takes /dev/cpu/N/cpuid, not {device}");
    }
}
