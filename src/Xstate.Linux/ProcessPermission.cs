using System.Runtime.Versioning;
using Xstate.Architecture;
using Xstate.Hypervisors;
using Xstate.Linux.Interop;
using Xstate.Linux.Kvm;

namespace Xstate.Linux;

/// <summary>
/// Dynamic state (AMX tile data) for this process itself, as <see cref="GuestPermission"/> is for its guests. Each thread gets a larger
/// buffer with its first use; the permission belongs to the process and cannot be given back.
/// </summary>
[SupportedOSPlatform("linux")]
internal static class ProcessPermission
{
    private const int ARCH_REQ_XCOMP_PERM = 0x1023;

    /// <summary>
    /// ARCH_REQ_XCOMP_PERM (Linux 5.16). False where processor or kernel lack the component, or where a thread's signal stack is too small
    /// for it.
    /// </summary>
    public static bool TryRequest(StateComponent component)
    {
        nint result = LibC.syscall(LibC.SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, (int)component);
        return result >= 0
            || (KvmIoctl.LastError() is Errno.EINVAL or Errno.EOPNOTSUPP or Errno.ENOSPC
                ? false
                : throw new LinuxException($"arch_prctl(ARCH_REQ_XCOMP_PERM, {(int)component})", KvmIoctl.LastError()));
    }
}
