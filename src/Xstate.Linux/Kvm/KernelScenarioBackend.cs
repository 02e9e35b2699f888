using System.Runtime.Versioning;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Guests;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Linux.NativeCode;
using Xstate.Linux.Tracing;
using Xstate.Scenarios;

namespace Xstate.Linux.Kvm;

/// <summary>
/// The running kernel's KVM as what scenarios run on, in this process. Guest permissions belong to the process: one that asks for them
/// (<see cref="Scenario.AsksForPermission"/>) should be the only one that a process performs, as <c>xstate run</c> does it.
/// </summary>
/// <param name="device">The open device; not disposed. Without one, steps of KVM answer that they are not supported.</param>
[SupportedOSPlatform("linux")]
internal sealed class KernelScenarioBackend(KvmDevice? device) : ScenarioBackend
{
    private readonly Lazy<KvmFlavour> _flavour = new(KvmDevice.DetectFlavour);
    private uint? _threadPkru;

    /// <inheritdoc/>
    public override CpuidTable Cpuid { get; } = HostCpuid.Read();

    /// <inheritdoc/>
    public override IKvmMachine? CreateMachine(bool hasInterruptController) => device is null
        ? null : new KernelKvmMachine(device, hasInterruptController);

    /// <inheritdoc/>
    public override ILinuxTask CreateTask() => new TracedChild();

    /// <inheritdoc/>
    public override bool TrySetHostPkru(IKvmMachine machine, uint value)
    {
        // With key 0 closed this process could not even return from here.
        if (!ThreadPkru.IsSupported || !new Pkru(value).IsOpen(0))
        {
            return false;
        }

        _threadPkru ??= ThreadPkru.Value;
        ThreadPkru.Value = value;
        return true;
    }

    /// <inheritdoc/>
    public override bool TryInit(IKvmVcpu vcpu)
    {
        if (vcpu is not KernelKvmVcpu { Native: { } native })
        {
            return false;
        }

        try
        {
            // The events only mark INIT as pending; asking for the state lets the local APIC act on it, without running the guest. KVM_RUN
            // with immediate_exit then moves the state through the processor, as an INIT inside KVM_RUN does.
            native.SetEvents(new KvmVcpuEvents { HasSystemManagementState = true, IsInitPending = true });
            native.GetMpState();
            native.RunImmediateExit();
            return true;
        }
        catch (KvmException)
        {
            return false;
        }
    }

    /// <inheritdoc/>
    public override KernelReply? SetMpState(IKvmVcpu vcpu, int value, bool hasInterruptController)
    {
        try
        {
            (vcpu as KernelKvmVcpu)?.Native.SetMpState((KvmMpState)value);
            return vcpu is KernelKvmVcpu ? KernelReply.Success : null;
        }
        catch (KvmException refusal)
        {
            return new KernelReply(refusal.Errno);
        }
    }

    /// <inheritdoc/>
    public override void EndScenario()
    {
        if (_threadPkru is { } before)
        {
            ThreadPkru.Value = before;
            _threadPkru = null;
        }
    }

    /// <inheritdoc/>
    public override GuestReply RunGuest(IKvmMachine machine, IKvmVcpu vcpu, GuestProgram program)
    {
        ArgumentNullException.ThrowIfNull(program);
        if (program.Mode == GuestMode.Long && _flavour.Value == KvmFlavour.Pvm)
        {
            // Its guests run at CPL 3 of the hardware and expect a kernel that was written for that.
            return GuestReply.NotHere("code in long mode on kvm_pvm, which runs paravirtualized kernels only");
        }

        return machine is KernelKvmMachine made && vcpu is KernelKvmVcpu kernel
            ? made.RunGuest(kernel, program) : base.RunGuest(machine, vcpu, program);
    }
}
