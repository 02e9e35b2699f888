using System.Buffers.Binary;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;
using Xstate.Hypervisors;

namespace Xstate.Linux.Kvm;

/// <summary>One virtual machine.</summary>
/// <threadsafety>Any thread: the kernel orders the calls. Disposing it is for the last.</threadsafety>
[SupportedOSPlatform("linux")]
public sealed class KvmVm : IDisposable
{
    private readonly SafeFileHandle _file;
    private readonly int _runPageLength;

    internal KvmVm(SafeFileHandle file, int runPageLength)
    {
        _file = file;
        _runPageLength = runPageLength;
    }

    /// <summary>
    /// KVM_CHECK_EXTENSION(KVM_CAP_XSAVE2) of this VM: how many bytes KVM_GET_XSAVE2 may write; 0 before Linux 5.17. It grows when the
    /// process is given permission for AMX, and that can no longer change once a virtual CPU exists.
    /// </summary>
    public int Xsave2Size => CheckExtension(KvmCapability.Xsave2);

    /// <summary>KVM_CHECK_EXTENSION on the VM.</summary>
    public int CheckExtension(KvmCapability capability)
    {
        KvmIoctl.Check(KvmIoctl.Issue(_file, KvmRequest.CheckExtension, (int)capability, out int value), "KVM_CHECK_EXTENSION");
        return value;
    }

    /// <summary>KVM_CREATE_VCPU.</summary>
    /// <exception cref="KvmException">The kernel refused, for instance EEXIST.</exception>
    public KvmVcpu CreateVcpu(int id)
    {
        KvmIoctl.Check(TryCreateVcpu(id, out KvmVcpu? vcpu), "KVM_CREATE_VCPU");
        return vcpu!;
    }

    /// <summary>KVM_SET_USER_MEMORY_REGION: gives the guest memory of this process.</summary>
    /// <param name="slot">Number of the region; giving it again replaces the region.</param>
    /// <param name="guestAddress">Physical address in the guest, a multiple of 4096.</param>
    /// <param name="memory">The memory; it must outlive the VM.</param>
    /// <exception cref="KvmException">The kernel refused.</exception>
    public void SetMemory(uint slot, ulong guestAddress, GuestMemory memory)
    {
        ArgumentNullException.ThrowIfNull(memory);
        Span<byte> region = stackalloc byte[32];
        region.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(region, slot);
        BinaryPrimitives.WriteUInt64LittleEndian(region[8..], guestAddress);
        BinaryPrimitives.WriteUInt64LittleEndian(region[16..], (ulong)memory.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(region[24..], memory.Address);
        KvmIoctl.Check(KvmIoctl.Issue(_file, KvmRequest.SetUserMemoryRegion, region), "KVM_SET_USER_MEMORY_REGION");
    }

    /// <summary>KVM_SET_TSS_ADDR: three guest pages that Intel processors need before real-mode code can run.</summary>
    /// <exception cref="KvmException">The kernel refused.</exception>
    public void SetTssAddress(uint guestAddress) =>
        KvmIoctl.Check(KvmIoctl.Issue(_file, KvmRequest.SetTssAddress, (nint)guestAddress, out _), "KVM_SET_TSS_ADDR");

    /// <summary>
    /// KVM_CREATE_IRQCHIP: interrupt controllers in the kernel, without which a virtual CPU has no local APIC to receive INIT. Before the
    /// first virtual CPU.
    /// </summary>
    /// <exception cref="KvmException">The kernel refused.</exception>
    public void CreateInterruptController() =>
        KvmIoctl.Check(KvmIoctl.Issue(_file, KvmRequest.CreateInterruptController, 0, out _), "KVM_CREATE_IRQCHIP");

    /// <summary>Closes the VM; the kernel frees it when its last virtual CPU is closed too.</summary>
    public void Dispose() => _file.Dispose();

    internal Errno TryCreateVcpu(int id, out KvmVcpu? vcpu)
    {
        vcpu = null;
        Errno errno = KvmIoctl.Issue(_file, KvmRequest.CreateVcpu, id, out int descriptor);
        if (errno == Errno.None)
        {
            vcpu = new KvmVcpu(new SafeFileHandle(descriptor, ownsHandle: true), Xsave2Size, _runPageLength);
        }

        return errno;
    }
}
