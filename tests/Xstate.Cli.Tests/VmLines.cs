using System.Globalization;
using System.Text.Json;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>Lines for <c>pool --vms</c>.</summary>
internal static class VmLines
{
    /// <summary>What KVM of 6.12 gives a guest on a sample's processor, under a name.</summary>
    public static string Cpuid(string name, string sample, string member = "cpuid")
    {
        LinuxHost host = new(SampleHosts.Open(sample), KernelBehavior.Of(new KernelRelease(6, 12, 30)));
        string[][] entries =
        [
            .. SupportedCpuid.Of(host, host.UserFeatures).Entries.Select(entry => new[]
            {
                entry.Leaf, entry.Subleaf, entry.Registers.Eax, entry.Registers.Ebx, entry.Registers.Ecx, entry.Registers.Edx,
            }.Select(word => string.Create(CultureInfo.InvariantCulture, $"0x{word:x}")).ToArray()),
        ];
        return $"{{\"guestCpuid\":\"{name}\",\"{member}\":{JsonSerializer.Serialize(entries)}}}";
    }
}
