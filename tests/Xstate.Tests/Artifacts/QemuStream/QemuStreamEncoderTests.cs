using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts.QemuStream;

/// <summary>Changed registers go back into the same bytes of the stream, and nothing else changes.</summary>
public class QemuStreamEncoderTests(ITestOutputHelper output)
{
    [Fact]
    public void An_unchanged_stream_needs_no_patch()
    {
        BuiltCpu everything = new(7, 0x602FF, 0x602FF) { Avx512 = true, Mpx = true, Amx = true, Pkru = 0xC, Xfd = 0x40000, Xss = 0x1800 };
        foreach (byte[] stream in new[] { StreamBuilder.Tcg(), StreamBuilder.Kvm(), new StreamBuilder().Cpu(everything).Device("kvmclock", 0, 8).Build([]) })
        {
            Assert.Empty(Encode(stream, state => state));
        }
    }

    [Fact]
    public void Xstate_bv_and_xcr0_are_sixteen_bytes_in_place()
    {
        byte[] stream = StreamBuilder.Tcg();
        byte[] changed = Apply(stream, state => state with
        {
            Xcr0 = state.Xcr0! with { Value = new StateComponentSet(7) },
            Stored = state.Stored! with { XstateBv = new Fact<StateComponentSet>(new StateComponentSet(7), FactSource.Given, "test") },
        });
        int[] differing = [.. Enumerable.Range(0, stream.Length).Where(i => stream[i] != changed[i])];
        Assert.Equal(stream.Length, changed.Length);
        Assert.Equal(2, differing.Length);
        int xcr0 = stream.AsSpan().LastIndexOf((ReadOnlySpan<byte>)[0, 0, 0, 0, 0, 0, 2, 7, 0, 0, 0, 0, 0, 0, 0, 0]);
        Assert.Equal([xcr0 + 6, xcr0 + 15], differing);
        CapturedState again = Open(changed).Capture!.States[0];
        Assert.Equal((7UL, 7UL), (again.Xcr0!.Value.Bits, again.Stored!.XstateBv.Value.Bits));
    }

    [Fact]
    public void Turning_the_x87_order_moves_the_eight_registers_and_reads_back_the_same()
    {
        byte[] stream = StreamBuilder.Tcg();
        byte[] turned = Apply(stream, state => state with
        {
            Stored = state.Stored! with
            {
                XstateBv = new Fact<StateComponentSet>(new StateComponentSet(0x207), FactSource.Given, "test"),
                X87Order = new Fact<X87Order>(X87Order.StackTop, FactSource.Given, "test"),
            },
        });
        CapturedState before = Open(stream).Capture!.States[0];
        CapturedState after = Open(turned).Capture!.States[0];
        Assert.Equal((X87Order.Physical, X87Order.StackTop), (before.Stored!.X87Order.Value, after.Stored!.X87Order.Value));
        Assert.Equal(SeededGuest.Of(before, new StateComponentSet(0x207)), SeededGuest.Of(after, new StateComponentSet(0x207)));
    }

    [Fact]
    public void A_lost_register_cannot_be_given_a_value_that_would_make_the_others_look_known()
    {
        byte[] stream = new StreamBuilder().Timer().Cpu(new BuiltCpu(5, 0xE7, 0xE7) { VectorBytes = 16 }).Device("kvmclock", 0, 8).Build([]);
        CapturedState damaged = Open(stream).Capture!.States[0];
        Assert.NotEmpty(damaged.Lost);
        int lost = damaged.Lost[0].Offset;
        Assert.Throws<NotSupportedException>(() => Encode(stream, state => WithBytes(state, lost, [1])));
        Assert.Throws<NotSupportedException>(() => Encode(stream, state => WithBytes(state, lost, [1]) with { Lost = [] }));
        CapturedState after = Open(Apply(stream, state => WithBytes(state, XsaveFormat.XmmOffset, [0xA5]))).Capture!.States[0];
        Assert.Equal(damaged.Lost, after.Lost);
        Assert.Equal(0xA5, after.Area.Span[XsaveFormat.XmmOffset]);
    }

    [Theory]
    [InlineData("mxcsr", 24, 4)]
    [InlineData("fcw", 0, 2)]
    [InlineData("st7", 32 + 112, 10)]
    [InlineData("xmm15", 160 + 240, 16)]
    [InlineData("ymm3", 576 + 48, 16)]
    [InlineData("k7", 1088 + 56, 8)]
    [InlineData("zmm2", 1152 + 64, 32)]
    [InlineData("zmm31", 1664 + 960, 64)]
    public void A_register_that_is_set_reads_back(string register, int offset, int length)
    {
        byte[] value = [.. Enumerable.Range(1, length).Select(i => (byte)i)];
        byte[] stream = StreamBuilder.Kvm();
        byte[] changed = Apply(stream, state => WithBytes(state, offset, value));
        CapturedState after = Open(changed).Capture!.States[0];
        Assert.Equal(value, after.Area.Slice(offset, length).ToArray());
        Assert.Empty(Encode(changed, state => state));
        Assert.True(stream.Length == changed.Length, register);
    }

