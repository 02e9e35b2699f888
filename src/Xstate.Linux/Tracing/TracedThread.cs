using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Xstate.Hypervisors;
using Xstate.Linux.Interop;

namespace Xstate.Linux.Tracing;

/// <summary>A register set that ptrace moves as a whole.</summary>
internal enum RegisterSet
{
    /// <summary>NT_PRSTATUS: the general registers (struct user_regs_struct).</summary>
    General,

    /// <summary>NT_PRFPREG: the FXSAVE image.</summary>
    Fpregs,

    /// <summary>NT_X86_XSTATE: the XSAVE area in standard format.</summary>
    Xstate,

    /// <summary>NT_X86_SHSTK: the shadow-stack pointer (Linux 6.6); ENODEV for a thread without a shadow stack.</summary>
    ShadowStack,
}

/// <summary>Why a traced thread stands still, or that it does not exist any more.</summary>
/// <param name="Status">The status as waitpid gave it.</param>
internal readonly record struct ThreadStop(int Status)
{
    private const int Stopped = 0x7F;

    /// <summary>Whether it stopped; else it ended.</summary>
    public bool IsStopped => (Status & 0xFF) == Stopped;

    /// <summary>The signal of the stop.</summary>
    public int Signal => Status >> 8 & 0xFF;

    /// <summary>
    /// Whether the signal is on its way to the thread, so that it is lost unless it is passed on. Stops by PTRACE_INTERRUPT and of job
    /// control are none.
    /// </summary>
    public bool IsSignal => IsStopped && Status >> 16 == 0;

    /// <summary>The signal that killed it, or 0.</summary>
    public int KilledBy => IsStopped ? 0 : Status & 0x7F;
}

