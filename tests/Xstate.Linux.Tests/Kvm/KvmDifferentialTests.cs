using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Conformance;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Linux.Kvm;
using Xstate.Tests.Support;

namespace Xstate.Linux.Tests.Kvm;

/// <summary>The model and this machine's /dev/kvm answer the same to seeded random sequences of calls: every error number, every byte.</summary>
public class KvmDifferentialTests
{
    private const ulong FirstSeed = 0x5EED_0000;
    private const int FullCount = 20_000;

    [Fact]
    public void The_model_answers_every_sequence_as_this_kernel_does()
    {
        HostRecord record = Local();
        LinuxHost host = new(record, KernelBehavior.Of(record)!);
        using KvmDevice device = KvmDevice.Open();
        KvmDifferential differential = new(() => new KvmModelMachine(host), () => new KernelKvmMachine(device));
        KvmSequenceGenerator generator = new(FactsOf(record));

        int count = Math.Max(1, (int)(FullCount * Repository.Scale));
        for (int i = 0; i < count; i++)
        {
            KvmDisagreement? disagreement = differential.Compare(generator.Make(FirstSeed + (ulong)i));
            Assert.True(disagreement is null, $"model and kernel ({record.Provenance.Detail}) after {i} sequences, {disagreement}");
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{record.Provenance.Detail}, {record.Flavour}: {differential}");
    }

    private static HostRecord Local()
    {
        Assert.SkipUnless(HostProbe.IsKvmUsable(out string why), $"needs /dev/kvm: {why}");
        return HostProbe.Record(probeBehaviors: true);
    }

    private static KvmSequenceFacts FactsOf(HostRecord record) => new()
    {
        Supported = record.SupportedCpuid!.Entries,
        Components = record.SupportedCpuid.UserComponents,
        MxcsrMask = record.MxcsrMask ?? Mxcsr.MaskOf(record.Processor),
        ImageLength = Math.Max(KvmModelMachine.XsaveLength, record.Xsave2Size ?? 0),

        // kvm_pvm rewrites other leaves by what its host has (measured); only leaf 0xD takes part in the state's calls and is modelled there.
        ComparedLeaf = record.Flavour == KvmFlavour.Pvm ? CpuidTable.XsaveLeaf : null,
    };
}
