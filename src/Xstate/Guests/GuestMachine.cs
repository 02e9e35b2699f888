using System.Buffers.Binary;
using Xstate.Processor;
using static Xstate.Guests.GuestArithmetic;

namespace Xstate.Guests;

/// <summary>
/// Executes guest code on the model: the ordinary instructions that carry state about are here, those of extended state are
/// <see cref="Instructions"/>, those that a hypervisor intercepts are the platform's. Anything else stops the run and is named.
/// </summary>
internal sealed partial class GuestMachine
{
    // What takes longer than an instruction counts as several, so that a budget of instructions is one of time too: an exit to user space
    // stores and loads the state of a virtual CPU, an intercept asks the hypervisor, XSAVE and its kin move an area, a fault is
    // delivered. Each access of memory is one more: it goes through page tables.
    private const int CostOfExit = 200;
    private const int CostOfIntercept = 50;
    private const int CostOfArea = 10;
    private const int CostOfFault = 4;
    private const int Interval = 4096;
    private const int LimitOfOne = 1_000_000;
    private const int MaxInstructionLength = 15;
    private const int StackPointer = 4;
    private const int Rax = 0;
    private const int Rcx = 1;
    private const int Rdx = 2;
    private const int Rbx = 3;
    private const ulong FlagsAlwaysSet = 2;
    private const ulong TrapFlag = 1 << 8;
    private const ulong InterruptFlag = 1 << 9;
    private const ulong AlignmentFlag = 1 << 18;
    private const ulong NestedTask = 1 << 14;
    private const ulong ResumeFlag = 1 << 16;
    private const ulong AllPortsAllowed = 3 << 12;

    private readonly ProcessorState _cpu;
    private readonly IGuestPlatform _platform;
    private readonly DecodedInstructions _decoded;
    private readonly GuestMemory _memory;
    private readonly GuestMode _mode;
    private readonly int _limit;
    private readonly Action? _onInterval;
    private int _budget;
    private int _untilInterval = Interval;
    private readonly ulong[] _general = new ulong[16];
    private ulong _rip;
    private ulong _flags;
    private ulong _cr2;
    private ulong _interruptTable;
    private ushort _interruptTableLimit;
    private int _vector = -1;
    private bool _isTrap;
    private uint _errorCode;
    private GuestStop? _stop;

    /// <summary>Code on a processor whose control registers are those of <see cref="GuestLayout.StartRegisters"/> already.</summary>
    public GuestMachine(ProcessorState cpu, IGuestPlatform platform, IGuestDecoder decoder, byte[] memory, GuestProgram program, ulong cr3)
    {
        _cpu = cpu;
        _platform = platform;
        _decoded = new DecodedInstructions(decoder);
        _mode = program.Mode;
        _limit = program.InstructionLimit;
        _onInterval = program.OnInterval;
        _budget = _limit;
        _memory = new GuestMemory(cpu, memory) { Cr3 = cr3 };
        GuestLayout.Write(memory, program);
        bool real = program.Mode == GuestMode.Real;
        cpu.Cpl = program.Cpl;
        cpu.Is64BitMode = !real;
        _rip = GuestLayout.CodeAddress;
        _flags = FlagsAlwaysSet | (program.Cpl == 3 ? AllPortsAllowed : 0);
        _general[StackPointer] = GuestLayout.StackTop;
        _interruptTable = real ? 0UL : GuestLayout.InterruptTable;
        _interruptTableLimit = real ? GuestLayout.RealInterruptTableLimit : GuestLayout.InterruptTableLimit;
    }

    /// <summary>Code that is executed where it lies, without a machine around it: nothing is translated and no fault delivered.</summary>
    public GuestMachine(ProcessorState cpu, IGuestPlatform platform, IGuestDecoder decoder, GuestMemory memory)
    {
        _cpu = cpu;
        _platform = platform;
        _decoded = new DecodedInstructions(decoder);
        _memory = memory;
        _mode = GuestMode.Long;
    }

    /// <summary>The general registers by number.</summary>
    public Span<ulong> General => _general;

    /// <summary>RIP.</summary>
    public ulong Rip
    {
        get => _rip;
        set => _rip = value;
    }

    /// <summary>RFLAGS.</summary>
    public ulong Flags
    {
        get => _flags;
        set => _flags = value;
    }

    /// <summary>CR3 now.</summary>
    public ulong Cr3 => _memory.Cr3;

    /// <summary>RAX, RBX, RCX, RDX.</summary>
    public (ulong Rax, ulong Rbx, ulong Rcx, ulong Rdx) Registers => (_general[Rax], _general[Rbx], _general[Rcx], _general[Rdx]);

    /// <summary>The fault in whose handler the code halted, or null.</summary>
    public string? CaughtFault => GuestLayout.FaultAt(_memory.Bytes, _mode, _rip, _general[StackPointer]);

