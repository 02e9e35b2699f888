using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Processor;

namespace Xstate.Linux.Tracing;

/// <summary>
/// A fresh child under ptrace that executes what it is told, one instruction at a time. The kernel kills it with its tracer, so none is
/// ever left behind. All calls come from the thread that started it.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class TracedChild : ILinuxTask
{
    private const int SIGUSR1 = 10;
    private const int SIGTRAP = 5;
    private const int SIGSEGV = 11;
    private const int SIGILL = 4;
    private const int SIGBUS = 7;
    private const int SEGV_PKUERR = 4;
    private const ulong RtSigaction = 13;
    private const ulong SigAltStack = 131;
    private const ulong SigInfoRestorerNoDefer = 0x4400_0004;
    private const ulong OnStack = 0x0800_0000;

    // struct ucontext: flags, link, stack and 23 registers of 8 bytes, then the pointer to the extended state.
    private const ulong FrameOfContext = 224;

    private static readonly StateComponentSet Dynamic = StateComponentSet.Of(StateComponent.TileData);

    // Read once: inside a virtual machine each CPUID is an exit, and a table has hundreds.
    private static readonly Lazy<CpuidTable> HostsCpuid = new(HostCpuid.Read);

    private readonly int _tracer = Environment.CurrentManagedThreadId;
    private readonly SleepingChild _child;
    private readonly TracedThread _thread;
    private readonly SafeFileHandle _memory;
    private readonly StateComponentSet _components;
    private readonly int _areaLength;
    private readonly bool _hasXgetbv1;
    private readonly bool _hasProtectionKeys;
    private readonly ulong _stack;

    /// <summary>Starts a child and attaches to it.</summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public TracedChild()
    {
        CpuidTable cpuid = HostsCpuid.Value;
        _hasProtectionKeys = cpuid.Has(CpuidFeatures.Ospke);
        _hasXgetbv1 = cpuid.Has(CpuidFeatures.Xgetbv1);
        (SleepingChild? child, TracedThread? thread, SafeFileHandle? memory) = Start();
        _child = child;
        _thread = thread;
        _memory = memory;
        _stack = Perform(() =>
        {
            ulong stack = Registers().Rsp;

            // From the first INT3 on each stop is one of a signal, where another signal can be put in its place.
            Run(ChildProgram.Landing, stack);
            InstallHandler(stack, SigInfoRestorerNoDefer);
            return stack;
        });
        bool hasXsave = cpuid.Has(CpuidFeatures.Osxsave);
        StateComponentSet xcr0 = hasXsave ? new StateComponentSet(Perform(() => Xgetbv(0))) : StateComponentSet.Legacy;
        _components = xcr0.Except(Dynamic);
        _areaLength = XsaveLayout.FromCpuid(cpuid).StandardLengthFor(_components);
    }

    /// <inheritdoc/>
    public KernelReply GetXstate(out byte[] image) => Get(RegisterSet.Xstate, null, out image);

    /// <inheritdoc/>
    public KernelReply GetXstate(int length, out byte[] image) => Get(RegisterSet.Xstate, length, out image);

    /// <inheritdoc/>
    public KernelReply GetFpregs(int length, out byte[] image) => Get(RegisterSet.Fpregs, length, out image);

    /// <inheritdoc/>
    public KernelReply SetXstate(ReadOnlySpan<byte> image) => Set(RegisterSet.Xstate, image.ToArray());

    /// <inheritdoc/>
    public KernelReply GetFpregs(out byte[] image) => Get(RegisterSet.Fpregs, null, out image);

    /// <inheritdoc/>
    public KernelReply SetFpregs(ReadOnlySpan<byte> image) => Set(RegisterSet.Fpregs, image.ToArray());

    /// <inheritdoc/>
    public SignalReturn RoundtripSignal(Action<SignalFrame> change)
    {
        ArgumentNullException.ThrowIfNull(change);
        return Perform(() => Roundtrip(change));
    }

    /// <inheritdoc/>
    public Fault Restore(ReadOnlySpan<byte> area, StateComponentSet components)
    {
        byte[] bytes = area.ToArray();
        ulong rfbm = components.Except(Dynamic).Bits;
        return Perform(() =>
        {
            WriteMemory(ChildProgram.Data, bytes);
            return FaultOf(Run(ChildProgram.Xrstor, _stack, rdi: ChildProgram.Data, edxEax: rfbm), PageFaultErrors.None);
        });
    }

    /// <inheritdoc/>
    public Fault View(out ThreadView? view)
    {
        (Fault fault, view) = Perform<(Fault, ThreadView?)>(() =>
        {
            byte[] area = new byte[_areaLength];
            WriteMemory(ChildProgram.Data, area);
            Fault fault = FaultOf(Run(ChildProgram.Xsave, _stack, rdi: ChildProgram.Data, edxEax: _components.Bits), PageFaultErrors.Write);
            if (fault.IsFault)
            {
                return (fault, null);
            }

            ReadMemory(ChildProgram.Data, area);
            StateComponentSet xcr0 = new(Xgetbv(0));
            StateComponentSet? inUse = _hasXgetbv1 ? new StateComponentSet(Xgetbv(1)) : null;
            uint? pkru = null;
            if (_hasProtectionKeys)
            {
                Run(ChildProgram.Rdpkru, _stack);
                pkru = (uint)Registers().Rax;
            }

            return (fault, new ThreadView(area, xcr0, inUse, pkru));
        });
        return fault;
    }

    /// <summary>
    /// The child gets a signal that it handles on an alternate stack (SA_ONSTACK). Where the kernel finds that the frame does not fit, it
    /// ends the child, and nothing else can be asked of it.
    /// </summary>
    /// <param name="stack">The stack, below <see cref="SignalStackLimit"/>: what does not fit may lie in front of it.</param>
    /// <returns>Whether the handler was reached; false when SIGSEGV ended the child.</returns>
    internal bool SurvivesSignal(SignalStack stack) => Perform(() =>
    {
        byte[] structure = new byte[3 * sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(structure, stack.Address);
        BinaryPrimitives.WriteUInt64LittleEndian(structure.AsSpan(16), stack.Size);
        WriteMemory(ChildProgram.Data, structure);
        Call("sigaltstack", SigAltStack, ChildProgram.Data, 0, _stack);
        InstallHandler(_stack, SigInfoRestorerNoDefer | OnStack);
        Run(ChildProgram.Landing, _stack);
        ThreadStop stop = Resume(SIGUSR1);
        if (stop.Signal == SIGTRAP)
        {
            return true;
        }

        _thread.Continue(stop.Signal);
        stop = _thread.Wait();
        if (stop.IsStopped || stop.KilledBy != SIGSEGV)
        {
            throw new LinuxException($"child {_child.Id} did not end of SIGSEGV", Errno.EAGAIN);
        }

        _child.MarkReaped();
        return false;
    });

    /// <summary>Memory of the child between which an alternate stack may lie.</summary>
    internal static (ulong First, ulong Last) SignalStackLimit => (ChildProgram.Data + 0x8000, ChildProgram.Data + ChildProgram.DataLength);

    /// <summary>Kills the child.</summary>
    public void Dispose()
    {
        _memory.Dispose();
        _child.Dispose();
    }

    private static (SleepingChild Child, TracedThread Thread, SafeFileHandle Memory) Start()
    {
        SleepingChild child = new();
        try
        {
            Errno errno = TracedThread.TrySeize(child.Id, killWithTracer: true, out TracedThread? thread);
            if (thread is null || !thread.TryStop())
            {
                throw new LinuxException($"ptrace of child {child.Id}", errno == Errno.None ? Errno.EAGAIN : errno);
            }

            string path = string.Create(CultureInfo.InvariantCulture, $"/proc/{child.Id}/mem");
            return (child, thread, File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite));
        }
        catch
        {
            child.Dispose();
            throw;
        }
    }

    // The kernel does not tell a page fault's error code, but what the instruction wanted is known; and the program may access all its
    // memory, unless a protection key says otherwise.
    private Fault FaultOf(ThreadStop stop, PageFaultErrors access) => stop.Signal switch
    {
        SIGTRAP => Fault.None,
        SIGILL => Fault.InvalidOpcode,
        SIGBUS => Fault.AlignmentCheck,
        SIGSEGV when _thread.SignalCode() == SEGV_PKUERR =>
            Fault.PageFault(access | PageFaultErrors.Present | PageFaultErrors.User | PageFaultErrors.ProtectionKey, ChildProgram.Data),
        _ => Fault.GeneralProtection,
    };

    // No thread of its own as for other processes: the hand-over would cost more than the calls.
    private T Perform<T>(Func<T> function) => Environment.CurrentManagedThreadId == _tracer
        ? function()
        : throw new InvalidOperationException("the kernel lets only the thread that started a child trace it");

    private KernelReply Get(RegisterSet set, int? length, out byte[] image)
    {
        (Errno errno, image) = Perform(() => (_thread.TryGet(set, out byte[] read, length), read));
        return new KernelReply(errno);
    }

    private KernelReply Set(RegisterSet set, byte[] image) => new(Perform(() => _thread.TrySet(set, image)));

    private SignalReturn Roundtrip(Action<SignalFrame> change)
    {
        // Stands at an INT3's stop: the signal takes the place of its SIGTRAP.
        ThreadStop stop = Run(ChildProgram.Landing, _stack);
        stop = Resume(SIGUSR1);
        if (stop.Signal != SIGTRAP)
        {
            Recover();
            return new SignalReturn(Killed: true, FxOnly: false, Why: null);
        }

        ulong address = ReadUInt64(Registers().Rdx + FrameOfContext);
        SignalFrame frame = ReadFrame(address);
        change(frame);
        WriteMemory(address, frame.Bytes);
        bool killed = Resume(0).Signal != SIGTRAP;
        if (killed)
        {
            Recover();
        }

        return new SignalReturn(killed, FxOnly: false, Why: null);
    }

    private SignalFrame ReadFrame(ulong address)
    {
        byte[] legacy = new byte[XsaveFormat.LegacyLength];
        ReadMemory(address, legacy);
        SignalFrame head = new(legacy);
        if (head.Magic1 != SignalFrame.Magic1Value || head.ExtendedSize > ChildProgram.DataLength)
        {
            return head;
        }

        byte[] all = new byte[head.ExtendedSize];
        ReadMemory(address, all);
        return new SignalFrame(all);
    }

    // The signal that would have killed the child is dropped, and it stands at an INT3's stop again.
    private void Recover() => Run(ChildProgram.Landing, _stack);

    private void InstallHandler(ulong stack, ulong flags)
    {
        Span<byte> action = stackalloc byte[4 * sizeof(ulong)];
        action.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(action, ChildProgram.Handler);
        BinaryPrimitives.WriteUInt64LittleEndian(action[8..], flags);
        BinaryPrimitives.WriteUInt64LittleEndian(action[16..], ChildProgram.Restorer);
        WriteMemory(ChildProgram.Data, action);
        Call("rt_sigaction", RtSigaction, SIGUSR1, ChildProgram.Data, stack);
    }

    // A system call of the child's with up to four arguments, the third of which is 0 and the fourth the length of a signal set.
    private void Call(string name, ulong number, ulong first, ulong second, ulong stack)
    {
        GeneralRegisters registers = Registers();
        registers.Rax = number;
        registers.Rdi = first;
        registers.Rsi = second;
        registers.Rdx = 0;
        registers.R10 = sizeof(ulong);
        Go(registers, ChildProgram.Syscall, stack);
        ulong answer = Registers().Rax;
        if (answer != 0)
        {
            throw new LinuxException($"{name} in the child", (Errno)(int)-(long)answer);
        }
    }

    private ulong Xgetbv(uint register)
    {
        Run(ChildProgram.Xgetbv, _stack, rcx: register);
        GeneralRegisters after = Registers();
        return after.Rdx << 32 | (uint)after.Rax;
    }

    private ThreadStop Run(ulong routine, ulong stack, ulong rdi = 0, ulong rcx = 0, ulong edxEax = 0)
    {
        GeneralRegisters registers = Registers();
        registers.Rdi = rdi;
        registers.Rcx = rcx;
        registers.Rax = (uint)edxEax;
        registers.Rdx = edxEax >> 32;
        return Go(registers, routine, stack);
    }

    private ThreadStop Go(GeneralRegisters registers, ulong routine, ulong stack)
    {
        registers.Rip = routine;
        registers.Rsp = stack == 0 ? registers.Rsp : stack;
        registers.OriginalRax = ulong.MaxValue;
        Errno errno = _thread.TrySet(RegisterSet.General, registers.Bytes);
        return errno == Errno.None ? Resume(0) : throw new LinuxException("PTRACE_SETREGSET NT_PRSTATUS of the child", errno);
    }

    // Runs to the next stop that the program itself brought about. Signals from outside (Ctrl+C reaches the whole group) are for the tracer
    // to act on, not for the child.
    private ThreadStop Resume(int signal)
    {
        while (true)
        {
            _thread.Continue(signal);
            ThreadStop stop = _thread.Wait();
            if (!stop.IsStopped)
            {
                _child.MarkReaped();
                throw new LinuxException($"child {_child.Id} ended (signal {stop.KilledBy})", Errno.ESRCH);
            }

            if (stop.IsSignal && stop.Signal is SIGTRAP or SIGSEGV or SIGILL or SIGBUS)
            {
                return stop;
            }

            signal = 0;
        }
    }

    private GeneralRegisters Registers()
    {
        Errno errno = _thread.TryGet(RegisterSet.General, out byte[] bytes);
        return errno == Errno.None ? new GeneralRegisters(bytes) : throw new LinuxException("PTRACE_GETREGSET NT_PRSTATUS of the child",
            errno);
    }

    private ulong ReadUInt64(ulong address)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        ReadMemory(address, bytes);
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }

    private void ReadMemory(ulong address, Span<byte> bytes)
    {
        if (RandomAccess.Read(_memory, bytes, (long)address) != bytes.Length)
        {
            throw new LinuxException($"read of {bytes.Length} bytes of the child at 0x{address:x}", Errno.EIO);
        }
    }

    private void WriteMemory(ulong address, ReadOnlySpan<byte> bytes) => RandomAccess.Write(_memory, bytes, (long)address);
}
