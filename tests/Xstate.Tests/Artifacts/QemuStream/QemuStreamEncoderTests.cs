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
        foreach (byte[] stream in new[] { StreamBuilder.Tcg(), StreamBuilder.Kvm(),
            new StreamBuilder().Cpu(everything).Device("kvmclock", 0, 8).Build([]) })
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
        byte[] stream = new StreamBuilder().Timer().Cpu(new BuiltCpu(5, 0xE7, 0xE7) { VectorBytes = 16 }).Device("kvmclock", 0, 8)
            .Build([]);
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

    [Theory]
    [InlineData("cpu/pkru", 2688, 9)]
    [InlineData("cpu/avx512", 1088, 5)]
    [InlineData("cpu/avx512", 1664 + 1023, 7)]
    [InlineData("cpu/mpx", 960 + 63, 3)]
    [InlineData("cpu/fpop_ip_dp", 6, 0)]
    public void A_value_whose_subsection_is_missing_gets_one_and_the_stream_keeps_its_length(string subsection, int offset, int component)
    {
        // Two virtual CPUs, the first of which has no subsections and the second other ones; devices before, between and behind them.
        StreamBuilder builder = new StreamBuilder().Timer().Cpu(new BuiltCpu(5, 0x2FF, 7) { VectorBytes = 32 });
        builder = builder.Device("between", 1, 64).Cpu(new BuiltCpu(6, 0x2FF, 7) { VectorBytes = 32, Xss = 0x800, InstanceId = 1 })
            .Device("kvmclock", 0, 8);

        // As many as a machine has: it is their blanks that make room.
        for (int i = 0; i < 300; i++)
        {
            builder = builder.Device("device", (uint)i, 4);
        }

        for (int i = 0; i < 2; i++)
        {
            byte[] stream = WithBlanks(builder.Build(new byte[5000]));
            Artifact before = Open(stream);
            CapturedState[] wanted = [.. before.Capture!.States];
            wanted[i] = WithBytes(WithBytes(wanted[i], offset, [0x5A]), 512 + (component / 8),
                [(byte)(new XsaveArea(wanted[i].Area.Span).XstateBv.Bits >> (component / 8 * 8) | 1UL << (component % 8))]);
            using MemoryStream written = new();
            PatchedCopy.Write(new MemoryStream(stream),
                before.Encode(before.Capture with { States = [.. wanted] }, new MemoryStream(stream)), written);
            Artifact after = Open(written.ToArray());
            Assert.Equal(stream.Length, written.Length);
            Assert.Equal(0x5A, after.Capture!.States[i].Area.Span[offset]);
            Assert.Equal(before.Capture.States[1 - i].Area.ToArray(), after.Capture.States[1 - i].Area.ToArray());
            Assert.Equal(before.Capture.States[1].Xss!.Value, after.Capture.States[1].Xss!.Value);
            Assert.DoesNotContain(after.Findings, finding => finding.Rule.Id == "XS0906");
            Assert.Contains(subsection, System.Text.Encoding.Latin1.GetString(written.ToArray()), StringComparison.Ordinal);
            Assert.Empty(after.Encode(after.Capture, written));
        }
    }

    [Fact]
    public void Xss_and_xfd_get_their_subsections_and_other_msrs_are_refused()
    {
        byte[] stream = StreamBuilder.Kvm();
        byte[] changed = Apply(stream, state => state with
        {
            Xfd = state.Xfd! with { Value = new StateComponentSet(0x40000) },
            Xss = state.Xss! with { Value = new StateComponentSet(0x800) }
        });
        CapturedState after = Open(changed).Capture!.States[0];
        Assert.Equal((0x40000UL, 0x800UL), (after.Xfd!.Value.Bits, after.Xss!.Value.Bits));

        // The description had no blanks to give away.
        Assert.True(changed.Length > stream.Length);
        Assert.Throws<NotSupportedException>(() => Encode(stream, state => state with { Msrs = state.Msrs.SetItem(0x277, 1) }));
    }

    [Fact]
    public void Tiles_without_their_subsection_have_no_place()
    {
        byte[] stream = new StreamBuilder().Cpu(new BuiltCpu(5, 0x602E7, 7) { VectorBytes = 32 }).Device("kvmclock", 0, 8).Build([]);
        NotSupportedException error = Assert.Throws<NotSupportedException>(() => Encode(stream,
            state => WithBytes(WithBytes(state, 2752, [1]), 514, [6])));
        Assert.Contains("cpu/intel_amx_xtile", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_clock_device_is_cut_out_with_its_entry_and_nothing_else()
    {
        byte[] stream = new StreamBuilder().Timer().Device("kvmclock", 0, 8).Cpu(new BuiltCpu(5, 7, 7) { VectorBytes = 32 })
            .Device("other", 0, 8).Build([]);
        byte[] changed = Apply(stream, state => state with { Stored = state.Stored! with { NeedsKvm = false } });
        Assert.Equal(stream.Length, changed.Length);
        Assert.DoesNotContain("kvmclock", System.Text.Encoding.Latin1.GetString(changed), StringComparison.Ordinal);
        Artifact after = Open(changed);
        Assert.False(after.Capture!.States[0].Stored!.NeedsKvm);
        Assert.Equal(Open(stream).Capture!.States[0].Area.ToArray(), after.Capture.States[0].Area.ToArray());
        Assert.DoesNotContain(after.Findings, finding => finding.Rule.Id == "XS0906");
        Assert.Contains("other", System.Text.Encoding.Latin1.GetString(changed), StringComparison.Ordinal);
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
        byte[] stream = new StreamBuilder().Cpu(new BuiltCpu(7, 0x602FF, 0x602FF) { Avx512 = true, Mpx = true, Amx = true, Pkru = 0xC })
            .Device("kvmclock", 0, 8).Build([]);
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
            Assert.Equal(RegisterDump.Read(wanted.Area.Span, wanted.Layout!.Value, wanted.Layout.Value.UserComponents),
                RegisterDump.Read(back.Area.Span, back.Layout!.Value, wanted.Layout.Value.UserComponents));
        }

        output.WriteLine($"{count} random states of {Open(stream).Capture!.States[0].Area.Length} bytes");
    }

    // The description as QEMU writes it: with a blank behind every comma and colon.
    private static byte[] WithBlanks(byte[] stream)
    {
        int text = stream.AsSpan().LastIndexOf("{\"page_size"u8);
        string spaced = System.Text.Encoding.ASCII.GetString(stream[text..]).Replace(",\"", ", \"", StringComparison.Ordinal)
            .Replace(":", ": ", StringComparison.Ordinal).Replace("},{", "}, {", StringComparison.Ordinal);
        byte[] length = BitConverter.GetBytes(spaced.Length);
        Array.Reverse(length);
        return [.. stream[..(text - 4)], .. length, .. System.Text.Encoding.ASCII.GetBytes(spaced)];
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
