using System.Buffers.Binary;
using System.Runtime.Versioning;
using Xstate.Architecture;
using Xstate.Hypervisors;
using Xstate.Linux.Interop;
using Xstate.Linux.Kvm;

namespace Xstate.Linux;

/// <summary>
/// arch_prctl's part in dynamic state (AMX tile data): a process asks for the permission to give it to guests before its first virtual CPU
/// exists; from then on the permission is locked. The permission belongs to the process, not to a VM, and cannot be given back.
/// </summary>
[SupportedOSPlatform("linux")]
internal static class GuestPermission
{
    private const int ARCH_GET_XCOMP_SUPP = 0x1021;
    private const int ARCH_GET_XCOMP_GUEST_PERM = 0x1024;
    private const int ARCH_REQ_XCOMP_GUEST_PERM = 0x1025;

    /// <summary>ARCH_REQ_XCOMP_GUEST_PERM (Linux 5.17).</summary>
    /// <exception cref="LinuxException">EBUSY after the first virtual CPU, EOPNOTSUPP when the host lacks the component, EINVAL for one
    /// that needs no permission.</exception>
    public static void Request(StateComponent component)
    {
        Errno errno = TryRequest(component);
        if (errno != Errno.None)
        {
            throw new LinuxException($"arch_prctl(ARCH_REQ_XCOMP_GUEST_PERM, {(int)component})", errno);
        }
    }

    /// <summary>ARCH_GET_XCOMP_GUEST_PERM (Linux 5.17): what this process may give to guests; null on older kernels.</summary>
    public static StateComponentSet? Granted => Get(ARCH_GET_XCOMP_GUEST_PERM);

    /// <summary>ARCH_GET_XCOMP_SUPP (Linux 5.16): the user components that the host kernel uses; null on older kernels.</summary>
    public static StateComponentSet? HostComponents => Get(ARCH_GET_XCOMP_SUPP);

    internal static Errno TryRequest(StateComponent component) =>
        LibC.syscall(LibC.SYS_arch_prctl, ARCH_REQ_XCOMP_GUEST_PERM, (int)component) < 0 ? KvmIoctl.LastError() : Errno.None;

    private static StateComponentSet? Get(int code)
    {
        Span<byte> mask = stackalloc byte[sizeof(ulong)];
        mask.Clear();
        return LibC.syscall(LibC.SYS_arch_prctl, code, mask) < 0
            ? null : new StateComponentSet(BinaryPrimitives.ReadUInt64LittleEndian(mask));
    }
}
