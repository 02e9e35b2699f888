using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Tests.Support;

namespace Xstate.Tests.Hypervisors.Linux;

/// <summary>
/// What ptrace moved up to 5.13: rules that an emulation of thirty lines proved on 5.4.0-216, 5.10.262 and 5.13.0-52 (QEMU TCG, the
/// standard format). What hosts with XSAVES did was read in the source of 5.10.
/// </summary>
public class BufferRegsetsTests
{
    private const int Software = 464;
    private const int Mxcsr = 24;
    private const int MxcsrMask = 28;
    private const int XstateBv = 512;
    private const int Xmm0 = 160;
    private const int Ymm0 = 576;

    public static TheoryData<ulong> Seeds => [.. Enumerable.Range(1, 12).Select(seed => (ulong)seed)];

    [Fact]
    public void A_read_of_NT_X86_XSTATE_puts_the_kernels_mask_where_NT_PRFPREG_finds_it()
    {
        LinuxTask task = Task();
        Assert.Equal(0UL, U64(Fpregs(task), Software));
        byte[] image = Get(task);
        Assert.Equal(0x2e7UL, U64(image, Software));
        Assert.Equal(0x2e7UL, U64(Fpregs(task), Software));

        image.AsSpan(Software, 48).Fill(0x5a);
        Assert.True(task.SetXstate(image).IsSuccess);
        Assert.Equal(0x5a5a_5a5a_5a5a_5a5aUL, U64(Fpregs(task), Software));
        Assert.Equal((0x2e7UL, 0UL), (U64(Get(task), Software), U64(Get(task), Software + 8)));
        Assert.Equal((0x2e7UL, 0UL), (U64(Fpregs(task), Software), U64(Fpregs(task), Software + 40)));
    }

