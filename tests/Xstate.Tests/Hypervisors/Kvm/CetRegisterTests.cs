using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Tests.Support;

namespace Xstate.Tests.Hypervisors.Kvm;

/// <summary>
/// The CET registers of a guest by kernel: which calls reach them, what KVM checks, and where a list of MSRs ends. Read from Linux 6.18 to
/// 7.2, which no processor here could be asked about.
/// </summary>
public class CetRegisterTests
{
    private const uint UserCet = KvmModelVcpu.MsrUserCet;
    private const uint SupervisorCet = KvmModelVcpu.MsrSupervisorCet;
    private const uint Pl0Ssp = 0x6A4;
    private const uint Pl3Ssp = 0x6A7;
    private const uint SspTable = KvmModelVcpu.MsrSspTable;
    private const ulong NotCanonical = 1UL << 62;
    private const ulong CetBit = 1UL << 23;

    private static readonly uint[] All = [UserCet, SupervisorCet, Pl0Ssp, 0x6A5, 0x6A6, Pl3Ssp, SspTable];

    [Theory]
    [InlineData("6.12")]
    [InlineData("6.17")]
    public void Before_6_18_KVM_knows_none_of_them(string kernel)
    {
        KvmModelVcpu vcpu = Vcpu(kernel);
        foreach (uint msr in All)
        {
            Assert.Equal((0, "XS0403"), Write(vcpu, msr, 0));
            Assert.Null(Read(vcpu, msr));
        }

        Assert.Equal(Errno.EINVAL, vcpu.GetOneRegister(KvmRegisterId.GuestSsp, out _).Errno);
        Assert.Equal(Errno.EINVAL, vcpu.GetRegisterList(out _).Errno);
        Assert.Equal("XS0306", SetCr4(vcpu, CetBit).Why?.Rule.Id);
    }

    [Fact]
    public void Zero_passes_for_a_guest_without_the_feature_because_the_host_advertises_the_MSR()
    {
        KvmModelVcpu vcpu = KvmModelMachine.CreateVcpu(Host("6.18"));
        foreach (uint msr in All)
        {
            Assert.Equal((1, null), Write(vcpu, msr, 0));
            Assert.Equal((0, "XS0403"), Write(vcpu, msr, 4));
            Assert.Equal(0UL, Read(vcpu, msr));
        }

        Assert.Equal((1, null), Write(vcpu, KvmModelVcpu.MsrXss, 0));
        Assert.Equal((0, "XS0402"), Write(vcpu, KvmModelVcpu.MsrXss, 0x800));
    }

    [Theory]
    [InlineData(UserCet, 0x3Ful, true)]
    [InlineData(UserCet, 0x40ul, false)]
    [InlineData(UserCet, 0x200ul, false)]
    [InlineData(UserCet, 0x400ul, true)]
    [InlineData(UserCet, 0x800ul, true)]
    [InlineData(UserCet, 0xC00ul, false)]
    [InlineData(UserCet, 0x1000ul, false)]
    [InlineData(UserCet, 0x2000ul, false)]
    [InlineData(UserCet, 0x4000ul, true)]
    [InlineData(SupervisorCet, 0x3ul, true)]
    [InlineData(SupervisorCet, 0x80ul, false)]
    [InlineData(Pl0Ssp, 0x7FFF_FFFF_F004ul, true)]
    [InlineData(Pl0Ssp, 0x1002ul, false)]
    [InlineData(Pl3Ssp, 0x1001ul, false)]
    [InlineData(Pl3Ssp, NotCanonical, false)]
    [InlineData(SspTable, 0x1001ul, true)]
    [InlineData(SspTable, NotCanonical, false)]
    public void From_6_18_a_value_is_taken_or_ends_the_list(uint msr, ulong value, bool taken)
    {
        KvmModelVcpu vcpu = Vcpu("6.18");
        KernelReply reply = vcpu.SetMsrs([new MsrEntry(Pl0Ssp, 8), new MsrEntry(msr, value), new MsrEntry(Pl3Ssp, 16)], out int count);
        vcpu.GetMsrs([Pl3Ssp], out ImmutableArray<ulong> last);

        Assert.Equal(Errno.None, reply.Errno);
        Assert.Equal(taken ? 3 : 1, count);
        Assert.Equal(taken ? null : "XS0403", reply.Why?.Rule.Id);
        Assert.Equal(taken ? 16UL : 0, last[0]);
        Assert.Equal(taken && msr != Pl3Ssp ? value : msr == Pl0Ssp && !taken ? 8UL : msr == Pl3Ssp && taken ? 16UL : 0, Read(vcpu, msr));
    }

