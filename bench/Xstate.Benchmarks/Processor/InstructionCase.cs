using System.Runtime.Versioning;
using Xstate.Architecture;
using Xstate.Linux.NativeCode;
using Xstate.Processor;

namespace Xstate.Benchmarks.Processor;

/// <summary>What the registers hold.</summary>
public enum RegisterContents
{
    /// <summary>Every user component that this machine enables, but for tiles, is in use.</summary>
    Full,

    /// <summary>None is.</summary>
    Initial,
}

/// <summary>One instruction on one register state: the real processor, the model, and a plain copy of as many bytes.</summary>
[SupportedOSPlatform("linux")]
public sealed class InstructionCase : IDisposable
{
    private const int AreaLength = 16384;
    private const int AreaAlignment = 64;
    private readonly Memory<byte> _memory;
    private readonly Memory<byte> _copy;
    private readonly ProcessorState _cpu = ProcessorState.ForUserProcess(NativeProcessor.Profile);
    private readonly StateInstruction _instruction;
    private readonly InstructionLoop _loop;
    private readonly int _length;

    public InstructionCase(StateInstruction instruction, RegisterContents contents)
    {
        StateComponentSet enabled;
        using (InstructionProbe probe = new())
        {
            enabled = probe.Managed;
        }

        _instruction = instruction;
        _memory = Aligned();
        _copy = Aligned();
        _cpu.Xcr0 = enabled;
        if (contents == RegisterContents.Full)
        {
            foreach (StateComponent component in enabled.Except(StateComponentSet.Of(StateComponent.X87, StateComponent.Pkru)))
            {
                _cpu.Registers.Write(component).Fill(0x3C);
            }

            // Key 0 stays open.
            _cpu.Registers.Pkru = new Pkru(4);
            _cpu.Registers.X87.Fcw = 0x27F;
            _cpu.Registers.X87.SetSt(0, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        }

        _length = _cpu.Profile.Layout.StandardLengthFor(enabled);
        Instructions.Xsave(_cpu, _memory.Span, 0, ulong.MaxValue);
        bool form64 = instruction != StateInstruction.Xgetbv;
        _loop = new InstructionLoop(new ProbedInstruction(instruction, form64 ? XsaveOperand.Rex64 : XsaveOperand.Legacy,
            Is64BitMode: true), enabled.Bits);
        _memory.Span[.._length].CopyTo(_loop.InitialImage);
        _memory.Span[.._length].CopyTo(_loop.Area);
    }

    /// <summary>The instructions that a process can execute again and again.</summary>
    public static StateInstruction[] Instructions64 { get; } =
    [
        StateInstruction.Xsave, StateInstruction.Xsaveopt, StateInstruction.Xsavec, StateInstruction.Xrstor, StateInstruction.Fxsave,
        StateInstruction.Fxrstor, StateInstruction.Xgetbv,
    ];

    public void Real(int count) => _loop.Run(count);

    public uint Model(int count)
    {
        uint faults = 0;
        Span<byte> memory = _memory.Span;
        for (int i = 0; i < count; i++)
        {
            faults += Execute(memory).ErrorCode;
        }

        return faults;
    }

    public void Copy(int count)
    {
        Span<byte> from = _memory.Span[.._length];
        Span<byte> to = _copy.Span;
        for (int i = 0; i < count; i++)
        {
            from.CopyTo(to);
        }
    }

    public void Dispose() => _loop.Dispose();

    // Where the real instruction's operand lies, so that no side pays for crossed cache lines.
    private static unsafe Memory<byte> Aligned()
    {
        byte[] bytes = GC.AllocateArray<byte>(AreaLength + AreaAlignment, pinned: true);
        fixed (byte* start = bytes)
        {
            return bytes.AsMemory((int)(-(long)start & (AreaAlignment - 1)), AreaLength);
        }
    }

    private Fault Execute(Span<byte> memory)
    {
        ulong edxEax = ulong.MaxValue;
        return Instructions.Execute(_cpu, new InstructionEncoding(_instruction, XsaveOperand.Rex64, ModRmOffset: 0), memory, 0, ecx: 1,
            ref edxEax);
    }
}
