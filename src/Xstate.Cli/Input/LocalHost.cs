using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Linux;
using Xstate.Linux.NativeCode;
using Xstate.Processor;
using Xstate.Scenarios.Conformance;

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
            ? host with
            {
                Cpuid = CpuidDevice.Read(device).Cpuid,
                Provenance = new Provenance(FactSource.Measured, $"{host.Provenance.Detail}; CPUID of {device}")
            }
            : throw new UsageException($"--cpuid takes /dev/cpu/N/cpuid, not {device}");
    }

    /// <summary>The model of this machine: its kernel as it was found by probing, or another one that is named.</summary>
    public static LinuxHost Probed(string? kernel)
    {
        HostRecord record = Record("local", probe: kernel is null);
        return kernel is not null ? HostArgument.Parse($"local@{kernel}")
            : new LinuxHost(record, KernelBehavior.Of(record)
                ?? throw new UsageException("this kernel does not tell its release; name one with --as linux-X.Y"));
    }

    /// <summary>What sequences of KVM's calls are built around here; null without a usable KVM.</summary>
    public static KvmSequenceFacts? SequenceFacts(LinuxHost host) => host.Record.SupportedCpuid is not { } supported
        ? null : new KvmSequenceFacts
        {
            Supported = supported.Entries,
            Components = supported.UserComponents,
            MxcsrMask = host.MxcsrMask,
            ImageLength = Math.Max(KvmModelMachine.XsaveLength, host.Record.Xsave2Size ?? 0),

            // Where XSAVES or XSAVEOPT leaves out what was not modified since the XRSTOR, bytes that no register holds may
            // stay or go. QEMU's translator always writes everything.
            MovesThroughProcessor = host.Record.Flavour != KvmFlavour.Pvm
                && NativeProcessor.Enumerated.Has(ProcessorQuirks.XinuseAlwaysOne),

            // kvm_pvm rewrites other leaves by what its host has (measured); only leaf 0xD takes part in the state's calls and is modelled
            // there.
            ComparedLeaf = host.Record.Flavour == KvmFlavour.Pvm ? CpuidTable.XsaveLeaf : null,
        };
}
