using System.Buffers.Binary;
using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Tests.Support;

namespace Xstate.Tests.Hypervisors.Kvm;

/// <summary>Each difference changes an answer: with it the call does one thing, without it another.</summary>
public class KvmModelVcpuTests
{
    private const ulong Avx = 7;

    [Fact]
    public void Hidden_components_are_refused_only_by_the_strict_kernels()
    {
        Assert.Equal(Errno.EINVAL, SetHidden(Kernel("6.1.40")).Errno);
        Assert.Equal(Errno.None, SetHidden(Kernel("6.1.40").Set(KernelDifference.KvmSetStrictCpuid, false)).Errno);
    }

    [Fact]
    public void The_refusal_of_a_strict_kernel_names_rule_byte_and_bits()
    {
        Refusal why = SetHidden(Kernel("6.1.40")).Why!;
        Assert.Equal(("XS0101", KernelDifference.KvmSetStrictCpuid, 512, "0x7"), (why.Rule.Id, why.Behavior, why.Offset, why.Found));
        Assert.Contains("0x4 (avx)", why.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_kernel_that_does_not_trim_returns_what_the_guest_cannot_see()
    {
        Assert.Equal(Avx, XstateBvAfterHidden(Kernel("5.16.0")));
        Assert.Equal(3UL, XstateBvAfterHidden(Kernel("5.16.0").Set(KernelDifference.KvmGetNoTrim, false)));
    }

    [Fact]
    public void Before_any_CPUID_only_some_kernels_return_more_than_x87_and_SSE()
    {
        Assert.Equal(Avx, XstateBvWithoutCpuid("5.19"));
        Assert.Equal(3UL, XstateBvWithoutCpuid("6.12"));
        Assert.Equal(3UL, XstateBvWithoutCpuid("5.15"));
    }

    [Fact]
    public void Some_kernels_refuse_even_x87_and_SSE_to_a_guest_without_XSAVE()
    {
        Assert.Equal("XS0110", SetLegacyWithoutXsave(Kernel("5.18")).Why!.Rule.Id);
        Assert.True(SetLegacyWithoutXsave(Kernel("5.18").Set(KernelDifference.KvmSetFpSseReject, false)).IsSuccess);
    }

    [Fact]
    public void Header_and_format_are_checked_from_5_16_on()
    {
        Assert.Equal("XS0104", Set("5.16.0", image => image[530] = 1).Why!.Rule.Id);
        Assert.Equal(530, Set("6.12", image => image[530] = 1).Why!.Offset);
        Assert.Equal("XS0103", Set("5.16.0", image => image[527] = 0x80).Why!.Rule.Id);
        Assert.True(Set("5.15", image => image[530] = 1).IsSuccess);
        Assert.True(Set("5.15", image => image[527] = 0x80).IsSuccess);
    }

    [Fact]
    public void The_order_of_the_tests_is_the_kernels()
    {
        // Everything is wrong: foreign bits come first, then the format, then the reserved bytes, then MXCSR.
        static void Spoil(byte[] image)
        {
            image[512] = 0xFF;
            image[521] = 1;
            image[540] = 1;
            image[27] = 0xFF;
        }

        Assert.Equal("XS0102", Set("6.12", Spoil).Why!.Rule.Id);
        Assert.Equal("XS0103", Set("6.12", image => { Spoil(image); image[512] = 7; }).Why!.Rule.Id);
        Assert.Equal("XS0104", Set("6.12", image => { Spoil(image); image[512] = 7; image[521] = 0; }).Why!.Rule.Id);
        Assert.Equal("XS0105", Set("6.12", image => { Spoil(image); image[512] = 7; image[521] = 0; image[540] = 0; }).Why!.Rule.Id);
    }

    [Fact]
    public void MXCSR_is_looked_at_lazily_from_5_16_on()
    {
        static void BadMxcsr(byte[] image)
        {
            image[512] = 0;
            image[27] = 0x80;
        }

        Assert.True(Set("6.12", BadMxcsr).IsSuccess);
        Assert.Equal("XS0105", Set("5.15", BadMxcsr).Why!.Rule.Id);
        Assert.Equal("XS0105", Set("6.12", image => { BadMxcsr(image); image[512] = 4; }).Why!.Rule.Id);
    }

    [Fact]
    public void The_software_bytes_tell_the_host_from_5_16_on_and_echo_before()
    {
        Assert.Equal(7UL, SoftwareMaskAfterSet("6.12"));
        Assert.Equal(0x1122334455667788UL, SoftwareMaskAfterSet("5.15"));
    }

    [Fact]
    public void PKRU_is_kept_when_bit_9_is_clear()
    {
        LinuxHost host = Host("amd-genoa", "6.12");
        KvmModelVcpu vcpu = KvmModelMachine.CreateVcpu(host);
        vcpu.SetCpuid2(host.Record.Cpuid.Entries.AsSpan());
        byte[] image = Image(0x203);
        host.Layout.TryGetSlot(StateComponent.Pkru, out XsaveSlot slot);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(slot.Offset), 4);
        Assert.True(vcpu.SetXsave(image).IsSuccess);
        Assert.True(vcpu.SetXsave(Image(3)).IsSuccess);
        Assert.Equal(4u, vcpu.Pkru);
        vcpu.GetXsave(out byte[] area);
        Assert.Equal(3UL, new XsaveArea(area).XstateBv.Bits);
    }

    [Fact]
    public void Tile_data_needs_permission_then_CPUID_then_the_larger_image()
    {
        LinuxHost host = Host("intel-sapphire-rapids", "6.12");
        KvmModelVcpu early = KvmModelMachine.CreateVcpu(host);
        Assert.Equal("XS0106", early.SetXsave(Image(1UL << 18)).Why!.Rule.Id);
        Assert.Equal((Errno.EPERM, "XS0301"), ErrnoAndRule(early.SetCpuid2(host.Record.Cpuid.Entries.AsSpan())));

        using KvmModelMachine machine = new(host);
        Assert.Equal(4096, machine.Xsave2Size);
        Assert.True(machine.RequestGuestPermission(StateComponent.TileData).IsSuccess);
        Assert.Equal(11008, machine.Xsave2Size);
        machine.CreateVcpu(0, out IKvmVcpu? created);
        KvmModelVcpu vcpu = (KvmModelVcpu)created!;
        Assert.True(vcpu.SetXsave(Image(7)).IsSuccess);
        Assert.True(vcpu.SetCpuid2(host.Record.Cpuid.Entries.AsSpan()).IsSuccess);
        Assert.Equal(11008, vcpu.UabiLength);
        Assert.True(vcpu.State.Xfeatures.IsEmpty, "the larger buffer starts empty");
        Assert.Equal((Errno.EINVAL, "XS0108"), ErrnoAndRule(vcpu.GetXsave(out _)));
        Assert.True(vcpu.GetXsave2(out byte[] area).IsSuccess);
        Assert.Equal(11008, area.Length);
        Assert.True(vcpu.SetXsave(Image(1UL << 18)).IsSuccess);
        Assert.Equal(Errno.EBUSY, new KvmModelMachineWithVcpu(host).Request().Errno);
    }

    [Fact]
    public void Kernels_before_5_17_have_neither_permissions_nor_the_second_call()
    {
        LinuxHost host = Host("intel-sapphire-rapids", "5.15");
        using KvmModelMachine machine = new(host);
        Assert.Equal(Errno.EINVAL, machine.RequestGuestPermission(StateComponent.TileData).Errno);
        Assert.Equal(0, machine.Xsave2Size);
        Assert.Equal("XS0111", KvmModelMachine.CreateVcpu(host).GetXsave2(out _).Why!.Rule.Id);
        Assert.False(host.KvmXcr0.Contains(StateComponent.TileData));
    }

    [Fact]
    public void Half_a_tile_pair_is_announced_by_5_17_to_6_3()
    {
        Assert.Equal(0x202e7UL, SupportedXcr0("6.1.0"));
        Assert.Equal(0x2e7UL, SupportedXcr0("6.4"));
    }

    [Fact]
    public void Bits_that_XFD_disables_are_dropped_by_fixed_kernels_and_kept_by_the_others()
    {
        Assert.Equal(0UL, TileBitAfterSet("6.19"));
        Assert.Equal(1UL << 18, TileBitAfterSet("6.8"));
    }

    [Fact]
    public void IA32_XSS_takes_the_CET_bits_from_6_18_on_and_only_after_CPUID()
    {
        Assert.Equal(0, XssProcessed("6.12", cpuidFirst: true));
        Assert.Equal(0, XssProcessed("6.18", cpuidFirst: false));
        Assert.Equal(1, XssProcessed("6.18", cpuidFirst: true));
    }

    [Theory]
    [InlineData(GuestProtection.ProtectedState, "6.12", Errno.EINVAL)]
    [InlineData(GuestProtection.ProtectedState, "6.6", Errno.None)]
    [InlineData(GuestProtection.SevEs, "6.12", Errno.None)]
    public void Protected_guests_answer_zeros_or_EINVAL(GuestProtection protection, string release, Errno expected)
    {
        KvmModelVcpu vcpu = KvmModelMachine.CreateVcpu(Host("amd-genoa", release), protection);
        Assert.Equal(expected, vcpu.SetXsave(Image(7)).Errno);
        Assert.Equal(expected, vcpu.GetXsave(out byte[] area).Errno);
        Assert.Equal(expected == Errno.None, area.Length == 4096 && area.AsSpan().IndexOfAnyExcept((byte)0) < 0);
    }

    [Fact]
    public void XCR0_follows_the_guests_CPUID_and_the_dependencies()
    {
        LinuxHost host = Host("intel-skylake-sp", "6.12");
        KvmModelVcpu vcpu = KvmModelMachine.CreateVcpu(host);
        Assert.Equal("XS0202", vcpu.SetXcrs(1, 0, [new XcrEntry(0, 7)]).Why!.Rule.Id);
        vcpu.SetCpuid2(host.Record.Cpuid.Entries.AsSpan());
        foreach (ulong good in (ulong[])[1, 3, 7, 0x1f, 0xe7, 0xff, 0x2ff, 0x201])
        {
            Assert.True(vcpu.SetXcrs(1, 0, [new XcrEntry(0, good)]).IsSuccess, $"0x{good:x}");
        }

        foreach (ulong bad in (ulong[])[0, 2, 5, 0xb, 0x27, 0x67, 0xe3, 0x202])
        {
            Assert.Equal("XS0201", vcpu.SetXcrs(1, 0, [new XcrEntry(0, bad)]).Why?.Rule.Id);
        }

        Assert.Equal("XS0202", vcpu.SetXcrs(1, 0, [new XcrEntry(0, 0x80007)]).Why!.Rule.Id);
        Assert.Equal("XS0203", vcpu.SetXcrs(17, 0, []).Why!.Rule.Id);
        Assert.Equal("XS0203", vcpu.SetXcrs(1, 1, [new XcrEntry(0, 1)]).Why!.Rule.Id);
        Assert.True(vcpu.SetXcrs(1, 0, [new XcrEntry(1, 0)]).IsSuccess, "other registers are skipped");
        Assert.Equal(0x201UL, vcpu.Xcr0.Bits);
    }

    [Fact]
    public void CPUID_sizes_follow_XCR0()
    {
        LinuxHost host = Host("intel-icelake", "6.12");
        KvmModelVcpu vcpu = KvmModelMachine.CreateVcpu(host);
        vcpu.SetCpuid2(host.Record.Cpuid.Entries.AsSpan());
        Assert.Equal(576u, vcpu.Cpuid.Read(0xD, 0).Ebx);
        vcpu.SetXcrs(1, 0, [new XcrEntry(0, 0x2e7)]);
        Assert.Equal(2696u, vcpu.Cpuid.Read(0xD, 0).Ebx);
        Assert.Equal((uint)host.Layout.CompactedLengthFor(new StateComponentSet(0x2e7)), vcpu.Cpuid.Read(0xD, 1).Ebx);
    }

    [Fact]
    public void CPUID_is_refused_when_it_is_too_long_or_has_an_impossible_address_width()
    {
        KvmModelVcpu vcpu = KvmModelMachine.CreateVcpu(Host("amd-genoa", "6.12"));
        Assert.Equal((Errno.E2BIG, "XS0303"), ErrnoAndRule(vcpu.SetCpuid2(new CpuidEntry[257])));
        CpuidEntry width = new(0x8000_0008, 0, false, new CpuidRegisters(0x2A30, 0, 0, 0));
        Assert.Equal((Errno.EINVAL, "XS0304"), ErrnoAndRule(vcpu.SetCpuid2([width])));
        Assert.True(vcpu.SetCpuid2([width with { Registers = new CpuidRegisters(0x3930, 0, 0, 0) }]).IsSuccess);
    }

    [Fact]
    public void A_host_without_XSAVE_takes_the_legacy_image_only()
    {
        HostRecord old = new()
        {
            Name = "old",
            Cpuid = new CpuidTable([new CpuidEntry(1, 0, false, new CpuidRegisters(0, 0, 0, 1u << 24 | 1u << 25))]),
            Provenance = new Provenance(FactSource.Given, "test"),
        };
        KvmModelVcpu vcpu = KvmModelMachine.CreateVcpu(new LinuxHost(old, Kernel("6.12")));
        Assert.Equal("XS0204", vcpu.SetXsave(Image(7)).Why!.Rule.Id);
        Assert.True(vcpu.SetXsave(Image(3)).IsSuccess);
        vcpu.GetXsave(out byte[] area);
        Assert.Equal(3UL, new XsaveArea(area).XstateBv.Bits);
        Assert.Equal("XS0204", vcpu.SetXcrs(1, 0, [new XcrEntry(0, 1)]).Why!.Rule.Id);
        vcpu.GetXcrs(out ImmutableArray<XcrEntry> xcrs);
        Assert.Empty(xcrs);
    }

    [Fact]
    public void The_pvm_flavour_gives_the_guest_the_hosts_components()
    {
        LinuxHost host = new(Record("amd-zen4-pvm"), Kernel("6.18").Set(KernelDifference.KvmPvmHostCpuid, true));
        KvmModelVcpu vcpu = KvmModelMachine.CreateVcpu(host);
        vcpu.SetCpuid2(Limit(host.Record.Cpuid, 3));
        Assert.Equal(host.KvmXcr0, vcpu.GuestXcr0);
        KvmModelVcpu ordinary = KvmModelMachine.CreateVcpu(new LinuxHost(Record("amd-zen4-pvm"), Kernel("6.18")));
        ordinary.SetCpuid2(Limit(host.Record.Cpuid, 3));
        Assert.Equal(3UL, ordinary.GuestXcr0.Bits);
    }

    [Fact]
    public void Setting_and_reading_a_state_allocates_only_the_returned_image()
    {
        KvmModelVcpu vcpu = KvmModelMachine.CreateVcpu(Host("amd-genoa", "6.12"));
        byte[] image = Image(7);
        vcpu.SetXsave(image);
        long before = GC.GetAllocatedBytesForCurrentThread();
        vcpu.SetXsave(image);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static (Errno Errno, string? Rule) ErrnoAndRule(KernelReply reply) => (reply.Errno, reply.Why?.Rule.Id);

    private static KernelBehavior Kernel(string text)
    {
        Assert.True(KernelRelease.TryParse(text, out KernelRelease release));
        return KernelBehavior.Of(release);
    }

    private static HostRecord Record(string name) => SampleHosts.Open(name);

    private static LinuxHost Host(string name, string release) => new(Record(name), Kernel(release));

    private static byte[] Image(ulong bv)
    {
        byte[] image = new byte[4096];
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(24), Mxcsr.Initial);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(512), bv);
        return image;
    }

