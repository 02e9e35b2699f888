using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Tests.Support;

namespace Xstate.Tests.Hypervisors.Linux;

/// <summary>
/// The traced and the interrupted process. Sizes and their errors were measured on Linux 6.18; PKRU by era is what case 3 tells.
/// </summary>
public class LinuxTaskTests
{
    [Theory]
    [InlineData("5.13", 0x4u)]
    [InlineData("5.14", 0x5555_5554u)]
    [InlineData("5.15.87", 0x5555_5554u)]
    [InlineData("5.15.88", 0x4u)]
    [InlineData("6.1.5", 0x5555_5554u)]
    [InlineData("6.1.6", 0x4u)]
    [InlineData("6.12", 0x4u)]
    public void A_ptrace_write_of_PKRU_reads_back_or_is_ignored_by_era(string kernel, uint expected)
    {
        LinuxTask task = Task(kernel);
        byte[] image = Get(task);
        SetPkru(task, image, 4);
        Assert.True(task.SetXstate(image).IsSuccess);

        Assert.Equal(expected, task.Pkru);
        Assert.Equal(expected, PkruOf(task, Get(task)));
    }

    [Theory]
    [InlineData("6.1", 0u)]
    [InlineData("6.12", 0u)]
    [InlineData("6.1.5", 0x5555_5554u)]
    public void A_ptrace_write_without_bit_9_makes_PKRU_zero_where_it_counts(string kernel, uint expected)
    {
        LinuxTask task = Task(kernel);
        byte[] image = Get(task);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(512), 3);
        Assert.True(task.SetXstate(image).IsSuccess);