    [Fact]
    public void What_has_no_subsection_has_no_place()
    {
        byte[] stream = new StreamBuilder().Cpu(new BuiltCpu(5, 0x2E7, 7) { VectorBytes = 32 }).Device("kvmclock", 0, 8).Build([]);
        NotSupportedException error = Assert.Throws<NotSupportedException>(() => Encode(stream, state => WithBytes(WithBytes(state, 2688, [4]), 513, [2])));
        Assert.Contains("pkru 0x4", error.Message, StringComparison.Ordinal);
        Assert.Contains("cpu/pkru", error.Message, StringComparison.Ordinal);
        Assert.Contains("cpu/fpop_ip_dp", Assert.Throws<NotSupportedException>(() => Encode(stream, state => WithBytes(state, 6, [4]))).Message, StringComparison.Ordinal);
        Assert.Contains("cpu/msr_xfd", Assert.Throws<NotSupportedException>(() => Encode(stream, state => state with { Xfd = state.Xfd! with { Value = new StateComponentSet(1) } })).Message, StringComparison.Ordinal);
        Assert.Throws<NotSupportedException>(() => Encode(stream, state => state with { Msrs = state.Msrs.SetItem(0x277, 1) }));
    }

    [Fact]
    public void Under_kvm_a_component_that_comes_into_use_gets_its_bit_and_under_tcg_the_field_stays_zero()
    {
        byte[] kvm = new StreamBuilder().Cpu(new BuiltCpu(5, 7, 3) { VectorBytes = 16 }).Device("kvmclock", 0, 8).Build([]);
        byte[] changed = Apply(kvm, state => WithBytes(WithBytes(state, 576, [9]), 512, [7]));
        Assert.Equal(7UL, Open(changed).Capture!.States[0].Stored!.XstateBv.Value.Bits);
        byte[] tcg = Apply(StreamBuilder.Tcg(), state => WithBytes(state, 576, [9]));
        Assert.Equal(0UL, Open(tcg).Capture!.States[0].Stored!.XstateBv.Value.Bits);
    }

    [Fact]
    public void Any_registers_go_into_a_stream_and_come_back()
    {
        int count = (int)Math.Max(20, 400 * Repository.Scale);
        SplitMix64 random = new(0x5EED_0906);
        byte[] stream = new StreamBuilder().Cpu(new BuiltCpu(7, 0x602FF, 0x602FF) { Avx512 = true, Mpx = true, Amx = true, Pkru = 0xC }).Device("kvmclock", 0, 8).Build([]);
        for (int i = 0; i < count; i++)
        {
            CapturedState wanted = Open(stream).Capture!.States[0];
            byte[] area = wanted.Area.ToArray();
            foreach ((int from, int to) in new[] { (0, 5), (24, 28), (160, 416), (576, 1040), (1088, 2692), (2752, area.Length) })
            {
                random.Fill(area.AsSpan(from, to - from));
            }

            for (int st = 0; st < 8; st++)
            {
                random.Fill(area.AsSpan(32 + (16 * st), 10));
            }

            wanted = wanted with { Area = area };
            CapturedState back = Open(Apply(stream, _ => wanted)).Capture!.States[0];
            Assert.Equal(RegisterDump.Read(wanted.Area.Span, wanted.Layout!.Value, wanted.Layout.Value.UserComponents), RegisterDump.Read(back.Area.Span, back.Layout!.Value, wanted.Layout.Value.UserComponents));
        }

        output.WriteLine($"{count} random states of {Open(stream).Capture!.States[0].Area.Length} bytes");
    }

    private static CapturedState WithBytes(CapturedState state, int offset, byte[] bytes)
    {
        byte[] area = state.Area.ToArray();
        bytes.CopyTo(area, offset);
        return state with { Area = area };
    }

    private static Artifact Open(byte[] stream) => Artifact.Open(new MemoryStream(stream));

    private static ImmutableArray<ArtifactPatch> Encode(byte[] stream, Func<CapturedState, CapturedState> change)
    {
        Artifact artifact = Open(stream);
        Capture capture = artifact.Capture!;
        return artifact.Encode(capture with { States = [.. capture.States.Select(change)] }, new MemoryStream(stream));
    }

    private static byte[] Apply(byte[] stream, Func<CapturedState, CapturedState> change)
    {
        using MemoryStream output = new();
        PatchedCopy.Write(new MemoryStream(stream), Encode(stream, change), output);
        return output.ToArray();
    }
}