    [Fact]
    public void A_guest_with_one_half_of_CET_has_that_half()
    {
        KvmModelVcpu stacks = Vcpu("6.18", cpuid => Leaf7(cpuid, ecx: ~0u, edx: ~(1u << 20)));
        Assert.Equal((1, null), Write(stacks, UserCet, 3));
        Assert.Equal((0, "XS0403"), Write(stacks, UserCet, 4));
        Assert.Equal((0, "XS0403"), Write(stacks, SupervisorCet, 1UL << 14));
        Assert.Equal((1, null), Write(stacks, Pl3Ssp, 8));

        KvmModelVcpu branches = Vcpu("6.18", cpuid => Leaf7(cpuid, ecx: ~(1u << 7), edx: ~0u));
        Assert.Equal((0, "XS0403"), Write(branches, UserCet, 1));
        Assert.Equal((1, null), Write(branches, UserCet, 4));
        Assert.Equal((0, "XS0403"), Write(branches, Pl3Ssp, 8));
        Assert.Equal(Errno.EINVAL, branches.SetOneRegister(KvmRegisterId.GuestSsp, 0).Errno);
        Assert.True(SetCr4(branches, CetBit).IsSuccess);

        KvmModelVcpu none = Vcpu("6.18", cpuid => Leaf7(cpuid, ecx: ~(1u << 7), edx: ~(1u << 20)));
        Assert.Equal("XS0306", SetCr4(none, CetBit).Why?.Rule.Id);
    }

    [Fact]
    public void The_table_of_interrupt_stacks_is_written_in_long_mode_only_and_read_always()
    {
        KvmModelVcpu vcpu = Vcpu("6.18", cpuid => cpuid.With(0x8000_0001, 0, cpuid.Read(0x8000_0001) with { Edx = 0 }));

        Assert.Equal((0, "XS0403"), Write(vcpu, SspTable, 0x1000));
        Assert.Equal((1, null), Write(vcpu, Pl0Ssp, 0x1000));
        Assert.Equal(0UL, Read(vcpu, SspTable));
    }

    [Fact]
    public void A_bitmap_base_that_is_not_canonical_is_counted_and_not_stored()
    {
        KvmModelVcpu vcpu = Vcpu("6.18");
        Write(vcpu, UserCet, 3);

        Assert.Equal((1, null), Write(vcpu, UserCet, NotCanonical));
        Assert.Equal(3UL, Read(vcpu, UserCet));
    }

    [Fact]
    public void SSP_has_a_register_number_and_no_MSR_that_the_guest_could_read()
    {
        KvmModelVcpu vcpu = Vcpu("6.18");
        vcpu.GetRegisterList(out ImmutableArray<ulong> ids);

        Assert.Equal([0x2030_0003_0000_0000UL], ids);
        Assert.True(vcpu.SetOneRegister(ids[0], 0x7FFF_0000).IsSuccess);
        Assert.Equal(Errno.EINVAL, vcpu.SetOneRegister(ids[0], 0x7FFF_0001).Errno);
        Assert.Equal(Errno.EINVAL, vcpu.SetOneRegister(ids[0], NotCanonical).Errno);
        Assert.True(vcpu.GetOneRegister(ids[0], out ulong ssp).IsSuccess);
        Assert.Equal(0x7FFF_0000UL, ssp);

        Assert.True(vcpu.SetOneRegister(KvmRegisterId.OfMsr(Pl3Ssp), 0x1000).IsSuccess);
        Assert.Equal(0x1000UL, Read(vcpu, Pl3Ssp));
        foreach (ulong hostile in (ulong[])[ids[0] | 1, ids[0] ^ 1UL << 52, ids[0] ^ 1UL << 56, ids[0] | 1UL << 40, ids[0] | 1UL << 48,
            ids[0] ^ 1UL << 34])
        {
            Assert.Equal(Errno.EINVAL, vcpu.GetOneRegister(hostile, out _).Errno);
        }
    }

    [Fact]
    public void INIT_zeroes_every_one_of_them_and_leaves_IA32_XSS()
    {
        KvmModelVcpu vcpu = Vcpu("6.18");
        Write(vcpu, KvmModelVcpu.MsrXss, 0x1800);
        foreach (uint msr in All)
        {
            Assert.Equal((1, null), Write(vcpu, msr, 8));
        }

        vcpu.SetOneRegister(KvmRegisterId.GuestSsp, 8);
        vcpu.Init();

        Assert.All(All, msr => Assert.Equal(0UL, Read(vcpu, msr)));
        vcpu.GetOneRegister(KvmRegisterId.GuestSsp, out ulong ssp);
        Assert.Equal((0UL, 0x1800UL), (ssp, Read(vcpu, KvmModelVcpu.MsrXss)));
    }

