using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Linux.Kvm;
using Xstate.Linux.NativeCode;
using Xstate.Linux.Tracing;

namespace Xstate.Linux;

/// <summary>Records the machine that this runs on.</summary>
/// <threadsafety>Any thread; a probe makes and removes its own virtual machines.</threadsafety>
[SupportedOSPlatform("linux")]
public static class HostProbe
{
    /// <summary>Whether this process could open /dev/kvm; otherwise <paramref name="why"/> tells what is missing.</summary>
    public static bool IsKvmUsable(out string why)
    {
        try
        {
            KvmDevice.Open().Dispose();
            why = "";
            return true;
        }
        catch (LinuxException refusal)
        {
            why = refusal.Message;
            return false;
        }
    }

    /// <summary>
    /// This host: processor, kernel, KVM. A machine without a usable /dev/kvm is recorded without what only KVM could tell.
    /// </summary>
    /// <param name="name">The record's name in output.</param>
    /// <param name="probeBehaviors">
    /// Also finds out how this kernel's KVM behaves, on throw-away virtual machines. Nothing is probed that can harm the host
    /// (KVM-SET-XFD-NM).
    /// </param>
    /// <exception cref="PlatformNotSupportedException">Not Linux on x86-64.</exception>
    public static HostRecord Record(string name = "local", bool probeBehaviors = false)
    {
        HostRecord record = RecordWithoutKvm(name);
        record = probeBehaviors ? record with { Probes = ProcessBehaviorProbe.Run(record) } : record;
        if (!IsKvmUsable(out string why))
        {
            return probeBehaviors ? record with { NotProbed = WhatIsLeft(record, why) } : record;
        }

        using KvmDevice device = KvmDevice.Open();
        using KvmVm vm = device.CreateVm();
        using KvmVcpu vcpu = vm.CreateVcpu(0);
        byte[] fresh = vcpu.GetXsave();
        uint mask = BinaryPrimitives.ReadUInt32LittleEndian(fresh.AsSpan(XsaveFormat.MxcsrMaskOffset));
        record = record with
        {
            Flavour = KvmDevice.DetectFlavour(),
            SupportedCpuid = device.GetSupportedCpuid(),
            MxcsrMask = mask == 0 ? record.MxcsrMask : mask,
            Xsave2Size = vm.Xsave2Size == 0 ? null : vm.Xsave2Size,
        };
        if (probeBehaviors)
        {
            record = record with { Probes = record.Probes.AddRange(KvmBehaviorProbe.Run(device, record)) };
            record = record with { NotProbed = WhatIsLeft(record, null) };
        }

        return record;
    }

    // Every difference that has no answer, and why.
    private static ImmutableArray<NotProbedBehavior> WhatIsLeft(HostRecord record, string? whyNoKvm) =>
    [
        .. KernelDifference.All.Where(difference => !record.Probes.Any(probe => probe.Id == difference.Id)).Select(difference =>
            new NotProbedBehavior(
            difference.Id,
            !difference.CanBeProbed ? difference.Probe
            : whyNoKvm is not null && difference.NeedsKvm ? whyNoKvm
            : $"this machine does not show it, which takes: {difference.Probe}")),
    ];

    /// <summary>Processor and kernel of this host, without asking its KVM: enough for processes.</summary>
    /// <param name="name">The record's name in output.</param>
    /// <exception cref="PlatformNotSupportedException">Not Linux on x86-64.</exception>
    public static HostRecord RecordWithoutKvm(string name = "local")
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != System.Runtime.InteropServices.Architecture.X64)
        {
            throw new PlatformNotSupportedException("a host is recorded on Linux on x86-64");
        }

        string release = File.ReadAllText("/proc/sys/kernel/osrelease").Trim();
        IReadOnlyDictionary<string, string> system = HostFacts.OsRelease();
        return new HostRecord
        {
            Name = name,
            Cpuid = HostCpuid.Read(),
            KernelName = release,
            KernelVersion = HostFacts.Line("/proc/version"),
            KernelSignature = HostFacts.Line("/proc/version_signature"),
            OsId = system.GetValueOrDefault("ID"),
            OsName = system.GetValueOrDefault("PRETTY_NAME"),
            Microcode = HostFacts.Microcode(),
            BootWords = HostFacts.BootWords(),
            KvmParameters = HostFacts.KvmParameters(),
            Xcr0 = GuestPermission.HostComponents,
            MxcsrMask = NativeProcessor.ReadMxcsrMask(),
            Provenance = new Provenance(FactSource.Measured, $"this machine, Linux {release}"),
        };
    }
}
