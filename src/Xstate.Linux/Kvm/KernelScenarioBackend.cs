using System.Runtime.Versioning;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Guests;
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
    private readonly Lazy<KvmFlavour> _flavour = new(KvmDevice.DetectFlavour);

    /// <inheritdoc/>
    public override CpuidTable Cpuid { get; } = HostCpuid.Read();

    /// <inheritdoc/>
    public override IKvmMachine CreateMachine() => new KernelKvmMachine(device);

    /// <inheritdoc/>
    public override GuestReply RunGuest(IKvmMachine machine, IKvmVcpu vcpu, GuestProgram program)
    {
        ArgumentNullException.ThrowIfNull(program);
        if (program.Mode == GuestMode.Long && _flavour.Value == KvmFlavour.Pvm)
        {
            // Its guests run at CPL 3 of the hardware and expect a kernel that was written for that.
            return GuestReply.NotHere("code in long mode on kvm_pvm, which runs paravirtualized kernels only");
        }

        return machine is KernelKvmMachine made && vcpu is KernelKvmVcpu kernel ? made.RunGuest(kernel, program) : base.RunGuest(machine, vcpu, program);
    }
}
