using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Text.RegularExpressions;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Linux.Kvm;
using Xstate.Linux.NativeCode;
using Xstate.Linux.Tracing;

namespace Xstate.Linux;

/// <summary>Records the machine that this runs on.</summary>
[SupportedOSPlatform("linux")]
public static partial class HostProbe
{
    private const string SignaturePath = "/proc/version_signature";

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
        HostRecord record = RecordWithoutKvm(name);
        record = probeBehaviors ? record with { Probes = ProcessBehaviorProbe.Run(record) } : record;
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
            MxcsrMask = mask == 0 ? record.MxcsrMask : mask,
            Xsave2Size = vm.Xsave2Size == 0 ? null : vm.Xsave2Size,
        };
        return probeBehaviors ? record with { Probes = record.Probes.AddRange(KvmBehaviorProbe.Run(device, record)) } : record;
    }

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
        return new HostRecord
        {
            Name = name,
            Cpuid = HostCpuid.Read(),
            Kernel = ParseRelease(release, File.ReadAllText("/proc/version"), File.Exists(SignaturePath) ? File.ReadAllText(SignaturePath) : null),
            Xcr0 = GuestPermission.HostComponents,
            MxcsrMask = NativeProcessor.ReadMxcsrMask(),
            Provenance = new Provenance(FactSource.Measured, $"this machine, Linux {release}"),
        };
    }

    /// <summary>
    /// The stable release that a kernel is built from. Distributions hide it in what <c>uname -r</c> prints (Debian's 6.1.0-56 is 6.1.192) and name it elsewhere: Debian in
    /// /proc/version, Ubuntu in /proc/version_signature.
    /// </summary>
    internal static KernelRelease? ParseRelease(string release, string version, string? signature)
    {
        string? upstream = signature?.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) is [_, _, string last] ? last : null;
        Match debian = DebianVersion().Match(version);
        upstream ??= debian.Success ? debian.Groups["release"].Value : release;
        return KernelRelease.TryParse(upstream, out KernelRelease parsed) ? parsed : null;
    }

    [GeneratedRegex(@" Debian (?<release>\d+\.\d+\.\d+)[-~+]", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, 1000)]
    private static partial Regex DebianVersion();
}
