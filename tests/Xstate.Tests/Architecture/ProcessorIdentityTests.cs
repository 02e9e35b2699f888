using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Processor;
using Xstate.Rehearsal;
using Xstate.Tests.Support;

namespace Xstate.Tests.Architecture;

public class ProcessorIdentityTests
{
    private const uint HypervisorLeaf = 0x4000_0000;
    private static readonly CpuidRegisters Tcg = new(0x4000_0001, 0x5447_4354, 0x4354_4743, 0x4743_5447);

    public static TheoryData<string> Samples => ["amd-genoa", "amd-milan", "amd-rome", "amd-turin", "intel-haswell", "intel-skylake-sp",
        "intel-sapphire-rapids", "qemu-tcg-max"];

    /// <summary>QEMU's code generator claims any vendor and family; its MXCSR has no bit 17 all the same.</summary>
    [Theory]
    [MemberData(nameof(Samples))]
    public void A_dump_with_the_signature_of_the_code_generator_has_its_MXCSR_MASK_everywhere(string name)
    {
        SplitMix64 random = new((ulong)name.Length);
        for (int i = 0; i < 10; i++)
        {
            CpuidTable cpuid = SampleHosts.Cpuid(name);
            CpuidRegisters signature = cpuid.Read(1);
            cpuid = cpuid.With(HypervisorLeaf, 0, Tcg with { Eax = HypervisorLeaf + (uint)random.Below(3) })
                .With(1, 0, signature with { Eax = signature.Eax ^ (uint)random.Below(1 << 28) });
            AssertMask(cpuid, Mxcsr.IntelMask);
        }
    }

    [Theory]
    [InlineData("amd-milan", Mxcsr.AmdMask)]
    [InlineData("amd-turin", Mxcsr.AmdMask)]
    [InlineData("intel-haswell", Mxcsr.IntelMask)]
    [InlineData("intel-sapphire-rapids", Mxcsr.IntelMask)]
    public void Silicon_has_that_of_its_vendor_everywhere_also_under_another_hypervisor(string name, uint mask)
    {
        CpuidTable cpuid = SampleHosts.Cpuid(name);
        AssertMask(cpuid, mask);
        AssertMask(cpuid.With(HypervisorLeaf, 0, new CpuidRegisters(0x4000_0001, 0x4B4D_564B, 0x564B_4D56, 0x4D)), mask);
        AssertMask(cpuid.With(HypervisorLeaf, 0, Tcg with { Edx = Tcg.Edx ^ 1 }), mask);
    }

    private static void AssertMask(CpuidTable cpuid, uint mask)
    {
        HostRecord record = new() { Name = "host", Cpuid = cpuid, Provenance = new Provenance(FactSource.Given, "test") };
        Assert.Equal(mask, ProcessorIdentity.From(cpuid).MxcsrMask);
        Assert.Equal(mask, ProcessorProfile.FromCpuid(cpuid).MxcsrMask);
        Assert.Equal(mask, new LinuxHost(record, KernelBehavior.Of(new KernelRelease(6, 12))).MxcsrMask);
        Capture probe = ProcessRehearsal.ProbeOf(CpuidDump.Create("test", [new CpuidProcessor("0", cpuid)], []));
        Assert.Equal(mask, probe.States[0].ReadArea().MxcsrMask);
    }
}
