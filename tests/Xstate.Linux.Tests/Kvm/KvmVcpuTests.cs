using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Linux.Kvm;

namespace Xstate.Linux.Tests.Kvm;

public sealed class KvmVcpuTests : IDisposable
{
    private const uint MsrPat = 0x277;
    private const ulong Osxsave = 1UL << 18;

    private readonly KvmDevice _device = LocalKvm.Open();
    private readonly KvmVm _vm;
    private readonly KvmVcpu _vcpu;

    public KvmVcpuTests()
    {
        _vm = _device.CreateVm();
        _vcpu = _vm.CreateVcpu(0);
        _vcpu.SetCpuid2(_device.GetSupportedCpuid().Entries.AsSpan());
    }

    public void Dispose()
    {
        _vcpu.Dispose();
        _vm.Dispose();
        _device.Dispose();
    }

    [Fact]
    public void An_area_that_was_set_is_returned()
    {
        byte[] image = Image(0b11);
        image[XsaveFormat.XmmOffset] = 0x77;
        _vcpu.SetXsave(image);
        byte[] back = _vcpu.GetXsave();
        Assert.Equal(4096, back.Length);
        Assert.Equal(0x77, back[XsaveFormat.XmmOffset]);
        Assert.Equal(StateComponentSet.Legacy, new XsaveArea(back).XstateBv);
    }

    [Fact]
    public void A_refusal_names_the_request_and_the_error()
    {
        KvmException refusal = Assert.Throws<KvmException>(() => _vcpu.SetXsave(Image(1UL << 62)));
        Assert.Equal("KVM_SET_XSAVE: EINVAL (22)", refusal.Message);
        Assert.Equal(Errno.EINVAL, Assert.Throws<KvmException>(() => _vcpu.SetXcr0(StateComponentSet.Empty)).Errno);
    }

    [Fact]
    public void A_short_image_is_padded_with_zeros()
    {
        _vcpu.SetXsave(Image(0b11).AsSpan(0, XsaveFormat.ExtendedOffset));
        Assert.Equal(StateComponentSet.Legacy, new XsaveArea(_vcpu.GetXsave()).XstateBv);
    }

    [Fact]
    public void State_behind_what_the_call_reads_is_not_dropped_silently()
    {
        int length = Math.Max(4096, _vm.Xsave2Size);
        byte[] longer = new byte[length + 64];
        Image(0b11).CopyTo(longer, 0);
        _vcpu.SetXsave(longer);
        longer[^1] = 1;
        Assert.Throws<ArgumentOutOfRangeException>(() => _vcpu.SetXsave(longer));
    }

    [Fact]
    public void Xsave2_is_as_long_as_the_vm_says_and_begins_alike()
    {
        Assert.SkipUnless(_vm.Xsave2Size != 0, "this kernel has no KVM_GET_XSAVE2");
        _vcpu.SetXsave(Image(0b11));
        byte[] long2 = _vcpu.GetXsave2();
        Assert.Equal(_vm.Xsave2Size, long2.Length);
        Assert.Equal(_vcpu.GetXsave(), long2[..4096]);
    }

    [Fact]
    public void XCR0_is_set_and_read()
    {
        Assert.Equal(StateComponentSet.Of(StateComponent.X87), _vcpu.GetXcr0());
        _vcpu.SetXcr0(StateComponentSet.Legacy);
        Assert.Equal(StateComponentSet.Legacy, _vcpu.GetXcr0());
    }

    [Fact]
    public void MSRs_are_set_and_read_and_unknown_ones_told()
    {
        const ulong WriteBackEverywhere = 0x0606_0606_0606_0606;
        Assert.True(_vcpu.SetMsr(MsrPat, WriteBackEverywhere));
        Assert.Equal(WriteBackEverywhere, _vcpu.GetMsr(MsrPat));
        Assert.False(_vcpu.SetMsr(0x1234_5678, 1));
        Assert.Null(_vcpu.GetMsr(0x1234_5678));
    }

