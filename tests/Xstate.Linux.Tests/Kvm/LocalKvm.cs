using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Linux.Kvm;
using Xstate.Scenarios.Conformance;

namespace Xstate.Linux.Tests.Kvm;

/// <summary>
/// This machine's KVM, probed once, and the model of it. A test that asks for it is skipped, with the reason, where there is none.
/// </summary>
internal static class LocalKvm
{
    private static readonly Lazy<HostRecord> Recorded = new(() => HostProbe.Record(probeBehaviors: true));

    internal static HostRecord Record
    {
        get
        {
            Assert.SkipUnless(HostProbe.IsKvmUsable(out string why), $"needs /dev/kvm: {why}");
            return Recorded.Value;
        }
    }

    internal static LinuxHost Host => new(Record, KernelBehavior.Of(Record)!);

    internal static KvmDevice Open()
    {
        _ = Record;
        return KvmDevice.Open();
    }

    internal static KvmSequenceFacts Facts => new()
    {
        Supported = Record.SupportedCpuid!.Entries,
        Components = Record.SupportedCpuid.UserComponents,
        MxcsrMask = Host.MxcsrMask,
        ImageLength = Math.Max(KvmModelMachine.XsaveLength, Record.Xsave2Size ?? 0),

        // kvm_pvm rewrites other leaves by what its host has (measured); only leaf 0xD takes part in the state's calls and is modelled
        // there.
        ComparedLeaf = Record.Flavour == KvmFlavour.Pvm ? CpuidTable.XsaveLeaf : null,
    };
}
