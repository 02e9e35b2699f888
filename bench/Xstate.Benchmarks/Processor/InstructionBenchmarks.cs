using System.Runtime.Versioning;
using BenchmarkDotNet.Attributes;
using Xstate.Processor;

namespace Xstate.Benchmarks.Processor;

/// <summary>
/// What does a modelled instruction cost, beside the real one and beside a plain copy of as many bytes? <see cref="InstructionRatios"/>
/// asks the same on a busy machine.
/// </summary>
[InProcess]
[MemoryDiagnoser]
[MinColumn]
[SupportedOSPlatform("linux")]
public class InstructionBenchmarks : IDisposable
{
    private const int Batch = 1000;
    private InstructionCase? _case;

    [ParamsAllValues]
    public RegisterContents Registers { get; set; }

    [ParamsSource(nameof(Instructions))]
    public StateInstruction Instruction { get; set; }

    public static IEnumerable<StateInstruction> Instructions => InstructionCase.Instructions64;

    [GlobalSetup]
    public void Setup() => _case = new InstructionCase(Instruction, Registers);

    [GlobalCleanup]
    public void Dispose()
    {
        _case?.Dispose();
        GC.SuppressFinalize(this);
    }

    [Benchmark(Baseline = true, OperationsPerInvoke = Batch)]
    public void Real() => _case!.Real(Batch);

    [Benchmark(OperationsPerInvoke = Batch)]
    public uint Model() => _case!.Model(Batch);

    [Benchmark(OperationsPerInvoke = Batch)]
    public void Copy() => _case!.Copy(Batch);
}
