using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Linux.Interop;

namespace Xstate.Linux.Kvm;

/// <summary>An open /dev/kvm.</summary>
/// <threadsafety>Any thread: the kernel orders the calls. Disposing it is for the last.</threadsafety>
[SupportedOSPlatform("linux")]
public sealed class KvmDevice : IDisposable
{
    /// <summary>Where the device is.</summary>
    public const string DefaultPath = "/dev/kvm";

    private const int RequiredApiVersion = 12;

    private readonly SafeFileHandle _file;

    private KvmDevice(SafeFileHandle file)
    {
        _file = file;
    }

    /// <summary>Bytes of a vCPU's shared page (KVM_GET_VCPU_MMAP_SIZE).</summary>
    internal int RunPageLength { get; private init; }

    /// <summary>Opens the device.</summary>
    /// <exception cref="KvmException">ENOENT without KVM, EACCES without the right to use it.</exception>
    public static KvmDevice Open(string path = DefaultPath)
    {
        SafeFileHandle file = LibC.open(path, LibC.O_RDWR | LibC.O_CLOEXEC);
        if (file.IsInvalid)
        {
            Errno errno = KvmIoctl.LastError();
            file.Dispose();
            throw new KvmException($"open {path}", errno);
        }

        try
        {
            Errno errno = KvmIoctl.Issue(file, KvmRequest.GetApiVersion, 0, out int version);
            if (errno != Errno.None || version != RequiredApiVersion)
            {
                throw new KvmException($"KVM_GET_API_VERSION of {path} (answered {version}, needed {RequiredApiVersion})", errno);
            }

            KvmIoctl.Check(KvmIoctl.Issue(file, KvmRequest.GetVcpuMmapSize, 0, out int length), "KVM_GET_VCPU_MMAP_SIZE");
            return new KvmDevice(file) { RunPageLength = length };
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>KVM_CHECK_EXTENSION: 0 when the kernel does not have it.</summary>
    public int CheckExtension(KvmCapability capability)
    {
        KvmIoctl.Check(KvmIoctl.Issue(_file, KvmRequest.CheckExtension, (int)capability, out int value), "KVM_CHECK_EXTENSION");
        return value;
    }

    /// <summary>KVM_GET_SUPPORTED_CPUID: what a guest of this process may be shown.</summary>
    /// <exception cref="KvmException">The kernel refused.</exception>
    public CpuidTable GetSupportedCpuid()
    {
        KvmIoctl.Check(TryGetSupportedCpuid(out ImmutableArray<CpuidEntry> entries), "KVM_GET_SUPPORTED_CPUID");
        return new CpuidTable(entries);
    }

    /// <summary>
    /// KVM_X86_XCOMP_GUEST_SUPP (Linux 5.17): the components that KVM can give to guests, whether or not this process has permission for
    /// them; null on a kernel without the attribute.
    /// </summary>
    public StateComponentSet? GetGuestSupportedComponents()
    {
        // struct kvm_device_attr: flags, group, attribute, address of the answer.
        Span<byte> attribute = stackalloc byte[24];
        attribute.Clear();
        GCHandle answer = GCHandle.Alloc(new byte[sizeof(ulong)], GCHandleType.Pinned);
        try
        {
            BinaryPrimitives.WriteUInt64LittleEndian(attribute[16..], (ulong)answer.AddrOfPinnedObject());
            return KvmIoctl.Issue(_file, KvmRequest.GetDeviceAttribute, attribute) == Errno.None
                ? new StateComponentSet(BinaryPrimitives.ReadUInt64LittleEndian((byte[])answer.Target!))
                : null;
        }
        finally
        {
            answer.Free();
        }
    }

    /// <summary>KVM_CREATE_VM.</summary>
    /// <exception cref="KvmException">The kernel refused.</exception>
    public KvmVm CreateVm()
    {
        KvmIoctl.Check(KvmIoctl.Issue(_file, KvmRequest.CreateVm, 0, out int descriptor), "KVM_CREATE_VM");
        return new KvmVm(new SafeFileHandle(descriptor, ownsHandle: true), RunPageLength);
    }

    /// <summary>
    /// KVM_CREATE_VM, behind the same operations as the model's: for <see cref="Rehearsal.RestoreProof"/>, and for code that runs on
    /// either.
    /// </summary>
    /// <exception cref="KvmException">The kernel refused.</exception>
    public IKvmMachine CreateMachine() => new KernelKvmMachine(this);

    /// <summary>Closes the device. Virtual machines made from it live on until they are disposed.</summary>
    public void Dispose() => _file.Dispose();

    /// <summary>Which module serves /dev/kvm; <see cref="KvmFlavour.Unknown"/> without one.</summary>
    internal static KvmFlavour DetectFlavour() => DetectFlavour("/sys/module", ProcessorModel.From(HostCpuid.Read()));

    internal static KvmFlavour DetectFlavour(string modules, ProcessorModel processor)
    {
        // kvm_intel and kvm_amd can both be present when they are built in; the processor then tells which one took the device.
        bool Has(string module) => Directory.Exists(Path.Combine(modules, module));
        return (Has("kvm_pvm"), Has("kvm_intel"), Has("kvm_amd")) switch
        {
            (true, _, _) => KvmFlavour.Pvm,
            (_, true, true) => processor.IsAmdLike ? KvmFlavour.Amd : KvmFlavour.Intel,
            (_, true, _) => KvmFlavour.Intel,
            (_, _, true) => KvmFlavour.Amd,
            _ => KvmFlavour.Unknown,
        };
    }

    internal Errno TryGetSupportedCpuid(out ImmutableArray<CpuidEntry> entries)
    {
        byte[] buffer = CpuidBuffer.ForAnswer(CpuidBuffer.RoomyCount);
        Errno errno = KvmIoctl.Issue(_file, KvmRequest.GetSupportedCpuid, buffer);
        entries = errno == Errno.None ? CpuidBuffer.Read(buffer) : [];
        return errno;
    }
}
