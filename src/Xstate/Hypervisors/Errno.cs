namespace Xstate.Hypervisors;

/// <summary>The error numbers that the modelled calls return (Linux x86-64 values).</summary>
public enum Errno
{
    /// <summary>Success.</summary>
    None = 0,

    /// <summary>Operation not permitted.</summary>
    EPERM = 1,

    /// <summary>No such file or directory.</summary>
    ENOENT = 2,

    /// <summary>No such process or thread, or it is not stopped under this tracer.</summary>
    ESRCH = 3,

    /// <summary>Interrupted: how KVM_RUN ends with immediate_exit.</summary>
    EINTR = 4,

    /// <summary>Input/output error.</summary>
    EIO = 5,

    /// <summary>No such device or address.</summary>
    ENXIO = 6,

    /// <summary>Argument list too long: more CPUID entries than asked for.</summary>
    E2BIG = 7,

    /// <summary>No child that could be waited for.</summary>
    ECHILD = 10,

    /// <summary>Try again: what was asked for did not happen in time.</summary>
    EAGAIN = 11,

    /// <summary>Out of memory.</summary>
    ENOMEM = 12,

    /// <summary>Permission denied: no right to open the device.</summary>
    EACCES = 13,

    /// <summary>Bad address.</summary>
    EFAULT = 14,

    /// <summary>Busy: permission after the first vCPU.</summary>
    EBUSY = 16,

    /// <summary>File exists: a vCPU with this id.</summary>
    EEXIST = 17,

    /// <summary>No such device.</summary>
    ENODEV = 19,

    /// <summary>Invalid argument: the bare answer that this project explains.</summary>
    EINVAL = 22,

    /// <summary>The kernel has no such ioctl.</summary>
    ENOTTY = 25,

    /// <summary>No space: a signal stack that is too small for what was asked.</summary>
    ENOSPC = 28,

    /// <summary>Operation not supported.</summary>
    EOPNOTSUPP = 95,
}
