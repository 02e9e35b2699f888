using System.Buffers.Binary;
using System.Runtime.Intrinsics;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Tests.Artifacts.ElfCore;
using Xstate.Tests.Support;

namespace Xstate.Tests.Captures;

public class StateRegistersTests
{
    [Fact]
    public void Every_register_reads_as_the_bytes_that_the_dump_prints()
    {
        SplitMix64 random = new(21);
        foreach (LayoutFamily family in LayoutFamily.All)
        {
            StateComponentSet components = family.Layout.UserComponents | StateComponentSet.Legacy;
            for (int i = 0; i < 20; i++)
            {
                CapturedState state = State(ref random, family.Layout, components);
                foreach (RegisterValue register in RegisterDump.Of(state, state.Components))
                {
                    byte[] bytes = new byte[state.LengthOfRegister(register.Name)];
                    Assert.True(state.TryReadRegister(register.Name, bytes, out RegisterKnowledge knowledge));
                    string text = register.Text.StartsWith("0x", StringComparison.Ordinal)
                        ? $"0x{Convert.ToHexStringLower([.. bytes.Reverse()]).TrimStart('0').PadLeft(1, '0')}"
                        : Convert.ToHexStringLower(bytes);
                    Assert.Equal(register.Text, text);
                    bool live = register.Name == "mxcsr" || new XsaveArea(state.Area.Span).XstateBv.Contains(register.Component);
                    Assert.True(!live || knowledge == RegisterKnowledge.Stored, register.Name);
                }
            }
        }
    }

    [Fact]
    public void Vectors_and_extended_numbers_are_typed()
    {
        byte[] area = ProcessFiles.AvxArea(3);
        CapturedState state = CoreSamples.Open(ProcessFiles.Kernel(area).Build()).Capture!.States[0];
        Assert.True(state.TryReadRegister("ymm5", out Vector256<float> ymm, out RegisterKnowledge knowledge));
        Assert.Equal(RegisterKnowledge.Stored, knowledge);
        Assert.Equal(BinaryPrimitives.ReadInt32LittleEndian(area.AsSpan(160 + 80)), BitConverter.SingleToInt32Bits(ymm[0]));
        Assert.Equal(BinaryPrimitives.ReadInt32LittleEndian(area.AsSpan(576 + 80)), BitConverter.SingleToInt32Bits(ymm[4]));
        Assert.True(state.TryReadRegister("xmm5", out Vector128<ulong> xmm, out _));
        Assert.Equal(BinaryPrimitives.ReadUInt64LittleEndian(area.AsSpan(160 + 88)), xmm[1]);
        Assert.False(state.TryReadRegister("zmm5", out Vector512<byte> _, out RegisterKnowledge absent));
        Assert.Equal(RegisterKnowledge.Absent, absent);
        Assert.True(state.TryReadRegister("st2", out Float80 st, out _));
        Assert.Equal(Float80.Read(area.AsSpan(64)), st);
        Assert.Throws<ArgumentException>(() => state.TryReadRegister("ymm5", out Vector128<byte> _, out _));
        Assert.Throws<ArgumentException>(() => state.TryReadRegister("ymm5", new byte[31], out _));
        Assert.False(state.TryReadRegister("eax", new byte[8], out RegisterKnowledge none));
        Assert.Equal(RegisterKnowledge.Absent, none);
    }

    [Fact]
    public void Lost_initial_and_unrecorded_registers_are_told_apart()
    {
        byte[] area = ProcessFiles.WideArea(4);
        CapturedState state = CoreSamples.Open(ProcessFiles.WithShadowStack(area,
            8)).Capture!.States[0] with
        { Lost = [new AreaRange(160, 1)] };
        byte[] bytes = new byte[64];
        Assert.False(state.TryReadRegister("zmm0", bytes, out RegisterKnowledge lost));
        Assert.Equal((RegisterKnowledge.Lost, (byte)0, area[161]), (lost, bytes[0], bytes[1]));
        Assert.True(state.TryReadRegister("k3", out ulong k3, out RegisterKnowledge initial));
        Assert.Equal((0UL, RegisterKnowledge.Initial), (k3, initial));

        // In use by XSTATE_BV, but the area ends before its place.
        byte[] cut = area[..1000];
        cut[512] = 0xE7;
        CapturedState shortened = state with { Area = cut, Lost = [] };
        Assert.False(shortened.TryReadRegister("k3", out ulong _, out RegisterKnowledge missing));
        Assert.Equal(RegisterKnowledge.NotRecorded, missing);
        Assert.Equal("ymm3", RegisterDump.Of(shortened, shortened.Components)
            .Single(register => register.Name.EndsWith("mm3", StringComparison.Ordinal)).Name);
    }

    [Theory]
    [InlineData("zmm5,pkru", "zmm5 pkru")]
    [InlineData("ZMM30-zmm31, k0-1", "zmm30 zmm31 k0 k1")]
    [InlineData("st6..st7,mxcsr,mxcsr", "st6 st7 mxcsr")]
    [InlineData("bnd", "bnd0 bnd1 bnd2 bnd3")]
    [InlineData("opmask", "k0 k1 k2 k3 k4 k5 k6 k7")]
    [InlineData("ia32_efer,msr:0x48,msr:0x123456", "ia32_efer ia32_spec_ctrl msr 0x123456")]
    [InlineData("ssp,tilecfg", "ssp tilecfg")]
    public void Registers_are_chosen_by_names_ranges_families_and_components(string text, string names) =>
        Assert.Equal(names, string.Join(' ', RegisterSelection.Parse(text).Names));

    [Theory]
    [InlineData("eax", "there is no register 'eax'; 'show' lists those of a state")]
    [InlineData("zmm5-zmm40", "'zmm5-zmm40' is no range of registers, such as zmm5-zmm9")]
    [InlineData("st5-st9", "there is no register 'st8' of the range 'st5-st9'")]
    [InlineData("zmm9-zmm5", "'zmm9-zmm5' is no range of registers, such as zmm5-zmm9")]
    public void What_is_no_register_is_said(string text, string message) =>
        Assert.Equal(message, Assert.Throws<FormatException>(() => RegisterSelection.Parse(text)).Message);

    [Fact]
    public void The_components_of_vectors_list_the_names_that_end_with_them()
    {
        Assert.Equal(["mxcsr", .. Enumerable.Range(0, 16).Select(i => $"xmm{i}")], RegisterSelection.Parse("sse").Names);
        Assert.Equal(Enumerable.Range(0, 16).Select(i => $"ymm{i}"), RegisterSelection.Parse("avx").Names);
        Assert.Equal(Enumerable.Range(16, 16).Select(i => $"zmm{i}"), RegisterSelection.Parse("hi16_zmm").Names);
    }

    private static CapturedState State(ref SplitMix64 random, XsaveLayout layout, StateComponentSet components)
    {
        byte[] area = new byte[layout.StandardLengthFor(components)];
        random.Fill(area);
        area.AsSpan(464, 112).Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(512), random.Next() & components.Bits);
        return new CapturedState { Id = 1, Area = area, Layout = new Fact<XsaveLayout>(layout, FactSource.Given, "test") };
    }
}
