using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Linux.Kvm;

namespace Xstate.Linux;

/// <summary>Records the machine that this runs on.</summary>
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
    /// Also finds out how this kernel's KVM behaves, on throw-away virtual machines. Nothing is probed that can harm the host (KVM-SET-XFD-NM).
    /// </param>
    /// <exception cref="PlatformNotSupportedException">Not Linux on x86-64.</exception>
    public static HostRecord Record(string name = "local", bool probeBehaviors = false)
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != System.Runtime.InteropServices.Architecture.X64)
        {
            throw new PlatformNotSupportedException("a host is recorded on Linux on x86-64");
        }

        string release = File.ReadAllText("/proc/sys/kernel/osrelease").Trim();
        HostRecord record = new()
        {
            Name = name,
            Cpuid = HostCpuid.Read(),
            Kernel = KernelRelease.TryParse(release, out KernelRelease kernel) ? kernel : null,
            Xcr0 = GuestPermission.HostComponents,
            Provenance = new Provenance(FactSource.Measured, $"this machine, Linux {release}"),
        };
        if (!IsKvmUsable(out _))
        {
            return record;
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
            MxcsrMask = mask == 0 ? null : mask,
            Xsave2Size = vm.Xsave2Size == 0 ? null : vm.Xsave2Size,
        };
        return probeBehaviors ? record with { Probes = KvmBehaviorProbe.Run(device, record) } : record;
    }
}