    private static CpuidEntry[] Limit(CpuidTable cpuid, ulong mask) =>
        [.. cpuid.With(0xD, 0, cpuid.Read(0xD, 0) with { Eax = (uint)mask, Edx = (uint)(mask >> 32) }).Entries];

    private static KernelReply SetHidden(KernelBehavior kernel)
    {
        LinuxHost host = new(Record("intel-haswell"), kernel);
        KvmModelVcpu vcpu = KvmModelMachine.CreateVcpu(host);
        vcpu.SetCpuid2(Limit(host.Record.Cpuid, 3));
        return vcpu.SetXsave(Image(Avx));
    }

    private static ulong XstateBvAfterHidden(KernelBehavior kernel)
    {
        LinuxHost host = new(Record("intel-haswell"), kernel);
        KvmModelVcpu vcpu = KvmModelMachine.CreateVcpu(host);
        vcpu.SetCpuid2(Limit(host.Record.Cpuid, 3));
        Assert.True(vcpu.SetXsave(Image(Avx)).IsSuccess);
        vcpu.GetXsave(out byte[] area);
        return new XsaveArea(area).XstateBv.Bits;
    }

    private static ulong XstateBvWithoutCpuid(string release)
    {
        KvmModelVcpu vcpu = KvmModelMachine.CreateVcpu(Host("intel-haswell", release));
        Assert.True(vcpu.SetXsave(Image(Avx)).IsSuccess);
        vcpu.GetXsave(out byte[] area);
        return new XsaveArea(area).XstateBv.Bits;
    }

