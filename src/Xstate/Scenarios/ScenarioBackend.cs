using Xstate.Architecture;
using Xstate.Guests;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Hypervisors.OpenBsd;

namespace Xstate.Scenarios;

/// <summary>What a scenario runs on. Each scenario gets fresh objects; null where the backend has no such thing.</summary>
internal abstract class ScenarioBackend
{
    /// <summary>CPUID of the host, whose standard offsets images have and whose features <c>needs</c> asks for.</summary>
    public abstract CpuidTable Cpuid { get; }

    /// <summary>A fresh process with a VM.</summary>
    /// <param name="hasInterruptController">Whether KVM emulates the local APICs, without which a virtual CPU receives no INIT and is
    /// always runnable.</param>
    public virtual IKvmMachine? CreateMachine(bool hasInterruptController) => null;

    /// <summary>A fresh traced child.</summary>
    public virtual ILinuxTask? CreateTask() => null;

    /// <summary>A fresh virtual CPU of OpenBSD's vmm.</summary>
    public virtual VmmVcpu? CreateVmmVcpu() => null;

    /// <summary>Sets PKRU of the thread that makes the calls; false where that cannot be done.</summary>
    public virtual bool TrySetHostPkru(IKvmMachine machine, uint value) => false;

    /// <summary>Runs guest code on a virtual CPU of KVM, in memory that the machine's steps share.</summary>
    public virtual GuestReply RunGuest(IKvmMachine machine, IKvmVcpu vcpu, GuestProgram program) => GuestReply.NotHere("guest code");

    /// <summary>Delivers INIT to a virtual CPU; false where that cannot be done.</summary>
    public virtual bool TryInit(IKvmVcpu vcpu) => false;

    /// <summary>KVM_SET_MP_STATE; null where that cannot be done.</summary>
    /// <param name="vcpu">The virtual CPU.</param>
    /// <param name="value">KVM_MP_STATE_RUNNABLE is 0.</param>
    /// <param name="hasInterruptController">Whether the machine has local APICs of KVM's.</param>
    public virtual KernelReply? SetMpState(IKvmVcpu vcpu, int value, bool hasInterruptController) => null;

    /// <summary>Undoes what a scenario changed of the calling thread.</summary>
    public virtual void EndScenario()
    {
    }
}

/// <summary>The model of a Linux host.</summary>
/// <param name="host">The host.</param>
/// <param name="decoder">For guest code; without one such steps answer that they are not supported.</param>
internal sealed class ModelBackend(LinuxHost host, IGuestDecoder? decoder = null) : ScenarioBackend
{
    /// <inheritdoc/>
    public override CpuidTable Cpuid => host.Record.Cpuid;

    /// <inheritdoc/>
    public override IKvmMachine CreateMachine(bool hasInterruptController) => new KvmModelMachine(host);

    /// <inheritdoc/>
    public override ILinuxTask CreateTask() => new LinuxTask(host);

    /// <inheritdoc/>
    public override bool TrySetHostPkru(IKvmMachine machine, uint value)
    {
        if (machine is not KvmModelMachine model || !host.UserFeatures.Contains(StateComponent.Pkru))
        {
            return false;
        }

        model.HostThreadPkru = value;
        return true;
    }

    /// <inheritdoc/>
    public override GuestReply RunGuest(IKvmMachine machine, IKvmVcpu vcpu, GuestProgram program) =>
        machine is KvmModelMachine model && vcpu is KvmModelVcpu made ? new KvmGuest(model, made)
        .Run(program, decoder) : base.RunGuest(machine, vcpu, program);

    /// <inheritdoc/>
    public override bool TryInit(IKvmVcpu vcpu)
    {
        (vcpu as KvmModelVcpu)?.Init();
        return vcpu is KvmModelVcpu;
    }

    /// <inheritdoc/>
    public override KernelReply? SetMpState(IKvmVcpu vcpu, int value, bool hasInterruptController) =>

        // KVM_MP_STATE_RUNNABLE to SIPI_RECEIVED, and AP_RESET_HOLD; all but the first need a local APIC of KVM's.
        value == 0 || (hasInterruptController && value is 1 or 2 or 3 or 4 or 9) ? KernelReply.Success : new KernelReply(Errno.EINVAL);
}

/// <summary>The model of OpenBSD's vmm.</summary>
/// <param name="host">Processor and behaviour.</param>
/// <param name="decoder">For guest code.</param>
internal sealed class VmmModelBackend(VmmHost host, IGuestDecoder? decoder = null) : ScenarioBackend
{
    internal IGuestDecoder? Decoder => decoder;

    /// <inheritdoc/>
    public override CpuidTable Cpuid => host.Cpuid;

    /// <inheritdoc/>
    public override VmmVcpu CreateVmmVcpu() => new(host);
}
