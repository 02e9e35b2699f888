namespace Xstate.Linux.Kvm;

/// <summary>Why KVM_RUN came back.</summary>
public enum KvmExitReason
{
    /// <summary>KVM_EXIT_UNKNOWN.</summary>
    Unknown = 0,

    /// <summary>KVM_EXIT_EXCEPTION.</summary>
    Exception = 1,

    /// <summary>KVM_EXIT_IO: IN or OUT.</summary>
    Io = 2,

    /// <summary>KVM_EXIT_HLT.</summary>
    Halt = 5,

    /// <summary>KVM_EXIT_MMIO: an access to an address without memory.</summary>
    Mmio = 6,

    /// <summary>KVM_EXIT_SHUTDOWN: a triple fault.</summary>
    Shutdown = 8,

    /// <summary>KVM_EXIT_FAIL_ENTRY: the processor refused the guest's state.</summary>
    FailEntry = 9,

    /// <summary>KVM_EXIT_INTR: a signal.</summary>
    Interrupted = 10,

    /// <summary>KVM_EXIT_INTERNAL_ERROR: KVM could not emulate an instruction, among others.</summary>
    InternalError = 17,
}

/// <summary>One end of KVM_RUN.</summary>
/// <param name="Reason">Why.</param>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed record KvmExit(KvmExitReason Reason)
{
    /// <summary>For <see cref="KvmExitReason.Io"/>: OUT rather than IN.</summary>
    public bool IsOut { get; init; }

    /// <summary>For <see cref="KvmExitReason.Io"/>: the port.</summary>
    public ushort Port { get; init; }

    /// <summary>For <see cref="KvmExitReason.Io"/>: the bytes written by OUT.</summary>
    public ReadOnlyMemory<byte> Data { get; init; }

    /// <summary>
    /// For <see cref="KvmExitReason.InternalError"/> the sub-error, for <see cref="KvmExitReason.FailEntry"/> the hardware's reason.
    /// </summary>
    public ulong Detail { get; init; }
}
