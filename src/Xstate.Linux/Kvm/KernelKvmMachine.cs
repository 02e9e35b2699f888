using System.Collections.Immutable;
using System.Runtime.Versioning;
using Xstate.Architecture;
using Xstate.Guests;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Scenarios;

namespace Xstate.Linux.Kvm;

/// <summary>
/// The running kernel's KVM behind the same operations as the model's: one VM of this process. Refusals are answers, not exceptions.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class KernelKvmMachine : IKvmMachine
{
    // Three pages below 4 GiB, above everything that a guest here can reach.
    internal const uint TssAddress = 0xFFFB_D000;

    private readonly KvmDevice _device;
    private readonly KvmVm _vm;
    private GuestMemory? _memory;

    /// <summary>A fresh virtual machine.</summary>
    /// <param name="device">The open device; it must outlive this machine and is not disposed with it.</param>
    /// <param name="hasInterruptController">Whether KVM emulates interrupt controllers and with them the local APICs, which INIT
    /// needs.</param>
    /// <exception cref="KvmException">The kernel refused KVM_CREATE_VM.</exception>
    public KernelKvmMachine(KvmDevice device, bool hasInterruptController = false)
    {
        ArgumentNullException.ThrowIfNull(device);
        _device = device;
        _vm = device.CreateVm();
        if (hasInterruptController)
        {
            _vm.CreateInterruptController();
        }
    }

    /// <inheritdoc/>
    public int Xsave2Size => _vm.Xsave2Size;

    /// <summary>Asks for the whole process: every machine that it makes later has the permission too.</summary>
    public KernelReply RequestGuestPermission(StateComponent component) => new(GuestPermission.TryRequest(component));

    /// <inheritdoc/>
    public KernelReply GetSupportedCpuid(out ImmutableArray<CpuidEntry> entries) => new(_device.TryGetSupportedCpuid(out entries));

    /// <inheritdoc/>
    public KernelReply CreateVcpu(int id, out IKvmVcpu? vcpu)
    {
        Errno errno = _vm.TryCreateVcpu(id, out KvmVcpu? created);
        vcpu = created is null ? null : new KernelKvmVcpu(created);
        return new KernelReply(errno);
    }

    /// <summary>Closes the VM. Its virtual CPUs are closed by whoever made them.</summary>
    public void Dispose()
    {
        _vm.Dispose();
        _memory?.Dispose();
    }

    /// <summary>Runs guest code on one of this machine's virtual CPUs.</summary>
    internal GuestReply RunGuest(KernelKvmVcpu vcpu, GuestProgram program)
    {
        if (_memory is null)
        {
            _memory = new GuestMemory(GuestLayout.MemoryLength);
            _vm.SetTssAddress(TssAddress);
            _vm.SetMemory(0, 0, _memory);
        }

        return KernelGuest.Run(vcpu.Native, _memory, program);
    }
}

/// <summary>A virtual CPU of the running kernel behind the same operations as the model's.</summary>
[SupportedOSPlatform("linux")]
internal sealed class KernelKvmVcpu : IKvmVcpu
{
    private readonly KvmVcpu _vcpu;

    internal KernelKvmVcpu(KvmVcpu vcpu)
    {
        _vcpu = vcpu;
    }

    /// <summary>The virtual CPU for what is no call of <see cref="IKvmVcpu"/>.</summary>
    internal KvmVcpu Native => _vcpu;

    public KernelReply SetCpuid2(ReadOnlySpan<CpuidEntry> entries) => new(_vcpu.TrySetCpuid2(entries));

    public KernelReply GetCpuid2(out ImmutableArray<CpuidEntry> entries, int room = KvmModelVcpu.MaxCpuidEntries) =>
        new(_vcpu.TryGetCpuid2(out entries, room));

    public KernelReply SetXsave(ReadOnlySpan<byte> image) => new(_vcpu.SetWhatKvmReads(image));

    public KernelReply GetXsave(out byte[] area) => new(_vcpu.TryGetXsave(out area));

    public KernelReply GetXsave2(out byte[] area) => new(_vcpu.TryGetXsave2(out area));

    public KernelReply SetXcrs(uint count, uint flags, ReadOnlySpan<XcrEntry> entries) => new(_vcpu.TrySetXcrs(count, flags, entries));

    public KernelReply GetXcrs(out ImmutableArray<XcrEntry> entries) => new(_vcpu.TryGetXcrs(out entries));

    public KernelReply SetMsr(uint index, ulong value, out int count) => new(_vcpu.TrySetMsr(index, value, out count));

    public KernelReply GetMsr(uint index, out int count, out ulong value) => new(_vcpu.TryGetMsr(index, out count, out value));

    public KernelReply SetMsrs(ReadOnlySpan<MsrEntry> entries, out int count) => new(_vcpu.TrySetMsrs(entries, out count));

    public KernelReply GetMsrs(ReadOnlySpan<uint> indices, out ImmutableArray<ulong> values) => new(_vcpu.TryGetMsrs(indices, out values));

    public KernelReply SetOneRegister(ulong id, ulong value) => new(_vcpu.TrySetOneRegister(id, value));

    public KernelReply GetOneRegister(ulong id, out ulong value) => new(_vcpu.TryGetOneRegister(id, out value));

    public KernelReply GetRegisterList(out ImmutableArray<ulong> ids) => new(_vcpu.TryGetRegisterList(out ids));

    public KernelReply SetFpu(KvmFpu fpu) => new(_vcpu.TrySetFpu(fpu));

    public KernelReply GetFpu(out KvmFpu fpu) => new(_vcpu.TryGetFpu(out fpu));

    public KernelReply SetControlRegisters(KvmControlRegisters registers)
    {
        Errno errno = _vcpu.TryGetSystemRegisters(out KvmSystemRegisters all);
        if (errno != Errno.None)
        {
            return new KernelReply(errno);
        }

        all.Cr0 = registers.Cr0;
        all.Cr3 = registers.Cr3;
        all.Cr4 = registers.Cr4;
        all.Efer = registers.Efer;
        return new KernelReply(_vcpu.TrySetSystemRegisters(all));
    }

    public KernelReply GetControlRegisters(out KvmControlRegisters registers)
    {
        Errno errno = _vcpu.TryGetSystemRegisters(out KvmSystemRegisters all);
        registers = new KvmControlRegisters(all.Cr0, all.Cr3, all.Cr4, all.Efer);
        return new KernelReply(errno);
    }

    public KernelReply RunImmediateExit() => new(_vcpu.TryRunImmediateExit());

    public void Dispose() => _vcpu.Dispose();
}