    /// <summary>Instructions that were executed, and what else counts as some.</summary>
    public int Executed => _limit - Math.Max(_budget, 0);

    private int PointerSize => _mode == GuestMode.Real ? 2 : 8;

    /// <summary>Runs until something ends the run.</summary>
    public GuestStop Run()
    {
        _stop = null;
        while (_budget-- > 0)
        {
            if (--_untilInterval == 0)
            {
                _untilInterval = Interval;
                _onInterval?.Invoke();
            }

            Step();
            if (_vector >= 0)
            {
                Deliver();
            }

            if (_stop is { } stop)
            {
                return stop;
            }
        }

        return new GuestStop(GuestStopKind.TooLong);
    }

    /// <summary>Runs on after a port was accessed.</summary>
    public GuestStop Resume()
    {
        _budget -= CostOfExit;
        return Run();
    }

    /// <summary>Executes one instruction without delivering what it raises.</summary>
    /// <param name="stop">Why the code cannot go on, or null.</param>
    public Fault StepOnce(out GuestStop? stop)
    {
        _stop = null;
        _budget = LimitOfOne;
        Step();
        stop = _stop;
        ulong address = _vector == (int)FaultVector.PageFault ? _cr2 : 0;
        Fault fault = _vector < 0 ? Fault.None : new Fault((FaultVector)_vector, _errorCode, address);
        _vector = -1;
        return fault;
    }

    private void Step()
    {
        _cpu.AlignmentCheck = _cpu.Cpl == 3 && (_flags & AlignmentFlag) != 0 && (_cpu.Cr0 & Cr0.AlignmentMask) != Cr0.None;
        _memory.ReachesUserPages = (_flags & AlignmentFlag) != 0;
        Fault fetch = _memory.Fetch(_rip, MaxInstructionLength, out ReadOnlyMemory<byte> code);
        if (code.IsEmpty)
        {
            Raise(fetch);
            return;
        }

        GuestInstruction instruction = _decoded.Decode(code, _rip, _mode);
        if (!instruction.IsValid)
        {
            Raise(code.Length < MaxInstructionLength && fetch.IsFault ? fetch : Fault.InvalidOpcode);
            return;
        }

        ulong start = _rip;
        _rip = Pointer(_rip + (ulong)instruction.Length);
        bool known = TryOrdinary(instruction) || TryState(instruction) || TryX87(instruction, start, code.Span) || TryVector(instruction)
            || TryTiles(instruction);
        if (!known)
        {
            _stop = new GuestStop(GuestStopKind.NotModelled, $"the instruction {instruction.Text}");
        }
        else if (_memory.LeftMemory)
        {
            _stop = new GuestStop(GuestStopKind.NotModelled, $"an access of {instruction.Text} to physical addresses without memory");
        }

        // A fault finds the instruction not done; INT n and INT3 are traps and have moved on.
        _rip = _vector >= 0 && !_isTrap ? start : _rip;
    }

    private IGuestPlatform Intercept()
    {
        _budget -= CostOfIntercept;
        return _platform;
    }

    private ulong Pointer(ulong value) => value & Mask(PointerSize);

    private void Raise(Fault fault)
    {
        if (fault.IsFault)
        {
            _isTrap = false;
            _vector = (int)fault.Vector;
            _errorCode = fault.ErrorCode;
            _cr2 = fault.Vector == FaultVector.PageFault ? fault.Address : _cr2;
        }
    }

    private void Interrupt(int vector)
    {
        _isTrap = true;
        _vector = vector;
        _errorCode = 0;
    }

    private void Deliver()
    {
        int vector = _vector;
        _vector = -1;
        _budget -= CostOfFault;
        bool delivered = _mode == GuestMode.Real ? DeliverReal(vector) : DeliverLong(vector);
        if (!delivered)
        {
            // A table that does not reach that far gives a second and a third fault for the same reason.
            _stop = new GuestStop(GuestStopKind.TripleFault);
        }
    }

    private bool DeliverReal(int vector)
    {
        ulong entry = _interruptTable + (ulong)(vector * 4);
        if (vector * 4 + 3 > _interruptTableLimit || _memory.Read(entry, 2, out ulong offset).IsFault
            || _memory.Read(entry + 2, 2, out ulong segment).IsFault || segment != 0)
        {
            return false;
        }

        bool pushed = Push(_flags, 2) && Push(0, 2) && Push(_rip, 2);
        _flags &= ~(InterruptFlag | TrapFlag);
        _rip = offset;
        return pushed;
    }