    [Fact]
    public void KVM_offers_CET_with_both_components_and_XSAVES_or_not_at_all()
    {
        CpuidTable cpuid = Record.Cpuid;
        CpuidRegisters features = cpuid.Read(CpuidTable.XsaveLeaf, 1);
        Assert.True(Offers(cpuid, "6.18"));
        Assert.False(Offers(cpuid, "6.17"));
        Assert.False(Offers(cpuid.With(CpuidTable.XsaveLeaf, 1, features with { Ecx = features.Ecx & ~(1u << 12) }), "6.18"));
        Assert.False(Offers(cpuid.With(CpuidTable.XsaveLeaf, 1, features with { Eax = features.Eax & ~8u }), "6.18"));
        Assert.False(Offers(Leaf7(cpuid, ecx: ~(1u << 7), edx: ~(1u << 20)), "6.18"));

        static bool Offers(CpuidTable cpuid, string kernel)
        {
            LinuxHost host = new(Record with { Cpuid = cpuid }, Kernel(kernel));
            CpuidTable supported = SupportedCpuid.Of(host, host.DefaultUserFeatures);
            bool inLeaf7 = (supported.Read(7).Ecx >> 7 & 1) != 0 || (supported.Read(7).Edx >> 20 & 1) != 0;
            Assert.Equal(!supported.SupervisorComponents.IsEmpty, inLeaf7);
            return inLeaf7;
        }
    }

    [Theory]
    [InlineData("6.17", true, 1)]
    [InlineData("6.17", false, 1)]
    [InlineData("6.18", true, 1)]
    [InlineData("6.18", false, 0)]
    [InlineData("7.2", false, 0)]
    public void On_a_host_without_CET_even_an_IA32_XSS_of_zero_needs_XSAVES_in_the_guests_CPUID_from_6_18_on(string kernel, bool hasXsaves,
        int processed)
    {
        // Microcode with which erratum 1386 is mended, so that kernels from 6.10 on leave XSAVES on.
        HostRecord record = SampleHosts.Open("amd-rome") with { Microcode = 0x0830_107C };
        KvmModelVcpu vcpu = KvmModelMachine.CreateVcpu(new LinuxHost(record, Kernel(kernel)));
        CpuidRegisters features = record.Cpuid.Read(CpuidTable.XsaveLeaf, 1);
        vcpu.SetCpuid2([.. record.Cpuid.With(CpuidTable.XsaveLeaf, 1, features with { Eax = hasXsaves ? 15u : 7u }).Entries]);

        Assert.Equal(processed, Write(vcpu, KvmModelVcpu.MsrXss, 0).Count);
        Assert.Equal(0UL, Read(vcpu, KvmModelVcpu.MsrXss));
    }

    [Fact]
    public void A_call_with_256_MSRs_is_refused()
    {
        KvmModelVcpu vcpu = Vcpu("6.18");
        Assert.Equal((Errno.E2BIG, "XS0404"), (vcpu.SetMsrs(new MsrEntry[256], out int count).Errno,
            vcpu.GetMsrs(new uint[256], out _).Why?.Rule.Id));
        Assert.Equal(0, count);
        Assert.True(vcpu.SetMsrs(new MsrEntry[255], out _).IsSuccess);
    }

    private static HostRecord Record => SampleHosts.Open("intel-sapphire-rapids");

    private static LinuxHost Host(string kernel) => new(Record, Kernel(kernel));

    private static KernelBehavior Kernel(string text)
    {
        Assert.True(KernelRelease.TryParse(text, out KernelRelease release));
        return KernelBehavior.Of(release);
    }

    private static KvmModelVcpu Vcpu(string kernel, Func<CpuidTable, CpuidTable>? change = null)
    {
        LinuxHost host = Host(kernel);
        KvmModelVcpu vcpu = KvmModelMachine.CreateVcpu(host);
        CpuidTable cpuid = SupportedCpuid.Of(host, host.DefaultUserFeatures);
        Assert.True(vcpu.SetCpuid2([.. (change?.Invoke(cpuid) ?? cpuid).Entries]).IsSuccess);
        return vcpu;
    }

    private static CpuidTable Leaf7(CpuidTable cpuid, uint ecx, uint edx)
    {
        CpuidRegisters leaf = cpuid.Read(7);
        return cpuid.With(7, 0, leaf with { Ecx = leaf.Ecx & ecx, Edx = leaf.Edx & edx });
    }

    private static (int Count, string? Rule) Write(KvmModelVcpu vcpu, uint msr, ulong value)
    {
        KernelReply reply = vcpu.SetMsr(msr, value, out int count);
        Assert.True(reply.IsSuccess, "KVM_SET_MSRS itself never fails for a value");
        return (count, reply.Why?.Rule.Id);
    }

    private static ulong? Read(KvmModelVcpu vcpu, uint msr)
    {
        vcpu.GetMsr(msr, out int count, out ulong value);
        return count == 1 ? value : null;
    }

    private static KernelReply SetCr4(KvmModelVcpu vcpu, ulong cr4)
    {
        vcpu.GetControlRegisters(out KvmControlRegisters registers);
        return vcpu.SetControlRegisters(registers with { Cr4 = cr4 });
    }
}
