namespace Xstate.Captures;

/// <summary>
/// An alternate signal stack of a thread (sigaltstack), where handlers with SA_ONSTACK run, and what a signal's frame needs of it. The
/// frame holds an XSAVE area, so it grows with the components of the processor: a stack that was large enough on one machine may be too
/// small on another.
/// </summary>
/// <param name="Address">Its lowest address (ss_sp).</param>
/// <param name="Size">Its bytes (ss_size).</param>
/// <param name="Flags">ss_flags.</param>
internal readonly record struct SignalStack(ulong Address, ulong Size, uint Flags)
{
    /// <summary>
    /// What AT_MINSIGSTKSZ adds to the area, before it is rounded up to 16: the general registers and the siginfo, for 32-bit processes
    /// too, and the alignment of both. Measured as 929 to 936 with areas of 832, 2432, 2696 and 11,008 bytes on Linux 6.1 to 6.18.
    /// </summary>
    internal const int AnnouncedOverhead = 936;

    private const uint Disabled = 2;
    private const int AreaAlignment = 64;
    private const int FrameAlignment = 16;
    private const int MagicLength = sizeof(uint);

    // struct rt_sigframe: the return address, ucontext (304 bytes with the registers) and siginfo (128).
    private const int FrameLength = 440;

    // struct rt_sigframe_ia32, and the FSAVE image in front of the area.
    private const int FrameLength32 = 268;
    private const int FsaveLength = 112;

    /// <summary>Whether there is one.</summary>
    public bool IsEnabled => (Flags & Disabled) == 0 && Size > 0;

    /// <summary>
    /// AT_MINSIGSTKSZ of a kernel (5.14 and later) whose largest area has so many bytes: enough for any frame, whatever the stack's
    /// alignment.
    /// </summary>
    public static int Announced(int area) => (area + AnnouncedOverhead + FrameAlignment - 1) / FrameAlignment * FrameAlignment;

    /// <summary>Bytes from the end of this stack to where the frame of a signal begins.</summary>
    /// <param name="area">Bytes of the thread's area in the standard format.</param>
    /// <param name="is32Bit">Whether the thread runs 32-bit code.</param>
    public ulong Needed(int area, bool is32Bit)
    {
        ulong top = Address + Size;
        ulong image = (top - (ulong)(area + MagicLength)) & ~(ulong)(AreaAlignment - 1);
        ulong frame = is32Bit
            ? ((image - FsaveLength - FrameLength32 + sizeof(uint)) & ~(ulong)(FrameAlignment - 1)) - sizeof(uint)
            : ((image - FrameLength) & ~(ulong)(FrameAlignment - 1)) - sizeof(ulong);
        return top - frame;
    }

    /// <summary>Whether the frame of a signal fits: the kernel asks that it begins above the stack's lowest address.</summary>
    /// <param name="area">Bytes of the thread's area in the standard format.</param>
    /// <param name="is32Bit">Whether the thread runs 32-bit code.</param>
    public bool Holds(int area, bool is32Bit) => Needed(area, is32Bit) < Size;
}
