using BenchmarkDotNet.Attributes;
using Xstate.WorldSwitch;

namespace Xstate.Benchmarks.WorldSwitch;

/// <summary>
/// How long does a complete exploration take, and what do the reductions save? The baseline is the same protocol without them, which is
/// what spin explores; bench/promela/compare.sh puts spin's own verifier beside it.
/// </summary>
[MemoryDiagnoser]
public class ExplorerBenchmarks
{
    private SwitchProtocol _protocol = null!;

    [Params("kvm-vmx-5.8", "kvm-svm-6.19", "openbsd-vmm-vmx")]
    public string Protocol { get; set; } = "";

    [Params(1, 2)]
    public int Cpus { get; set; }

    [GlobalSetup]
    public void Find() => _protocol = SwitchProtocols.Find(Protocol);

    [Benchmark(Baseline = true)]
    public long WithoutReduction() => Explore(reduction: false);

    [Benchmark]
    public long WithReduction() => Explore(reduction: true);

    private long Explore(bool reduction) =>
        Explorer.Explore(_protocol, new ExplorationOptions { Vcpus = 1, Cpus = Cpus, Threads = 1, Reduction = reduction }).States;
}
