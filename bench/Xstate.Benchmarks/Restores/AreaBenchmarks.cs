using BenchmarkDotNet.Attributes;
using Xstate.Architecture;

namespace Xstate.Benchmarks.Restores;

/// <summary>What does moving an area between formats and layouts cost over a plain copy of the same bytes?</summary>
[MemoryDiagnoser]
public class AreaBenchmarks
{
    private static readonly StateComponentSet Components = new(0x2e7);
    private static readonly XsaveLayout Intel = Layout((2, 256, 576), (5, 64, 1088), (6, 512, 1152), (7, 1024, 1664), (9, 8, 2688));
    private static readonly XsaveLayout Amd = Layout((2, 256, 576), (5, 64, 832), (6, 512, 896), (7, 1024, 1408), (9, 8, 2432));

    private readonly byte[] _source = new byte[Intel.StandardLength];
    private readonly byte[] _compacted = new byte[Intel.CompactedLengthFor(Components)];
    private readonly byte[] _destination = new byte[4096];

    /// <summary>An area with every component in use.</summary>
    [GlobalSetup]
    public void Setup()
    {
        new SplitMix64(1).Fill(_source);
        new XsaveAreaWriter(_source).ClearHeader().WriteXstateBv(Components);
        XsaveConversion.ToCompacted(_source, Intel, _compacted, Intel, Components);
    }

    /// <summary>The floor.</summary>
    [Benchmark(Baseline = true)]
    public void Copy() => _source.CopyTo(_destination, 0);

    /// <summary>Intel's offsets to AMD's.</summary>
    [Benchmark]
    public StateComponentSet Relocate() => XsaveConversion.ToStandard(_source, Intel, _destination, Amd);

    /// <summary>Compacted to standard.</summary>
    [Benchmark]
    public StateComponentSet Expand() => XsaveConversion.ToStandard(_compacted, Intel, _destination, Intel);

    /// <summary>Standard to compacted.</summary>
    [Benchmark]
    public StateComponentSet Compact() => XsaveConversion.ToCompacted(_source, Intel, _destination, Intel, Components);

    private static XsaveLayout Layout(params (int Component, int Size, int Offset)[] slots) =>
        XsaveLayout.FromSlots(slots.Select(s => new XsaveSlot((StateComponent)s.Component, s.Size, s.Offset, IsSupervisor: false,
            IsAligned64: false, SupportsXfd: false)));
}