    private bool DeliverLong(int vector)
    {
        const int GateLength = 16;
        int cpl = _cpu.Cpl;
        _cpu.Cpl = 0;
        Span<byte> gate = stackalloc byte[GateLength];
        if ((vector * GateLength) + GateLength - 1 > _interruptTableLimit
            || _memory.Read(_interruptTable + (ulong)(vector * GateLength), gate).IsFault || (gate[5] & 0x80) == 0)
        {
            return false;
        }

        if (_isTrap && (gate[5] >> 5 & 3) < cpl)
        {
            // INT n needs a gate that is open to its caller; the error code names the gate.
            _cpu.Cpl = cpl;
            _isTrap = false;
            _errorCode = (uint)((vector * 8) + 2);
            _rip -= 2;
            return DeliverLong((int)FaultVector.GeneralProtection);
        }

        // All gates use IST 1; code that makes others is not followed.
        int stack = gate[4] & 7;
        if (stack != 1 || _memory.Read(GuestLayout.TaskStateAddress + 36, sizeof(ulong), out ulong top).IsFault)
        {
            _stop = new GuestStop(GuestStopKind.NotModelled, "an interrupt gate without the stack of its own");
            return true;
        }

        ulong rsp = _general[StackPointer];
        _general[StackPointer] = top & ~15UL;
        ulong image = _flags | (_isTrap ? 0 : ResumeFlag);
        bool user = cpl == 3;
        bool pushed = Push(user ? GuestLayout.UserData : GuestLayout.KernelData, 8) && Push(rsp, 8) && Push(image, 8)
            && Push(user ? GuestLayout.UserCode : GuestLayout.KernelCode, 8) && Push(_rip, 8)
            && (_isTrap || !ExceptionVectors.HasErrorCode(vector) || Push(_errorCode, 8));
        _flags &= ~(InterruptFlag | TrapFlag | NestedTask | ResumeFlag);
        _rip = BinaryPrimitives.ReadUInt16LittleEndian(gate) | (ulong)BinaryPrimitives.ReadUInt16LittleEndian(gate[6..]) << 16
            | (ulong)BinaryPrimitives.ReadUInt32LittleEndian(gate[8..]) << 32;
        return pushed;
    }

    private bool Push(ulong value, int size)
    {
        ulong rsp = Pointer(_general[StackPointer] - (ulong)size);
        Fault fault = OnStack(_memory.Write(rsp, size, value));
        if (fault.IsFault)
        {
            Raise(fault);
            return false;
        }

        SetStackPointer(rsp);
        return true;
    }

    private bool Pop(int size, out ulong value)
    {
        ulong rsp = Pointer(_general[StackPointer]);
        Fault fault = OnStack(_memory.Read(rsp, size, out value));
        if (fault.IsFault)
        {
            Raise(fault);
            return false;
        }

        SetStackPointer(Pointer(rsp + (ulong)size));
        return true;
    }

    // Outside 64-bit mode the stack is addressed with SP, whose upper bits stay.
    private void SetStackPointer(ulong value) =>
        _general[StackPointer] = PointerSize == 8 ? value : _general[StackPointer] & ~Mask(2) | value;

    private ulong Read(GuestRegister register) => register.Class switch
    {
        GuestRegisterClass.General => _general[register.Index] & Mask(register.Size),
        GuestRegisterClass.HighByte => _general[register.Index] >> 8 & 0xFF,
        _ => 0,
    };

    private void Write(GuestRegister register, ulong value)
    {
        ref ulong whole = ref _general[register.Index];
        whole = (register.Class, register.Size) switch
        {
            (GuestRegisterClass.HighByte, _) => whole & ~0xFF00UL | (value & 0xFF) << 8,

            // A 32-bit result clears the upper half; smaller ones leave what is above them.
            (_, 4) => (uint)value,
            (_, 8) => value,
            _ => whole & ~Mask(register.Size) | value & Mask(register.Size),
        };
    }

    private ulong AddressOf(GuestOperand operand) =>
        operand.Value + Read(operand.Base) + (Read(operand.IndexedBy) * (ulong)operand.Scale) & Mask(operand.AddressSize);

    private static Fault OnStack(Fault fault) => fault == Fault.GeneralProtection ? Fault.StackSegment : fault;

    private static Fault OnStack(GuestOperand operand, Fault fault) => operand.IsOnStack ? OnStack(fault) : fault;

    private bool Load(GuestOperand operand, out ulong value)
    {
        value = operand.Value;
        if (operand.Kind == GuestOperandKind.Register)
        {
            value = Read(operand.Register);
        }
        else if (operand.Kind == GuestOperandKind.Memory)
        {
            _budget--;
            Fault fault = OnStack(operand, _memory.Read(AddressOf(operand), operand.Size, out value));
            Raise(fault);
            return !fault.IsFault;
        }

        return true;
    }

    private bool Store(GuestOperand operand, ulong value)
    {
        if (operand.Kind == GuestOperandKind.Register)
        {
            Write(operand.Register, value);
            return true;
        }

        _budget--;
        Fault fault = OnStack(operand, _memory.Write(AddressOf(operand), operand.Size, value));
        Raise(fault);
        return !fault.IsFault;
    }
}
