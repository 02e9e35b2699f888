using System.Runtime.Versioning;
using Xstate.Architecture;
using Xstate.Hypervisors.Kvm;
using Xstate.Scenarios;

namespace Xstate.Linux.Kvm;

/// <summary>
/// The running kernel's KVM as what scenarios run on. Guest permissions belong to the process, so a scenario that asks for one should be alone in its file.
/// </summary>
/// <param name="device">The open device; not disposed.</param>
[SupportedOSPlatform("linux")]
public sealed class KernelScenarioBackend(KvmDevice device) : ScenarioBackend
{
    /// <inheritdoc/>
    public override CpuidTable Cpuid { get; } = HostCpuid.Read();

    /// <inheritdoc/>
    public override IKvmMachine CreateMachine() => new KernelKvmMachine(device);
}