        Assert.Equal(expected, task.Pkru);
    }

    [Fact]
    public void The_same_image_leaves_the_PKRU_of_a_vCPU_alone()
    {
        // The one argument in which KVM_SET_XSAVE differs from ptrace.
        LinuxHost host = Host("6.12");
        KvmModelVcpu vcpu = KvmModelMachine.CreateVcpu(host);
        LinuxTask task = new(host);
        byte[] image = Get(task);
        SetPkru(task, image, 4);
        Assert.True(vcpu.SetXsave(image).IsSuccess);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(512), 3);

        Assert.True(vcpu.SetXsave(image).IsSuccess);
        Assert.True(task.SetXstate(image).IsSuccess);
        Assert.Equal((4u, 0u), (vcpu.Pkru, task.Pkru));
    }

    [Theory]
    [InlineData(0, Errno.None)]
    [InlineData(-1, Errno.EINVAL)]
    [InlineData(1, Errno.EINVAL)]
    [InlineData(-8, Errno.EFAULT)]
    [InlineData(8, Errno.None)]
    [InlineData(-2696, Errno.EFAULT)]
    public void Sizes_of_the_xstate_regset_are_judged_as_measured(int difference, Errno expected)
    {
        LinuxTask task = Task("6.12");
        byte[] image = Get(task);
        Array.Resize(ref image, image.Length + difference);

        Assert.Equal(expected, task.SetXstate(image).Errno);
    }

    [Theory]
    [InlineData(0, Errno.None)]
    [InlineData(-8, Errno.EINVAL)]
    [InlineData(1, Errno.EINVAL)]
    [InlineData(8, Errno.None)]
    public void Sizes_of_the_fpregs_regset_are_judged_as_measured(int difference, Errno expected)
    {
        LinuxTask task = Task("6.12");
        task.GetFpregs(out byte[] image);
        Array.Resize(ref image, image.Length + difference);

        Assert.Equal(expected, task.SetFpregs(image).Errno);
    }

    [Theory]
    [InlineData("5.13", Errno.None)]
    [InlineData("5.14", Errno.EINVAL)]
    public void Foreign_MXCSR_bits_are_cleared_or_refused_by_era(string kernel, Errno expected)
    {
        LinuxTask task = Task(kernel);
        byte[] image = Get(task);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(512), 2);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(24), 0xffff_1f80);

        Assert.Equal(expected, task.SetXstate(image).Errno);
        Assert.Equal(0u, task.State.Mxcsr >> 16);
    }

    [Theory]
    [InlineData("5.13", false)]
    [InlineData("6.12", true)]
    public void A_refused_header_changes_nothing_since_5_14(string kernel, bool kept)
    {
        LinuxTask task = Task(kernel);
        byte[] image = Get(task);
        image[160] = 0x77;
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(512), 3);
        Assert.True(task.SetXstate(image).IsSuccess);
        image[528] = 1;

        Assert.Equal(Errno.EINVAL, task.SetXstate(image).Errno);
        Assert.Equal(kept ? 0x77 : 0, Get(task)[160]);
    }

    [Fact]
    public void Fpregs_take_the_legacy_image_and_mark_it_in_use()
    {
        LinuxTask task = Task("6.12");
        task.GetFpregs(out byte[] image);
        image[160] = 0x42;
        image[464] = 0x42;
        Assert.True(task.SetFpregs(image).IsSuccess);

        task.GetFpregs(out byte[] back);
        Assert.Equal((0x42, 0), (back[160], back[464]));
        Assert.True(task.State.Xfeatures.ContainsAll(StateComponentSet.Legacy));
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(24), 0xffff_0000);
        Assert.Equal(Errno.EINVAL, task.SetFpregs(image).Errno);
    }

    [Fact]
    public void A_signal_frame_is_framed_by_both_magic_numbers_and_comes_back_unchanged()
    {
        LinuxTask task = Task("6.12");
        byte[] image = Get(task);
        image[170] = 0x33;
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(512), 0x203);
        SetPkru(task, image, 0x10);
        Assert.True(task.SetXstate(image).IsSuccess);

        SignalFrame frame = task.BuildSignalFrame();
        Assert.Equal((0x4650_5853u, 2696u, 2700u), (frame.Magic1, frame.XstateSize, frame.ExtendedSize));
        Assert.Equal(0x4650_5845u, BinaryPrimitives.ReadUInt32LittleEndian(frame.Bytes.AsSpan(2696)));
        Assert.Equal(new StateComponentSet(0x2e7), frame.Xfeatures);
        Assert.True(frame.XstateBv.ContainsAll(StateComponentSet.Legacy));

        Assert.Equal(default, task.Sigreturn(frame));
        Assert.Equal((0x33, 0x10u), (Get(task)[170], task.Pkru));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_frame_whose_framing_is_wrong_restores_x87_and_SSE_only(bool magic)
    {
        LinuxTask task = Task("6.12");
        byte[] image = Get(task);
        image[160] = 0x55;
        image[576] = 0x66;
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(512), 7);
        Assert.True(task.SetXstate(image).IsSuccess);
        SignalFrame frame = task.BuildSignalFrame();
        frame.Magic1 = magic ? 0 : frame.Magic1;
        frame.ExtendedSize = magic ? frame.ExtendedSize : frame.XstateSize - 1;

        Assert.True(task.Sigreturn(frame) is { FxOnly: true, Killed: false });
        byte[] after = Get(task);
        Assert.Equal((0x55, 0), (after[160], after[576]));
        Assert.Equal(0u, task.Pkru);
    }

    [Fact]
    public void A_component_that_the_frame_does_not_list_becomes_initial_and_PKRU_with_it()
    {
        LinuxTask task = Task("6.12");
        SignalFrame frame = task.BuildSignalFrame();
        frame.Xfeatures = frame.Xfeatures.Without(StateComponent.Pkru);

        Assert.False(task.Sigreturn(frame).Killed);
        Assert.Equal(0u, task.Pkru);
    }

    [Fact]
    public void The_processor_judges_a_64_bit_frame_and_the_kernel_a_32_bit_one()
    {
        LinuxTask task = Task("6.12");
        SignalFrame frame = task.BuildSignalFrame();
        frame.Bytes[528] = 1;
        Assert.True(task.Sigreturn(frame).Killed);
        Assert.Equal(Pkru.LinuxDefault.Value, task.Pkru);

        // XRSTOR looks at bytes 8 to 23 of the header only; the kernel's own test at all of it.
        SignalFrame tail = task.BuildSignalFrame();
        tail.Bytes[575] = 1;
        Assert.False(task.Sigreturn(tail).Killed);
        Assert.True(task.Sigreturn(tail, ia32: true).Killed);

        SignalFrame mxcsr = task.BuildSignalFrame();
        BinaryPrimitives.WriteUInt32LittleEndian(mxcsr.Bytes.AsSpan(24), 0xffff_0000);
        Assert.True(task.Sigreturn(mxcsr).Killed);
    }

    [Theory]
    [InlineData("6.12.4", false)]
    [InlineData("6.12.5", true)]
    [InlineData("6.13", true)]
    public void A_PKRU_of_zero_is_in_the_frame_of_a_value_tracking_processor_since_6_12_5(string kernel, bool listed)
    {
        LinuxTask task = new(Host(kernel, "amd-genoa"));
        byte[] image = Get(task);
        SetPkru(task, image, 0);
        Assert.True(task.SetXstate(image).IsSuccess);

        Assert.Equal(listed, task.BuildSignalFrame().XstateBv.Contains(StateComponent.Pkru));
    }

    [Theory]
    [InlineData("6.11", 0x5555_5556u, true)]
    [InlineData("6.11", 0x5555_5555u, true)]
    [InlineData("6.11", 0x5555_5558u, false)]
    [InlineData("6.12", 0x5555_5556u, false)]
    [InlineData("6.12", 0x5555_5555u, false)]
    public void A_signal_kills_a_thread_that_may_not_write_its_stack_up_to_6_11(string kernel, uint pkru, bool killed)
    {
        LinuxTask task = WithPkru(kernel, "intel-icelake", pkru);

        Assert.Equal(killed, task.RoundtripSignal(static _ => { }).Killed);
        Assert.Equal(pkru, task.Pkru);
    }

    [Theory]
    [InlineData("6.11", 0x5555_5555u, true)]
    [InlineData("6.11", 0x5555_5556u, false)]
    [InlineData("6.12", 0x5555_5555u, false)]
    public void A_frame_that_closes_key_0_for_reading_is_loaded_and_kills_the_thread_up_to_6_11(string kernel, uint pkru, bool killed)
    {
        LinuxTask task = Task(kernel);
        Assert.Equal(killed, task.RoundtripSignal(frame =>
        {
            SetPkru(task, frame.Bytes, pkru);
            frame.Bytes[160] = 0x77;
        }).Killed);

        Assert.Equal((pkru, 0x77), (task.Pkru, Get(task)[160]));
    }

    [Theory]
    [InlineData("6.11", 0x10u)]
    [InlineData("6.12.4", 0u)]
    [InlineData("6.12.5", 0x10u)]
    public void A_value_tracking_processor_loses_PKRU_to_a_signal_from_6_12_to_6_12_4(string kernel, uint after)
    {
        LinuxTask amd = WithPkru(kernel, "amd-genoa", 0x10);
        Assert.False(amd.RoundtripSignal(static _ => { }).Killed);
        Assert.Equal(after, amd.Pkru);

        LinuxTask intel = WithPkru(kernel, "intel-icelake", 0x10);
        Assert.False(intel.RoundtripSignal(static _ => { }).Killed);
        Assert.Equal(0x10u, intel.Pkru);
    }

    private static LinuxTask WithPkru(string kernel, string host, uint pkru)
    {
        LinuxTask task = new(Host(kernel, host));
        byte[] image = Get(task);
        SetPkru(task, image, pkru);
        Assert.True(task.SetXstate(image).IsSuccess);
        Assert.Equal(pkru, task.Pkru);
        return task;
    }

    private static LinuxTask Task(string kernel) => new(Host(kernel));

    private static LinuxHost Host(string kernel, string host = "intel-icelake")
    {
        Assert.True(KernelRelease.TryParse(kernel, out KernelRelease release));
        HostRecord record = new() { Name = host, Cpuid = SampleHosts.Cpuid(host), Provenance = new Provenance(FactSource.Given, "test") };
        return new LinuxHost(record, KernelBehavior.Of(release));
    }

    private static byte[] Get(LinuxTask task)
    {
        Assert.True(task.GetXstate(out byte[] image).IsSuccess);
        return image;
    }

    private static void SetPkru(LinuxTask task, byte[] image, uint value)
    {
        Assert.True(task.State.Host.Layout.TryGetSlot(StateComponent.Pkru, out XsaveSlot slot));
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(slot.Offset), value);
        ulong bv = BinaryPrimitives.ReadUInt64LittleEndian(image.AsSpan(512));
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(512), bv | 0x200);
    }

    private static uint PkruOf(LinuxTask task, byte[] image)
    {
        Assert.True(task.State.Host.Layout.TryGetSlot(StateComponent.Pkru, out XsaveSlot slot));
        return BinaryPrimitives.ReadUInt32LittleEndian(image.AsSpan(slot.Offset));
    }
}