/// <summary>One thread under ptrace. All calls must come from the thread that attached. Refusals are answers, not exceptions.</summary>
[SupportedOSPlatform("linux")]
internal sealed unsafe class TracedThread
{
    private const int MaxRegset = 1 << 14;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);
    private ThreadStop _stop;

    private TracedThread(int id)
    {
        Id = id;
    }

    /// <summary>The thread's id.</summary>
    public int Id { get; }

    /// <summary>Attaches without stopping. Without EXITKILL the kernel lets the thread go when the tracer ends in any way.</summary>
    public static Errno TrySeize(int id, bool killWithTracer, out TracedThread? thread)
    {
        thread = null;
        if (TraceCalls.ptrace(TraceCalls.PTRACE_SEIZE, id, 0, killWithTracer ? TraceCalls.PTRACE_O_EXITKILL : 0) < 0)
        {
            return LastError();
        }

        thread = new TracedThread(id);
        return Errno.None;
    }

    /// <summary>
    /// Asks the thread to stop and waits a little. A signal that arrives first is a stop as good as any. False when it ended, or sleeps
    /// where it cannot be disturbed.
    /// </summary>
    public bool TryStop()
    {
        if (TraceCalls.ptrace(TraceCalls.PTRACE_INTERRUPT, Id, 0, 0) < 0)
        {
            return false;
        }

        long start = Stopwatch.GetTimestamp();
        for (int attempt = 0; ; attempt++)
        {
            int found = TraceCalls.waitpid(Id, out int status, TraceCalls.WNOHANG | TraceCalls.WALL);
            if (found == Id)
            {
                _stop = new ThreadStop(status);
                return _stop.IsStopped;
            }

            if (found < 0 || Stopwatch.GetElapsedTime(start) > Patience)
            {
                return false;
            }

            if (attempt > 50)
            {
                Thread.Sleep(1);
            }
            else
            {
                Thread.Yield();
            }
        }
    }

    /// <summary>Waits for the next stop or the end of a thread that is known to get there.</summary>
    /// <exception cref="LinuxException">It cannot be waited for.</exception>
    public ThreadStop Wait()
    {
        int found;
        int status;
        do
        {
            found = TraceCalls.waitpid(Id, out status, TraceCalls.WALL);
        }
        while (found < 0 && LastError() == Errno.EINTR);
        if (found != Id)
        {
            throw new LinuxException($"waitpid({Id})", LastError());
        }

        _stop = new ThreadStop(status);
        return _stop;
    }

    /// <summary>PTRACE_GETREGSET; <paramref name="image"/> has the length that the kernel gave it.</summary>
    /// <param name="set">The register set.</param>
    /// <param name="image">What was read; empty when refused.</param>
    /// <param name="length">The length of the buffer that the kernel is told; null for more than any set has.</param>
    public Errno TryGet(RegisterSet set, out byte[] image, int? length = null)
    {
        // The largest regset in existence has 11,008 bytes.
        byte* buffer = stackalloc byte[Math.Max(length ?? 0, MaxRegset)];
        TraceCalls.IoVector vector = new() { Base = buffer, Length = (nuint)(length ?? MaxRegset) };
        if (TraceCalls.ptrace(TraceCalls.PTRACE_GETREGSET, Id, NoteOf(set), &vector) < 0)
        {
            image = [];
            return LastError();
        }

        image = new ReadOnlySpan<byte>(buffer, (int)vector.Length).ToArray();
        return Errno.None;
    }

    /// <summary>PTRACE_GETREGSET with NT_X86_SHSTK.</summary>
    public Errno TryGetShadowStack(out ulong pointer)
    {
        Errno errno = TryGet(RegisterSet.ShadowStack, out byte[] image);
        pointer = errno == Errno.None && image.Length >= sizeof(ulong) ? BinaryPrimitives.ReadUInt64LittleEndian(image) : 0;
        return errno;
    }

    /// <summary>PTRACE_SETREGSET with an image of any length.</summary>
    public Errno TrySet(RegisterSet set, ReadOnlySpan<byte> image)
    {
        fixed (byte* bytes = image)
        {
            // An empty image still needs an address.
            byte nothing;
            TraceCalls.IoVector vector = new() { Base = bytes is null ? &nothing : bytes, Length = (nuint)image.Length };
            return TraceCalls.ptrace(TraceCalls.PTRACE_SETREGSET, Id, NoteOf(set), &vector) < 0 ? LastError() : Errno.None;
        }
    }

    /// <summary>si_code of the signal that the thread stopped for: why it was sent.</summary>
    /// <exception cref="LinuxException">It did not stop for a signal.</exception>
    public int SignalCode()
    {
        // siginfo_t: si_signo, si_errno, si_code.
        const int SiginfoLength = 128;
        const int CodeOffset = 8;
        byte* siginfo = stackalloc byte[SiginfoLength];
        return TraceCalls.ptrace(TraceCalls.PTRACE_GETSIGINFO, Id, 0, siginfo) < 0
            ? throw new LinuxException($"ptrace(PTRACE_GETSIGINFO, {Id})", LastError())
            : BinaryPrimitives.ReadInt32LittleEndian(new ReadOnlySpan<byte>(siginfo + CodeOffset, sizeof(int)));
    }

    /// <summary>Lets the thread run, with a signal or 0.</summary>
    /// <exception cref="LinuxException">It is not stopped.</exception>
    public void Continue(int signal)
    {
        if (TraceCalls.ptrace(TraceCalls.PTRACE_CONT, Id, 0, signal) < 0)
        {
            throw new LinuxException($"ptrace(PTRACE_CONT, {Id})", LastError());
        }
    }

    /// <summary>Lets go of a stopped thread. A signal that it stopped for reaches it; job control's stops stay.</summary>
    public void Detach() => TraceCalls.ptrace(TraceCalls.PTRACE_DETACH, Id, 0, _stop.IsSignal ? _stop.Signal : 0);

    internal static Errno LastError() => (Errno)Marshal.GetLastPInvokeError();

    private static nint NoteOf(RegisterSet set) => set switch
    {
        RegisterSet.General => TraceCalls.NT_PRSTATUS,
        RegisterSet.Fpregs => TraceCalls.NT_PRFPREG,
        RegisterSet.Xstate => TraceCalls.NT_X86_XSTATE,
        RegisterSet.ShadowStack => TraceCalls.NT_X86_SHSTK,
        _ => throw new ArgumentOutOfRangeException(nameof(set)),
    };
}
