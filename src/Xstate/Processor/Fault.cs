namespace Xstate.Processor;

/// <summary>The exceptions that the instructions of this room can raise, by vector number (SDM Vol. 3A, table 6-1).</summary>
public enum FaultVector : byte
{
    /// <summary>No fault: the instruction completed. (#DE has this number, but nothing here divides.)</summary>
    None = 0,

    /// <summary>#UD.</summary>
    InvalidOpcode = 6,

    /// <summary>#NM.</summary>
    DeviceNotAvailable = 7,

    /// <summary>#SS, always with an error code: what #GP is for the stack's addresses.</summary>
    StackSegment = 12,

    /// <summary>#GP, always with an error code.</summary>
    GeneralProtection = 13,

    /// <summary>#PF, always with an error code.</summary>
    PageFault = 14,

    /// <summary>#MF: an x87 exception that FCW does not mask is pending.</summary>
    FloatingPointError = 16,

    /// <summary>#AC, always with error code 0.</summary>
    AlignmentCheck = 17,
}

/// <summary>The bits of a page fault's error code that this room sets (SDM Vol. 3A, 4.7).</summary>
[Flags]
internal enum PageFaultErrors
{
    /// <summary>A supervisor read of a page that is not present.</summary>
    None = 0,

    /// <summary>P: the page is present, the access is not allowed.</summary>
    Present = 1,

    /// <summary>W/R: the access was a write.</summary>
    Write = 2,

    /// <summary>U/S: the access was a user-mode access.</summary>
    User = 4,

    /// <summary>I/D: the access was an instruction fetch, where the processor tells (CR4.SMEP or EFER.NXE).</summary>
    Fetch = 16,

    /// <summary>PK: protection keys forbid the access.</summary>
    ProtectionKey = 32,
}

/// <summary>
/// What became of an instruction: <see cref="None"/>, or the fault it raised. A fault is an answer, never an exception, and a faulting
/// instruction has changed neither registers nor memory.
/// </summary>
/// <param name="Vector">The exception, or <see cref="FaultVector.None"/>.</param>
/// <param name="ErrorCode">The error code pushed with it; 0 where the exception has none.</param>
/// <param name="Address">The linear address that a page fault reports in CR2; else 0.</param>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public readonly record struct Fault(FaultVector Vector, uint ErrorCode, ulong Address)
{
    /// <summary>The instruction completed.</summary>
    public static Fault None => default;

    /// <summary>#UD.</summary>
    public static Fault InvalidOpcode => new(FaultVector.InvalidOpcode, 0, 0);

    /// <summary>#NM.</summary>
    public static Fault DeviceNotAvailable => new(FaultVector.DeviceNotAvailable, 0, 0);

    /// <summary>#GP(0), the only general-protection fault of these instructions.</summary>
    public static Fault GeneralProtection => new(FaultVector.GeneralProtection, 0, 0);

    /// <summary>#SS(0).</summary>
    public static Fault StackSegment => new(FaultVector.StackSegment, 0, 0);

    /// <summary>#MF.</summary>
    public static Fault FloatingPointError => new(FaultVector.FloatingPointError, 0, 0);

    /// <summary>#AC(0).</summary>
    public static Fault AlignmentCheck => new(FaultVector.AlignmentCheck, 0, 0);

    /// <summary>Whether the instruction did not complete.</summary>
    public bool IsFault => Vector != FaultVector.None;

    /// <summary>#PF at an address.</summary>
    internal static Fault PageFault(PageFaultErrors errors, ulong address) => new(FaultVector.PageFault, (uint)errors, address);

    /// <summary>The manuals' notation: <c>#GP(0)</c>, <c>#UD</c>, <c>#PF(0x25)</c>, or <c>none</c>.</summary>
    public override string ToString() => Vector switch
    {
        FaultVector.None => "none",
        FaultVector.InvalidOpcode => "#UD",
        FaultVector.DeviceNotAvailable => "#NM",
        FaultVector.StackSegment => $"#SS({ErrorCode})",
        FaultVector.GeneralProtection => $"#GP({ErrorCode})",
        FaultVector.PageFault => $"#PF(0x{ErrorCode:x})",
        FaultVector.FloatingPointError => "#MF",
        FaultVector.AlignmentCheck => $"#AC({ErrorCode})",
        _ => $"vector {(int)Vector}",
    };
}
