using System.Runtime.CompilerServices;
using Xstate.Architecture;
using Xstate.Hypervisors.Linux;

namespace Xstate.Hypervisors.Kvm;

/// <summary>What the KVM of a host can offer. It is worked out once for each host: the host itself knows nothing of KVM's calls.</summary>
internal static class KvmOffer
{
    private static readonly ConditionalWeakTable<LinuxHost, CpuidTable> Offers = [];

    extension(LinuxHost host)
    {
        /// <summary>
        /// What KVM can offer any guest (<c>kvm_cpu_caps</c>): its KVM_GET_SUPPORTED_CPUID for a process with every permission.
        /// </summary>
        public CpuidTable KvmCpuid => Offers.GetValue(host, static of => SupportedCpuid.Of(of, of.UserFeatures));
    }
}
