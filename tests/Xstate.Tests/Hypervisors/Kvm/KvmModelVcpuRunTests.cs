using System.Buffers.Binary;
using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Tests.Support;

namespace Xstate.Tests.Hypervisors.Kvm;

/// <summary>
/// What a modelled vCPU does beyond setting and getting: running, INIT, control registers and the CPUID that follows them.
/// </summary>
public class KvmModelVcpuRunTests
{
    [Fact]
    public void A_run_clears_the_bits_of_initial_state_on_a_processor_that_tracks_values()
    {
        // Measured on AMD family 25: init-valued components disappear from XSTATE_BV, and MXCSR keeps bit 1.
        foreach ((ulong set, uint mxcsr, ulong expected) in new[] { (7UL, 0x1f80u, 0UL), (1UL, 0x3f80u, 0UL), (2UL, 0x3f80u, 2UL),
            (4UL, 0x1f80u, 0UL) })
        {
            KvmModelVcpu vcpu = Vcpu("amd-milan", "6.18");
            vcpu.SetXsave(Image(set, mxcsr));

            Assert.True(vcpu.RunImmediateExit().IsSuccess);
            Assert.Equal(expected, vcpu.State.Xfeatures.Without(StateComponent.Pkru).Bits);
        }
    }

    [Fact]
    public void A_run_keeps_what_was_loaded_in_use_on_a_processor_that_tracks_history()
    {
        KvmModelVcpu vcpu = Vcpu("intel-icelake", "6.12");
        vcpu.SetXsave(Image(7, 0x1f80));
        vcpu.RunImmediateExit();

        Assert.Equal(0x207UL, vcpu.State.Xfeatures.Bits);
    }

    [Fact]
    public void Values_survive_a_run()
    {
        foreach (string host in new[] { "amd-genoa", "intel-icelake", "qemu-tcg-max" })
        {
            KvmModelVcpu vcpu = Vcpu(host, "6.12");
            byte[] image = Image(7, 0x3f80);
            image[170] = 0x5a;
            image[600] = 0xa5;
            vcpu.SetXsave(image);
            vcpu.RunImmediateExit();

            vcpu.GetXsave(out byte[] area);
            Assert.Equal((0x5a, 0xa5, 0x3f80u), (area[170], area[600], BinaryPrimitives.ReadUInt32LittleEndian(area.AsSpan(24))));
        }
    }

    [Fact]
    public void The_threads_own_PKRU_decides_whether_the_guests_is_returned()
    {
        foreach ((string host, uint thread, bool returned) in new[]
        {
            ("amd-genoa", 0x5555_5554u, true), ("amd-genoa", 0u, false), ("intel-icelake", 0u, true),
        })
        {
            LinuxHost modelled = Host(host, "6.12");
            KvmModelMachine machine = new(modelled) { HostThreadPkru = thread };
            machine.CreateVcpu(0, out IKvmVcpu? made);
            KvmModelVcpu vcpu = (KvmModelVcpu)made!;
            vcpu.SetCpuid2(SupportedCpuid.Of(modelled, machine.Permitted).Entries.AsSpan());
            byte[] image = Image(0x203, 0x1f80);
            Assert.True(modelled.Layout.TryGetSlot(StateComponent.Pkru, out XsaveSlot slot));
            image[slot.Offset] = 4;
            vcpu.SetXsave(image);
            vcpu.RunImmediateExit();

            vcpu.GetXsave(out byte[] area);
            Assert.Equal(4u, vcpu.Pkru);
            Assert.Equal(returned ? 4 : 0, area[slot.Offset]);
            Assert.Equal(returned, new XsaveArea(area).XstateBv.Contains(StateComponent.Pkru));
        }
    }

    [Fact]
    public void A_used_vCPU_keeps_a_stale_PKRU_through_an_image_without_bit_9_and_a_run()
    {
        KvmModelVcpu vcpu = Vcpu("intel-icelake", "6.12");
        byte[] image = Image(0x203, 0x1f80);
        image[2688] = 4;
        vcpu.SetXsave(image);
        vcpu.SetXsave(Image(3, 0x1f80));
        vcpu.RunImmediateExit();

        vcpu.GetXsave(out byte[] area);
        Assert.Equal(4, area[2688]);
    }

    [Fact]
    public void OSXSAVE_and_OSPKE_follow_CR4_and_the_sizes_follow_XCR0()
    {
        KvmModelVcpu vcpu = Vcpu("intel-icelake", "6.12");
        Assert.Equal((0u, 0u, 576u), (vcpu.Cpuid.Read(1).Ecx >> 27 & 1, vcpu.Cpuid.Read(7).Ecx >> 4 & 1, vcpu.Cpuid.Read(0xD).Ebx));

        Assert.True(vcpu.SetControlRegisters(new KvmControlRegisters(0x11, 0, 1u << 18 | 1u << 22, 0)).IsSuccess);
        Assert.True(vcpu.SetXcrs(1, 0, [new XcrEntry(0, 0x207)]).IsSuccess);
        Assert.Equal((1u, 1u, 2696u), (vcpu.Cpuid.Read(1).Ecx >> 27 & 1, vcpu.Cpuid.Read(7).Ecx >> 4 & 1, vcpu.Cpuid.Read(0xD).Ebx));
        vcpu.GetControlRegisters(out KvmControlRegisters registers);
        Assert.Equal(0x440000UL, registers.Cr4);
    }

