using System.Runtime.Versioning;
using BenchmarkDotNet.Attributes;
using Xstate.Architecture;
using Xstate.Linux.NativeCode;
using Xstate.Processor;

namespace Xstate.Benchmarks.Processor;

/// <summary>
/// What does a modelled instruction cost, beside the real one and beside a plain copy of as many bytes? All user components that this machine enables are in use
/// (<see cref="State.Full"/>) or none is (<see cref="State.Initial"/>).
/// </summary>
[InProcess]
[MemoryDiagnoser]
[SupportedOSPlatform("linux")]
public class InstructionBenchmarks : IDisposable
{
    private const int Batch = 1000;
    private readonly byte[] _memory = new byte[16384];
    private readonly byte[] _copy = new byte[16384];
    private ProcessorState _cpu = null!;
    private InstructionLoop? _loop;
    private int _length;

    /// <summary>What the registers hold.</summary>
    public enum State
    {
        Full,
        Initial,
    }

    [Params(State.Full, State.Initial)]
    public State Registers { get; set; }

    [Params(
        StateInstruction.Xsave, StateInstruction.Xsaveopt, StateInstruction.Xsavec, StateInstruction.Xrstor, StateInstruction.Fxsave,
        StateInstruction.Fxrstor, StateInstruction.Xgetbv)]
    public StateInstruction Instruction { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        StateComponentSet enabled;
        using (InstructionProbe probe = new())
        {
            enabled = probe.Enabled.Except(StateComponentSet.Of(StateComponent.TileCfg, StateComponent.TileData));
        }

        _cpu = ProcessorState.ForUserProcess(NativeProcessor.Profile);
        _cpu.Xcr0 = enabled;
        if (Registers == State.Full)
        {
            foreach (StateComponent component in enabled.Except(StateComponentSet.Of(StateComponent.X87, StateComponent.Pkru)))
            {
                _cpu.Registers.Write(component).Fill(0x3C);
            }

            _cpu.Registers.X87.Fcw = 0x27F;
            _cpu.Registers.X87.SetSt(0, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        }

        _length = _cpu.Profile.Layout.StandardLengthFor(enabled);
        Instructions.Xsave(_cpu, _memory, 0, ulong.MaxValue);
        bool form64 = Instruction != StateInstruction.Xgetbv;
        _loop = new InstructionLoop(
            new ProbedInstruction(Instruction, form64 ? XsaveOperand.Rex64 : XsaveOperand.Legacy, Is64BitMode: true), enabled.Bits);
        _memory.AsSpan(0, _length).CopyTo(_loop.InitialImage);
        _memory.AsSpan(0, _length).CopyTo(_loop.Area);
    }

    [GlobalCleanup]
    public void Dispose()
    {
        _loop?.Dispose();
        GC.SuppressFinalize(this);
    }

    [Benchmark(Baseline = true, OperationsPerInvoke = Batch)]
    public void Real() => _loop!.Run(Batch);

    [Benchmark(OperationsPerInvoke = Batch)]
    public uint Model()
    {
        uint faults = 0;
        for (int i = 0; i < Batch; i++)
        {
            faults += Execute().ErrorCode;
        }

        return faults;
    }

    [Benchmark(OperationsPerInvoke = Batch)]
    public void Copy()
    {
        for (int i = 0; i < Batch; i++)
        {
            _memory.AsSpan(0, _length).CopyTo(_copy);
        }
    }

    private Fault Execute() => Instruction switch
    {
        StateInstruction.Xsave => Instructions.Xsave(_cpu, _memory, 0, ulong.MaxValue),
        StateInstruction.Xsaveopt => Instructions.Xsaveopt(_cpu, _memory, 0, ulong.MaxValue),
        StateInstruction.Xsavec => Instructions.Xsavec(_cpu, _memory, 0, ulong.MaxValue),
        StateInstruction.Xrstor => Instructions.Xrstor(_cpu, _memory, 0, ulong.MaxValue),
        StateInstruction.Fxsave => Instructions.Fxsave(_cpu, _memory, 0),
        StateInstruction.Fxrstor => Instructions.Fxrstor(_cpu, _memory, 0),
        _ => Instructions.Xgetbv(_cpu, 1, out _),
    };
}