    private static KernelReply SetLegacyWithoutXsave(KernelBehavior kernel)
    {
        KvmModelVcpu vcpu = KvmModelMachine.CreateVcpu(new LinuxHost(Record("intel-haswell"), kernel));
        vcpu.SetCpuid2([]);
        return vcpu.SetXsave(Image(3));
    }

    private static KernelReply Set(string release, Action<byte[]> spoil)
    {
        KvmModelVcpu vcpu = KvmModelMachine.CreateVcpu(Host("intel-haswell", release));
        vcpu.SetCpuid2(Record("intel-haswell").Cpuid.Entries.AsSpan());
        byte[] image = Image(Avx);
        spoil(image);
        return vcpu.SetXsave(image);
    }

    private static ulong SoftwareMaskAfterSet(string release)
    {
        KvmModelVcpu vcpu = KvmModelMachine.CreateVcpu(Host("intel-haswell", release));
        byte[] image = Image(3);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(464), 0x1122334455667788);
        Assert.True(vcpu.SetXsave(image).IsSuccess);
        vcpu.GetXsave(out byte[] area);
        return new XsaveArea(area).SoftwareMask;
    }

    private static ulong SupportedXcr0(string release)
    {
        LinuxHost host = Host("intel-sapphire-rapids", release);
        return SupportedCpuid.Of(host, host.DefaultUserFeatures).UserComponents.Bits;
    }

    private static ulong TileBitAfterSet(string release)
    {
        LinuxHost host = Host("intel-sapphire-rapids", release);
        using KvmModelMachine machine = new(host);
        machine.RequestGuestPermission(StateComponent.TileData);
        machine.CreateVcpu(0, out IKvmVcpu? created);
        KvmModelVcpu vcpu = (KvmModelVcpu)created!;
        vcpu.SetCpuid2(host.Record.Cpuid.Entries.AsSpan());
        vcpu.SetMsr(KvmModelVcpu.MsrXfd, 1UL << 18, out int count);
        Assert.Equal(1, count);
        Assert.True(vcpu.SetXsave(Image(1UL << 18)).IsSuccess);
        return vcpu.State.Xfeatures.Bits;
    }

    private static int XssProcessed(string release, bool cpuidFirst)
    {
        LinuxHost host = Host("intel-sapphire-rapids", release);
        using KvmModelMachine machine = new(host);
        machine.RequestGuestPermission(StateComponent.TileData);
        machine.CreateVcpu(0, out IKvmVcpu? vcpu);
        if (cpuidFirst)
        {
            Assert.True(vcpu!.SetCpuid2(host.Record.Cpuid.Entries.AsSpan()).IsSuccess);
        }

        vcpu!.SetMsr(KvmModelVcpu.MsrXss, 1UL << 11, out int count);
        return count;
    }

    private sealed class KvmModelMachineWithVcpu(LinuxHost host)
    {
        public KernelReply Request()
        {
            using KvmModelMachine machine = new(host);
            machine.CreateVcpu(0, out _);
            return machine.RequestGuestPermission(StateComponent.TileData);
        }
    }
}