    [Theory]
    [InlineData(18, "intel-icelake", "6.14", false, Errno.EINVAL)]
    [InlineData(18, "intel-icelake", "6.12", false, Errno.None)]
    [InlineData(22, "intel-haswell", "6.12", false, Errno.EINVAL)]
    [InlineData(22, "intel-haswell", "6.12", true, Errno.EINVAL)]
    public void CR4_takes_only_what_the_guests_CPUID_offers_and_before_6_14_what_the_host_has_until_there_is_one(
        int bit, string host, string kernel, bool withCpuid, Errno expected)
    {
        LinuxHost modelled = Host(host, kernel);
        KvmModelVcpu vcpu = withCpuid ? Vcpu(host, kernel) : KvmModelMachine.CreateVcpu(modelled);

        Assert.Equal(expected, vcpu.SetControlRegisters(new KvmControlRegisters(0x11, 0, 1UL << bit, 0)).Errno);
    }

    [Theory]
    [InlineData("6.1", false, Errno.None)]
    [InlineData("6.12", false, Errno.EINVAL)]
    [InlineData("6.12", true, Errno.None)]
    public void Long_mode_needs_LM_in_the_guests_CPUID_since_6_12(string kernel, bool withCpuid, Errno expected)
    {
        LinuxHost plain = Host("intel-icelake", kernel);
        CpuidTable cpuid = plain.Record.Cpuid.With(0x8000_0001, 0, new CpuidRegisters(0, 0, 0, 1 << 29));
        LinuxHost host = new(plain.Record with { Cpuid = cpuid }, plain.Behavior);
        KvmModelVcpu vcpu = KvmModelMachine.CreateVcpu(host);
        if (withCpuid)
        {
            Assert.True(vcpu.SetCpuid2(cpuid.Entries.AsSpan()).IsSuccess);
        }

        Assert.Equal(expected, vcpu.SetControlRegisters(new KvmControlRegisters(0x8000_0011, 0x1000, 0x20, 0x500)).Errno);
    }

    [Fact]
    public void INIT_clears_the_bound_registers_and_leaves_the_rest()
    {
        KvmModelVcpu vcpu = Vcpu("intel-skylake-sp", "6.12");
        byte[] image = Image(0x21f, 0x3f80);
        foreach (int offset in new[] { 170, 600, 960, 1024, 2688 })
        {
            image[offset] = 0x21;
        }

        Assert.True(vcpu.SetXsave(image).IsSuccess);
        Assert.True(vcpu.SetXcrs(1, 0, [new XcrEntry(0, 0x21f)]).IsSuccess);
        Assert.True(vcpu.SetControlRegisters(new KvmControlRegisters(0x8005_0033, 0x1000, 1 << 18 | 1 << 5, 0x500)).IsSuccess);
        vcpu.Init();

        vcpu.GetXsave(out byte[] area);
        Assert.Equal((0x21, 0x21, 0, 0, 0x21), (area[170], area[600], area[960], area[1024], area[2688]));
        Assert.Equal(new StateComponentSet(0x21f), vcpu.Xcr0);
        vcpu.GetControlRegisters(out KvmControlRegisters registers);
        Assert.Equal(new KvmControlRegisters(0x10, 0, 0, 0), registers);
        Assert.Equal(0u, vcpu.Cpuid.Read(1).Ecx >> 27 & 1);
    }

    [Theory]
    [InlineData("6.17", false)]
    [InlineData("6.18", true)]
    public void INIT_clears_CET_since_6_18(string kernel, bool cleared)
    {
        // CET reaches guests in the same release, so before it there is nothing to clear and nothing to set.
        KvmModelVcpu vcpu = Vcpu("intel-sapphire-rapids", kernel);
        vcpu.SetMsr(0x6A0, 1, out int count);
        Assert.Equal(cleared ? 1 : 0, count);
        vcpu.GetMsr(0x6A0, out int read, out ulong before);
        Assert.Equal((count, cleared ? 1UL : 0), (read, before));
        vcpu.Init();

        vcpu.GetMsr(0x6A0, out _, out ulong after);
        Assert.Equal(0UL, after);
        Assert.Equal(cleared, vcpu.InitializedByInit().Contains(StateComponent.CetU));
    }

    private static KvmModelVcpu Vcpu(string host, string kernel)
    {
        LinuxHost modelled = Host(host, kernel);
        KvmModelMachine machine = new(modelled);
        machine.CreateVcpu(0, out IKvmVcpu? vcpu);
        ImmutableArray<CpuidEntry> supported = SupportedCpuid.Of(modelled, machine.Permitted).Entries;
        Assert.True(vcpu!.SetCpuid2(supported.AsSpan()).IsSuccess);
        return (KvmModelVcpu)vcpu;
    }

    private static LinuxHost Host(string name, string kernel)
    {
        Assert.True(KernelRelease.TryParse(kernel, out KernelRelease release));
        HostRecord record = new() { Name = name, Cpuid = SampleHosts.Cpuid(name), Provenance = new Provenance(FactSource.Given, "test") };
        return new LinuxHost(record, KernelBehavior.Of(release));
    }

    private static byte[] Image(ulong xstateBv, uint mxcsr)
    {
        byte[] image = new byte[4096];
        BinaryPrimitives.WriteUInt16LittleEndian(image, 0x37f);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(24), mxcsr);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(512), xstateBv);
        return image;
    }
}
