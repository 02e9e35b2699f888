using System.Collections.Immutable;
using Xstate.Architecture;

namespace Xstate.Hypervisors.Kvm;

/// <summary>One entry of struct kvm_xcrs.</summary>
/// <param name="Index">Extended control register; 0 is XCR0, and no other exists.</param>
/// <param name="Value">Its value.</param>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public readonly record struct XcrEntry(uint Index, ulong Value);

/// <summary>One entry of struct kvm_msrs.</summary>
/// <param name="Index">MSR number.</param>
/// <param name="Value">Its value.</param>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public readonly record struct MsrEntry(uint Index, ulong Value);

/// <summary>The control registers of struct kvm_sregs.</summary>
/// <param name="Cr0">CR0.</param>
/// <param name="Cr3">CR3.</param>
/// <param name="Cr4">CR4.</param>
/// <param name="Efer">IA32_EFER.</param>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public readonly record struct KvmControlRegisters(ulong Cr0, ulong Cr3, ulong Cr4, ulong Efer);

/// <summary>
/// One process with one virtual machine: the same operations on the model and on the real /dev/kvm, so that one script runs on both. Calls
/// never throw for what a kernel refuses.
/// </summary>
/// <threadsafety>The model: one thread at a time. The kernel: any thread, as far as KVM itself allows.</threadsafety>
public interface IKvmMachine : IDisposable
{
    /// <summary>arch_prctl(ARCH_REQ_XCOMP_GUEST_PERM): asks for a dynamic component before the first virtual CPU exists.</summary>
    KernelReply RequestGuestPermission(StateComponent component);

    /// <summary>KVM_CHECK_EXTENSION(KVM_CAP_XSAVE2) on the VM: the size that KVM_GET_XSAVE2 may need; 0 on kernels without it.</summary>
    int Xsave2Size { get; }

    /// <summary>KVM_GET_SUPPORTED_CPUID.</summary>
    KernelReply GetSupportedCpuid(out ImmutableArray<CpuidEntry> entries);

    /// <summary>KVM_CREATE_VCPU. <paramref name="vcpu"/> is null when refused.</summary>
    KernelReply CreateVcpu(int id, out IKvmVcpu? vcpu);
}

/// <summary>One virtual CPU's extended-state calls.</summary>
/// <threadsafety>One thread at a time.</threadsafety>
public interface IKvmVcpu : IDisposable
{
    /// <summary>KVM_SET_CPUID2.</summary>
    KernelReply SetCpuid2(ReadOnlySpan<CpuidEntry> entries);

    /// <summary>KVM_GET_CPUID2 with room for some entries: E2BIG when there are more.</summary>
    KernelReply GetCpuid2(out ImmutableArray<CpuidEntry> entries, int room = KvmModelVcpu.MaxCpuidEntries);

    /// <summary>
    /// KVM_SET_XSAVE. A shorter image is padded with zeros to the size that the call reads; bytes beyond that size are not looked at.
    /// </summary>
    KernelReply SetXsave(ReadOnlySpan<byte> image);

    /// <summary>KVM_GET_XSAVE into a zeroed buffer; <paramref name="area"/> is empty when refused.</summary>
    KernelReply GetXsave(out byte[] area);

    /// <summary>
    /// KVM_GET_XSAVE2 into a zeroed buffer of <see cref="IKvmMachine.Xsave2Size"/> bytes; <paramref name="area"/> is empty when refused.
    /// </summary>
    KernelReply GetXsave2(out byte[] area);

    /// <summary>KVM_SET_XCRS. <paramref name="count"/> is the nr_xcrs field, which may lie about the entries.</summary>
    KernelReply SetXcrs(uint count, uint flags, ReadOnlySpan<XcrEntry> entries);

    /// <summary>KVM_GET_XCRS.</summary>
    KernelReply GetXcrs(out ImmutableArray<XcrEntry> entries);

    /// <summary>KVM_SET_MSRS with one MSR; <paramref name="count"/> is how many the kernel processed (0 or 1).</summary>
    KernelReply SetMsr(uint index, ulong value, out int count);

    /// <summary>KVM_GET_MSRS with one MSR.</summary>
    KernelReply GetMsr(uint index, out int count, out ulong value);

    /// <summary>
    /// KVM_SET_MSRS; <paramref name="count"/> is how many the kernel processed: it stops at the first that it refuses, and those before it
    /// stay written.
    /// </summary>
    KernelReply SetMsrs(ReadOnlySpan<MsrEntry> entries, out int count);

    /// <summary>KVM_GET_MSRS; <paramref name="values"/> has as many as the kernel processed.</summary>
    KernelReply GetMsrs(ReadOnlySpan<uint> indices, out ImmutableArray<ulong> values);

    /// <summary>KVM_SET_ONE_REG (6.18 on x86), of a register that <see cref="KvmRegisterId"/> numbers.</summary>
    KernelReply SetOneRegister(ulong id, ulong value);

    /// <summary>KVM_GET_ONE_REG (6.18 on x86).</summary>
    KernelReply GetOneRegister(ulong id, out ulong value);

    /// <summary>KVM_GET_REG_LIST (6.18 on x86): the registers that no other call reaches.</summary>
    KernelReply GetRegisterList(out ImmutableArray<ulong> ids);

    /// <summary>KVM_SET_FPU.</summary>
    KernelReply SetFpu(KvmFpu fpu);

    /// <summary>KVM_GET_FPU.</summary>
    KernelReply GetFpu(out KvmFpu fpu);

    /// <summary>KVM_SET_SREGS with the control registers replaced and everything else as it was.</summary>
    KernelReply SetControlRegisters(KvmControlRegisters registers);

    /// <summary>KVM_GET_SREGS, of which the control registers.</summary>
    KernelReply GetControlRegisters(out KvmControlRegisters registers);

    /// <summary>
    /// KVM_RUN with immediate_exit: the guest's state goes into the processor and comes back, and no instruction of the guest runs. The
    /// kernel's EINTR counts as success.
    /// </summary>
    KernelReply RunImmediateExit();
}