    [Fact]
    public void General_registers_are_set_and_read()
    {
        KvmRegisters set = new() { Rax = 1, Rbx = 2, Rcx = 3, Rdx = 4, Rsi = 5, Rdi = 6, Rsp = 7, Rbp = 8, Rip = 9, Rflags = 2 };
        _vcpu.SetRegisters(set);
        Assert.Equal(set.Bytes.ToArray(), _vcpu.GetRegisters().Bytes.ToArray());
    }

    [Fact]
    public void CR4_OSXSAVE_shows_in_the_guests_CPUID()
    {
        Assert.Equal(0u, _vcpu.GetCpuid2().Read(1).Ecx >> 27 & 1);
        KvmSystemRegisters system = _vcpu.GetSystemRegisters();
        system.Cr4 |= Osxsave;
        _vcpu.SetSystemRegisters(system);
        Assert.Equal(Osxsave, _vcpu.GetSystemRegisters().Cr4 & Osxsave);
        Assert.Equal(1u, _vcpu.GetCpuid2().Read(1).Ecx >> 27 & 1);
    }

    [Fact]
    public void Segments_are_set_and_read()
    {
        KvmSegment segment = new(0x1_0000, 0xFFFF, 0x1000, 3)
        {
            IsPresent = true,
            IsCodeOrData = true,
            Dpl = 0,
        };
        KvmSystemRegisters system = _vcpu.GetSystemRegisters();
        system[KvmSegmentName.Ds] = segment;
        _vcpu.SetSystemRegisters(system);
        Assert.Equal(segment, _vcpu.GetSystemRegisters()[KvmSegmentName.Ds]);
        Assert.Throws<ArgumentOutOfRangeException>(() => system[(KvmSegmentName)8]);
    }

    [Fact]
    public void The_FPU_call_writes_x87_and_XMM_but_not_MXCSR()
    {
        byte[] image = Image(0b11);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(XsaveFormat.MxcsrOffset), 0x3F80);
        _vcpu.SetXsave(image);
        byte[] xmm = new byte[256];
        xmm.AsSpan().Fill(0x99);
        _vcpu.SetFpu(new KvmFpu { Fcw = 0x27F, Xmm = xmm, MxcsrField = 0x5F80 });
        XsaveArea area = new(_vcpu.GetXsave());
        Assert.Equal(0x27F, area.Fcw);
        Assert.Equal(0x3F80u, area.Mxcsr);
        Assert.Equal(xmm, _vcpu.GetFpu().Xmm.ToArray());
    }

    [Fact]
    public void A_fresh_virtual_CPU_is_runnable_and_another_state_needs_an_interrupt_controller()
    {
        Assert.Equal(KvmMpState.Runnable, _vcpu.GetMpState());
        _vcpu.SetMpState(KvmMpState.Runnable);
        Assert.Equal(Errno.EINVAL, Assert.Throws<KvmException>(() => _vcpu.SetMpState(KvmMpState.SipiReceived)).Errno);
    }

    [Fact]
    public void Events_are_read_and_set_back()
    {
        KvmVcpuEvents events = _vcpu.GetEvents();
        _vcpu.SetEvents(events);
        Assert.Equal(events.Bytes.ToArray(), _vcpu.GetEvents().Bytes.ToArray());
    }

    [Fact]
    public void CPUID_comes_back_with_the_entries_that_were_set()
    {
        (uint, uint)[] supported = [.. _device.GetSupportedCpuid().Entries.Select(e => (e.Leaf, e.Subleaf))];
        (uint, uint)[] back = [.. _vcpu.GetCpuid2().Entries.Select(e => (e.Leaf, e.Subleaf))];

        // kvm_pvm leaves out some that it says it supports: those of tiles (0x1D, 0x1E) and of AVX10 (0x24), measured on 6.18.
        Assert.Equal(LocalKvm.Host.Record.Flavour == KvmFlavour.Pvm ? supported.Intersect(back) : supported, back);
        Assert.Contains((CpuidTable.XsaveLeaf, 1u), back);
    }

    private static byte[] Image(ulong components)
    {
        byte[] image = new byte[4096];
        BinaryPrimitives.WriteUInt16LittleEndian(image, XsaveFormat.InitialFcw);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(XsaveFormat.MxcsrOffset), Mxcsr.Initial);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(XsaveFormat.XstateBvOffset), components);
        return image;
    }
}
