using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Guests;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Hypervisors.OpenBsd;
using Xstate.Scenarios;

namespace Xstate.Cli.Input;

/// <summary>HOST on the command line: a host record, <c>local</c>, or any CPUID artifact, with <c>@linux-6.12</c> behind it to name or override the kernel.</summary>
internal static class HostArgument
{
    private const string LinuxPrefix = "linux-";
    private const string VmmPrefix = "vmm-";

    /// <summary>The modelled host that an argument names.</summary>
    public static LinuxHost Parse(string text)
    {
        (string path, string? kernel) = Split(text);
        HostRecord record = path == "local" ? LocalHost.Record("local", probe: false) : OpenRecord(path);
        if (kernel is not null)
        {
            // Naming a kernel means that kernel, not what was probed under another one.
            record = record with { Probes = [] };
            return new LinuxHost(record, KernelBehavior.Of(ParseKernel(kernel)).Set(KernelDifference.KvmPvmHostCpuid, record.Flavour == KvmFlavour.Pvm && path == "local"));
        }

        return new LinuxHost(record, KernelBehavior.Of(record) ?? throw new UsageException($"{text} names no kernel; append one, as in {text}@linux-6.12"));
    }

    /// <summary>What scenarios run on: a Linux host, or OpenBSD's vmm for <c>@vmm-before</c>, <c>@vmm-after</c> and <c>@vmm-corrected</c>.</summary>
    /// <param name="text">The argument.</param>
    /// <param name="supported">A CPUID artifact with what its KVM supports, or null.</param>
    /// <param name="decoder">For guest code.</param>
    public static ScenarioBackend ParseBackend(string text, string? supported, IGuestDecoder decoder)
    {
        (string path, string? kernel) = Split(text);
        if (kernel?.StartsWith(VmmPrefix, StringComparison.Ordinal) == true)
        {
            VmmBehavior behavior = VmmBehavior.Find(kernel) ?? throw new UsageException($"there is no @{kernel}; there are {string.Join(", ", VmmBehavior.All)}");
            HostRecord processor = path == "local" ? LocalHost.Record("local", probe: false) : OpenRecord(path);
            return supported is null ? new VmmModelBackend(new VmmHost(processor.Cpuid, behavior), decoder) : throw new UsageException("--supported is for KVM");
        }

        LinuxHost host = Parse(text);
        return new ModelBackend(supported is null ? host : new LinuxHost(host.Record with { SupportedCpuid = ArtifactInput.OpenCpuid(supported) }, host.Behavior), decoder);
    }

    private static (string Path, string? Kernel) Split(string text)
    {
        int at = text.LastIndexOf('@');
        return at <= 0 || File.Exists(text) ? (text, null) : (text[..at], text[(at + 1)..]);
    }

    private static HostRecord OpenRecord(string path)
    {
        Artifact artifact = ArtifactInput.Open(path);
        return artifact.Host
            ?? artifact.Cpuid?.ToHostRecord(Path.GetFileNameWithoutExtension(path), new Provenance(FactSource.Artifact, path))
            ?? throw new UsageException($"{path} is {artifact.Format}, which describes no host");
    }

    private static KernelRelease ParseKernel(string name)
    {
        if (name.StartsWith(VmmPrefix, StringComparison.Ordinal))
        {
            throw new UsageException($"@{name} is an OpenBSD hypervisor; this verb restores with KVM");
        }

        return name.StartsWith(LinuxPrefix, StringComparison.Ordinal) && KernelRelease.TryParse(name[LinuxPrefix.Length..], out KernelRelease release)
            ? release
            : throw new UsageException($"@{name} is not a kernel; use @linux-6.12 or @linux-6.1.40");
    }
}
