using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Linux.Kvm;
using Xstate.Linux.NativeCode;
using Xstate.Scenarios.Conformance;
using Xstate.Tests.Support;

namespace Xstate.Linux.Tests.Kvm;

/// <summary>
/// The model and this machine's /dev/kvm answer the same to seeded random sequences of calls: every error number, every byte.
/// </summary>
public class KvmDifferentialTests
{
    private const ulong FirstSeed = 0x5EED_0000;
    private const int FullCount = 20_000;

    [Fact]
    public void The_model_answers_every_sequence_as_this_kernel_does()
    {
        HostRecord record = LocalKvm.Record;
        LinuxHost host = LocalKvm.Host;
        using KvmDevice device = LocalKvm.Open();
        using KvmDifferential differential = Differential(host, device);
        KvmSequenceGenerator generator = new(LocalKvm.Facts);

        int count = Math.Max(1, (int)(FullCount * Repository.Scale));
        for (int i = 0; i < count; i++)
        {
            KvmDisagreement? disagreement = differential.Compare(generator.Make(FirstSeed + (ulong)i));
            Assert.True(disagreement is null, $"model and kernel ({record.Provenance.Detail}) after {i} sequences, {disagreement}");
        }

        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{record.Provenance.Detail}, {record.Flavour}: {differential}, {differential.Undecided} undecided");
    }

    /// <summary>The comparison sees every rule that such sequences can see: a model of another kernel does not pass for this one.</summary>
    [Theory]
    [InlineData("KVM-GET-RAW")]
    [InlineData("KVM-GET-NOTRIM")]
    [InlineData("KVM-SET-STRICT-CPUID")]
    [InlineData("KVM-XSAVE-DYN")]
    [InlineData("KVM-PVM-HOST-CPUID")]
    public void A_model_with_one_difference_turned_round_disagrees_with_this_kernel(string name)
    {
        KernelDifference difference = KernelDifference.Find(name)!;
        KernelBehavior behavior = KernelBehavior.Of(LocalKvm.Record)!;
        LinuxHost other = new(LocalKvm.Record, behavior.Set(difference, !behavior.Has(difference)));
        using KvmDevice device = LocalKvm.Open();
        using KvmDifferential differential = Differential(other, device);
        KvmSequenceGenerator generator = new(LocalKvm.Facts);

        KvmDisagreement? disagreement = null;
        for (int i = 0; i < 1_000 && disagreement is null; i++)
        {
            disagreement = differential.Compare(generator.Make(FirstSeed + (ulong)i));
        }

        Assert.True(disagreement is not null, $"{differential}, and none tells that {name} is wrong");
        TestContext.Current.TestOutputHelper?.WriteLine($"found by {differential}; {disagreement}");
    }

    [Fact]
    public void A_seed_always_makes_the_same_calls()
    {
        KvmSequenceGenerator generator = new(LocalKvm.Facts);
        for (ulong seed = 0; seed < 100; seed++)
        {
            Assert.Equal(Text(generator.Make(seed)), Text(generator.Make(seed)));
        }

        static string Text(KvmSequence sequence) => string.Join('\n', sequence.Calls);
    }

    private static KvmDifferential Differential(LinuxHost host, KvmDevice device)
    {
        StateComponentSet drifting = InUseDrift.Components;
        return new KvmDifferential(
            () => new KvmModelMachine(host), () => new KernelKvmMachine(device), drifting.IsEmpty
            ? null : number => new KvmModelMachine(host.Drifting(drifting, number)));
    }
}