    [Theory]
    [InlineData(511, false)]
    [InlineData(2695, false)]
    [InlineData(2697, false)]
    [InlineData(0, true)]
    [InlineData(8, true)]
    [InlineData(2704, true)]
    public void A_read_of_no_multiple_of_8_bytes_is_refused_before_the_buffer_is_touched(int length, bool isRead)
    {
        // Measured on 5.10.262 in the lab: the mask is in the buffer after reads of 0, 8 and 2704 bytes, and not after these.
        LinuxTask task = Task();
        Assert.Equal(isRead ? Errno.None : Errno.EINVAL, task.GetXstate(length, out byte[] image).Errno);
        Assert.Equal(isRead ? Math.Min(length, 2696) : 0, image.Length);
        Assert.Equal(isRead ? 0x2e7UL : 0, U64(Fpregs(task), Software));
        Assert.Equal(isRead ? Errno.None : Errno.EINVAL, task.GetFpregs(length, out _).Errno);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void A_bad_header_leaves_zeros_but_FCW_and_MXCSR(ulong seed)
    {
        SplitMix64 random = new(seed);
        LinuxTask task = Task();
        byte[] image = Get(task);
        random.Fill(image.AsSpan(Xmm0, 256));
        random.Fill(image.AsSpan(Ymm0, 256));
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(XstateBv), 0x207);
        Assert.True(task.SetXstate(image).IsSuccess);
        switch (seed % 3)
        {
            case 0:
                BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(XstateBv), 7 | 1UL << (19 + random.Below(40)));
                break;
            case 1:
                BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(XstateBv + 8), 1UL << random.Below(64));
                break;
            default:
                image[528 + random.Below(48)] = 1;
                break;
        }

        Assert.Equal(Errno.EINVAL, task.SetXstate(image).Errno);

        byte[] legacy = Fpregs(task);
        Assert.Equal((0x37f, 0x1f80u, 0u), (U16(legacy, 0), U32(legacy, Mxcsr), U32(legacy, MxcsrMask)));
        Assert.True(legacy.AsSpan(2, 22).IndexOfAnyExcept((byte)0) < 0 && legacy.AsSpan(32).IndexOfAnyExcept((byte)0) < 0);
        byte[] after = Get(task);
        Assert.Equal((0UL, 0u), (U64(after, XstateBv), task.Pkru));
        Assert.True(after.AsSpan(Ymm0).IndexOfAnyExcept((byte)0) < 0);
    }

    [Theory]
    [InlineData(0x3f80u, 0x3f80u)]
    [InlineData(0x10000u, 0u)]
    [InlineData(0xffff_1f80u, 0x1f80u)]
    public void MXCSR_loses_foreign_bits_and_reads_back_although_SSE_and_AVX_are_absent(uint written, uint expected)
    {
        foreach (ulong bits in (ReadOnlySpan<ulong>)[0, 1, 2, 4, 7])
        {
            LinuxTask task = Task();
            byte[] image = Get(task);
            BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(Mxcsr), written);
            BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(XstateBv), bits);
            Assert.True(task.SetXstate(image).IsSuccess);

            Assert.Equal(expected, U32(Get(task), Mxcsr));
        }
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void A_read_makes_absent_components_initial_where_the_processor_has_XSAVEOPT(ulong seed)
    {
        SplitMix64 random = new(seed);
        StateComponentSet kept = new(random.Next() & 0x207);
        foreach (bool hasXsaveopt in (ReadOnlySpan<bool>)[true, false])
        {
            LinuxTask task = Task(features: hasXsaveopt ? 1u : 0u);
            byte[] image = Get(task);
            image[8] = 0x11;
            image.AsSpan(32, 128).Fill(0x22);
            image.AsSpan(Xmm0, 256).Fill(0x33);
            image.AsSpan(Ymm0, 256).Fill(0x44);
            image.AsSpan(2688, 4).Fill(0x54);
            BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(XstateBv), kept.Bits);
            Assert.True(task.SetXstate(image).IsSuccess);

            byte[] after = Get(task);
            Check(StateComponent.X87, (after[8], after[40]), (0x11, 0x22));
            Check(StateComponent.Sse, (after[Xmm0], after[Xmm0 + 255]), (0x33, 0x33));
            Check(StateComponent.Avx, (after[Ymm0], after[Ymm0 + 255]), (0x44, 0x44));
            Check(StateComponent.Pkru, (after[2688], after[2691]), (0x54, 0x54));

            void Check(StateComponent component, (byte, byte) found, (byte, byte) written) =>
                Assert.Equal(kept.Contains(component) || !hasXsaveopt ? written : ((byte)0, (byte)0), found);
        }
    }

    [Theory]
    [InlineData(0, Errno.None)]
    [InlineData(8, Errno.None)]
    [InlineData(504, Errno.None)]
    [InlineData(512, Errno.None)]
    [InlineData(520, Errno.None)]
    [InlineData(1, Errno.EINVAL)]
    [InlineData(511, Errno.EINVAL)]
    public void NT_PRFPREG_may_be_short_and_makes_x87_and_SSE_count(int length, Errno expected)
    {
        LinuxTask task = Task();
        byte[] before = Get(task);
        BinaryPrimitives.WriteUInt64LittleEndian(before.AsSpan(XstateBv), 0);
        Assert.True(task.SetXstate(before).IsSuccess);
        byte[] image = new byte[length];
        image.AsSpan().Fill(0x77);

        Assert.Equal(expected, task.SetFpregs(image).Errno);
        Assert.Equal(expected == Errno.None ? 3UL : 0UL, U64(Get(task), XstateBv));
        if (expected == Errno.None)
        {
            byte[] after = Fpregs(task);
            Assert.Equal(length > 0 ? 0x7777 : 0x37f, U16(after, 0));
            Assert.Equal(length > 28 ? 0x7777u : 0x1f80u, U32(after, Mxcsr));
            Assert.Equal(length > 200 ? 0x77 : 0, after[200]);
        }
    }

    [Theory]
    [InlineData(0, Errno.None)]
    [InlineData(8, Errno.None)]
    [InlineData(-8, Errno.EFAULT)]
    [InlineData(-2696, Errno.EFAULT)]
    [InlineData(1, Errno.EINVAL)]
    public void NT_X86_XSTATE_must_be_whole(int difference, Errno expected)
    {
        LinuxTask task = Task();
        byte[] image = Get(task);
        Array.Resize(ref image, image.Length + difference);

        Assert.Equal(expected, task.SetXstate(image).Errno);
    }

    [Theory]
    [InlineData(0x207UL, 0x10u)]
    [InlineData(0x7UL, 0u)]
    public void PKRU_is_what_the_buffer_holds(ulong bits, uint expected)
    {
        LinuxTask task = Task();
        byte[] image = Get(task);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(2688), 0x10);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(XstateBv), bits);
        Assert.True(task.SetXstate(image).IsSuccess);
        task.View(out ThreadView? view);

        Assert.Equal((expected, expected), (task.Pkru, view!.Pkru));
    }

    [Fact]
    public void A_host_with_XSAVES_takes_the_components_of_XSTATE_BV_and_a_bad_header_still_resets()
    {
        LinuxTask task = Task(features: 0xf);
        byte[] image = Get(task);
        image[Xmm0] = 0x77;
        image.AsSpan(Software, 48).Fill(0x5a);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(Mxcsr), 0xffff_3f80);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(XstateBv), 1);
        Assert.True(task.SetXstate(image).IsSuccess);

        // MXCSR went along with x87, and is shown only with SSE or AVX; the bytes for software never reach the buffer.
        byte[] after = Get(task);
        Assert.Equal((0x1f80u, 0, 0x2e7UL), (U32(after, Mxcsr), after[Xmm0], U64(after, Software)));
        Assert.Equal((0x3f80u, 0UL), (U32(Fpregs(task), Mxcsr), U64(Fpregs(task), Software)));

        image[528] = 1;
        Assert.Equal(Errno.EINVAL, task.SetXstate(image).Errno);
        Assert.Equal((0x1f80u, 0u), (U32(Fpregs(task), Mxcsr), U32(Fpregs(task), MxcsrMask)));
    }

    [Fact]
    public void From_5_14_on_a_foreign_MXCSR_is_refused_and_the_state_stays()
    {
        LinuxTask task = Task("5.14");
        byte[] image = Get(task);
        image[Xmm0] = 0x77;
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(XstateBv), 3);
        Assert.True(task.SetXstate(image).IsSuccess);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(Mxcsr), 0x10000);

        KernelReply reply = task.SetXstate(image);
        Assert.Equal((Errno.EINVAL, "XS1506"), (reply.Errno, reply.Why!.Rule.Id));
        Assert.Equal((0x77, 0x1f80u), (Get(task)[Xmm0], U32(Get(task), Mxcsr)));
        Assert.Equal(Errno.EINVAL, task.SetFpregs(new byte[8]).Errno);
        Assert.Equal(0UL, U64(Fpregs(task), Software));
    }

    [Theory]
    [InlineData("5.10")]
    [InlineData("5.15")]
    [InlineData("6.12")]
    public void Without_XSAVE_the_registers_are_the_FXSAVE_image(string kernel)
    {
        CpuidTable cpuid = SampleHosts.Cpuid("intel-haswell");
        CpuidRegisters leaf = cpuid.Read(1);
        HostRecord record = new()
        {
            Name = "old",
            Cpuid = cpuid.With(1, 0, leaf with { Ecx = leaf.Ecx & ~(3u << 26) }),
            Provenance = new Provenance(FactSource.Given, "test"),
        };
        Assert.True(KernelRelease.TryParse(kernel, out KernelRelease release));
        LinuxTask task = new(new LinuxHost(record, KernelBehavior.Of(release)));
        byte[] image = new byte[512];
        new SplitMix64(3).Fill(image.AsSpan(32, 384));
        BinaryPrimitives.WriteUInt16LittleEndian(image, 0x27f);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(Mxcsr), 0x3fa0);
        for (int slot = 32; slot < 160; slot += 16)
        {
            image.AsSpan(slot + 10, 6).Clear();
        }

        Assert.True(task.SetFpregs(image).IsSuccess);
        task.Run();
        byte[] after = Fpregs(task);
        Assert.Equal((0x27f, 0x3fa0u), (U16(after, 0), U32(after, Mxcsr)));
        Assert.Equal(image.AsSpan(32, 384), after.AsSpan(32, 384));
        Assert.Equal(Errno.ENODEV, task.GetXstate(out _).Errno);

        // The length is looked at before anybody asks for the register set.
        Assert.Equal(Errno.EINVAL, task.GetXstate(1, out _).Errno);
        Assert.Equal(Errno.EINVAL, task.SetXstate(new byte[1]).Errno);
    }

    [Theory]
    [InlineData("5.13", 0u)]
    [InlineData("5.14", 0x5555_5554u)]
    [InlineData("5.15.87", 0x5555_5554u)]
    [InlineData("6.0.6", 0x5555_5554u)]
    [InlineData("6.0.7", 0u)]
    [InlineData("6.1.5", 0u)]
    public void PKRU_without_bit_9_is_shown_from_5_14_to_6_0_6(string kernel, uint shown)
    {
        LinuxTask task = Task(kernel);
        byte[] image = Get(task);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(XstateBv), 3);
        Assert.True(task.SetXstate(image).IsSuccess);

        byte[] after = Get(task);
        Assert.Equal((3UL, shown), (U64(after, XstateBv), U32(after, 2688)));
    }

    // A processor with the features of leaf 0xD.1 as given: XSAVEOPT alone is what QEMU's code generator and old processors have.
    private static LinuxTask Task(string kernel = "5.10.262", uint features = 1)
    {
        CpuidTable cpuid = SampleHosts.Cpuid("intel-icelake");
        CpuidRegisters leaf = cpuid.Read(CpuidTable.XsaveLeaf, 1);
        HostRecord record = new()
        {
            Name = "standard",
            Cpuid = cpuid.With(CpuidTable.XsaveLeaf, 1, leaf with { Eax = features }),
            Provenance = new Provenance(FactSource.Given, "test"),
        };
        Assert.True(KernelRelease.TryParse(kernel, out KernelRelease release));
        return new LinuxTask(new LinuxHost(record, KernelBehavior.Of(release)));
    }

    private static byte[] Get(LinuxTask task)
    {
        Assert.True(task.GetXstate(out byte[] image).IsSuccess);
        return image;
    }

    private static byte[] Fpregs(LinuxTask task)
    {
        Assert.True(task.GetFpregs(out byte[] image).IsSuccess);
        return image;
    }

    private static int U16(byte[] bytes, int offset) => BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(offset));

    private static uint U32(byte[] bytes, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(offset));

    private static ulong U64(byte[] bytes, int offset) => BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(offset));
}
