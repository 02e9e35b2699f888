using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Tests.Support;

namespace Xstate.Tests.Hypervisors.Kvm;

/// <summary>CPUID as the guest sees it: what KVM keeps up to date, and what it leaves as user space said.</summary>
public class GuestCpuidTests
{
    private const uint XsaveLeaf = CpuidTable.XsaveLeaf;
    private const uint Invented = 0x1234_5678;

    [Theory]
    [InlineData(0x0u, Invented)]
    [InlineData(0x1u, Invented)]
    [InlineData(0x5u, Invented)]
    [InlineData(0x2u, 0u)]
    [InlineData(0x8u, 0u)]
    [InlineData(0xFu, 0u)]
    public void The_compacted_size_is_kept_up_to_date_only_with_XSAVEC_or_XSAVES(uint features, uint expected)
    {
        KvmModelVcpu vcpu = Vcpu("6.12", cpuid => cpuid.With(XsaveLeaf, 1, new CpuidRegisters(features, Invented, 0, 0)));
        vcpu.SetXcrs(1, 0, [new XcrEntry(0, 0x2E7)]);
        uint size = (uint)XsaveLayout.FromCpuid(SampleHosts.Open("intel-sapphire-rapids").Cpuid)
            .CompactedLengthFor(new StateComponentSet(0x2E7));

        Assert.Equal(expected == 0 ? size : expected, vcpu.Cpuid.Read(XsaveLeaf, 1).Ebx);
    }

    [Fact]
    public void Supervisor_components_count_in_the_compacted_size_once_IA32_XSS_has_them()
    {
        KvmModelVcpu vcpu = Vcpu("6.18");
        vcpu.SetXcrs(1, 0, [new XcrEntry(0, 7)]);
        uint without = vcpu.Cpuid.Read(XsaveLeaf, 1).Ebx;
        vcpu.SetMsr(KvmModelVcpu.MsrXss, 0x1800, out int count);

        Assert.Equal(1, count);
        Assert.Equal(without + 16 + 24, vcpu.Cpuid.Read(XsaveLeaf, 1).Ebx);
        Assert.Equal(576u + 256, vcpu.Cpuid.Read(XsaveLeaf).Ebx);
    }

    [Fact]
    public void Sizes_and_places_of_the_sub_leaves_stay_as_user_space_said()
    {
        CpuidRegisters invented = new(1, 2, 3, 4);
        KvmModelVcpu vcpu = Vcpu("6.12", cpuid =>
        {
            CpuidRegisters leaf = cpuid.Read(XsaveLeaf);
            return cpuid.With(XsaveLeaf, 0, leaf with { Ebx = Invented, Ecx = Invented }).With(XsaveLeaf, 2, invented)
                .With(XsaveLeaf, 9, invented);
        });
        vcpu.SetXcrs(1, 0, [new XcrEntry(0, 7)]);

        Assert.Equal((832u, Invented), (vcpu.Cpuid.Read(XsaveLeaf).Ebx, vcpu.Cpuid.Read(XsaveLeaf).Ecx));
        Assert.Equal((invented, invented), (vcpu.Cpuid.Read(XsaveLeaf, 2), vcpu.Cpuid.Read(XsaveLeaf, 9)));
    }

    [Fact]
    public void OSXSAVE_and_OSPKE_are_bits_of_CR4_and_not_of_what_user_space_said()
    {
        KvmModelVcpu vcpu = Vcpu("6.12", cpuid => cpuid
            .With(1, 0, cpuid.Read(1) with { Ecx = cpuid.Read(1).Ecx | 1u << 27 })
            .With(7, 0, cpuid.Read(7) with { Ecx = cpuid.Read(7).Ecx | 1u << 4 }));
        Assert.Equal((0u, 0u), Bits());

        vcpu.GetControlRegisters(out KvmControlRegisters registers);
        Assert.True(vcpu.SetControlRegisters(registers with { Cr4 = 1UL << 18 | 1UL << 22 }).IsSuccess);
        Assert.Equal((1u, 1u), Bits());

        (uint OsXsave, uint OsPke) Bits() => (vcpu.Cpuid.Read(1).Ecx >> 27 & 1, vcpu.Cpuid.Read(7).Ecx >> 4 & 1);
    }

    private static KvmModelVcpu Vcpu(string kernel, Func<CpuidTable, CpuidTable>? change = null)
    {
        Assert.True(KernelRelease.TryParse(kernel, out KernelRelease release));
        LinuxHost host = new(SampleHosts.Open("intel-sapphire-rapids"), KernelBehavior.Of(release));
        KvmModelVcpu vcpu = KvmModelMachine.CreateVcpu(host);
        CpuidTable cpuid = SupportedCpuid.Of(host, host.DefaultUserFeatures);
        Assert.True(vcpu.SetCpuid2([.. (change?.Invoke(cpuid) ?? cpuid).Entries]).IsSuccess);
        return vcpu;
    }
}
