using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;

namespace Xstate.Linux.Tests.Kvm;

/// <summary>What KVM_GET_SUPPORTED_CPUID answers about extended state, worked out from the processor's CPUID and the kernel alone.</summary>
public class SupportedCpuidTests
{
    [Fact]
    public void The_model_filters_leaf_0xD_as_this_kernel_does()
    {
        HostRecord record = LocalKvm.Record;
        Assert.SkipWhen(record.Flavour == KvmFlavour.Pvm, "kvm_pvm takes features away by rules of its own");
        CpuidTable real = record.SupportedCpuid!;
        LinuxHost host = new(record with { SupportedCpuid = null }, KernelBehavior.Of(record)!);
        CpuidTable modelled = SupportedCpuid.Of(host, host.DefaultUserFeatures);
        for (uint subleaf = 0; subleaf < 64; subleaf++)
        {
            CpuidRegisters expected = real.Read(CpuidTable.XsaveLeaf, subleaf);
            CpuidRegisters actual = modelled.Read(CpuidTable.XsaveLeaf, subleaf);
            Assert.True(expected == actual, $"0xD.{subleaf}: model {actual}, kernel {expected}");
        }

        Assert.Equal(real.Read(7).Ecx >> 7 & 1, modelled.Read(7).Ecx >> 7 & 1);
        Assert.Equal(real.Read(7).Edx >> 20 & 1, modelled.Read(7).Edx >> 20 & 1);
    }
}
