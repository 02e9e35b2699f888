using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Transforms;

namespace Xstate.Tests.Transforms;

public class RegisterEditTests
{
    private static readonly string[] Hosts = ["intel-skylake-sp", "intel-sapphire-rapids", "amd-genoa", "amd-milan", "intel-haswell"];

    [Fact]
    public void Every_register_that_a_dump_names_takes_a_value_and_no_other_register_changes()
    {
        SplitMix64 random = new(0xED17);
        int compared = 0;
        foreach (string host in Hosts)
        {
            XsaveLayout layout = Architecture.SampleHosts.Layout(host);
            StateComponentSet components = layout.UserComponents;
            for (int round = 0; round < 3; round++)
            {
                CapturedState state = RandomState(ref random, layout);
                foreach (RegisterValue register in RegisterDump.Of(state, components))
                {
                    string value = RandomValue(ref random, register);
                    CapturedState changed = RegisterEdit.Apply(state, [RegisterEdit.Parse($"{register.Name}={value}")]).Value;
                    IEnumerable<RegisterValue> expected = RegisterDump.Of(state, components).Select(r => r.Name == register.Name ? r with { Text = value } : r);
                    Assert.Equal(expected, RegisterDump.Of(changed, components));
                    Assert.True(new XsaveArea(changed.Area.Span).XstateBv.ContainsAll(new XsaveArea(state.Area.Span).XstateBv));
                    compared++;
                }
            }
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{compared} registers set");
        Assert.True(compared > 500);
    }

    [Fact]
    public void A_register_of_an_initial_component_leaves_the_rest_of_it_initial_and_not_stale()
    {
        XsaveLayout layout = Architecture.SampleHosts.Layout("intel-sapphire-rapids");
        byte[] area = new byte[layout.StandardLength];
        area.AsSpan().Fill(0xAA);
        area.AsSpan(XsaveFormat.LegacyLength, XsaveFormat.HeaderLength).Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(XsaveFormat.MxcsrOffset), 0x3f80);
        CapturedState changed = RegisterEdit.Apply(
            StateOf(area, layout), [RegisterEdit.Parse("k1=0x77"), RegisterEdit.Parse("fsw=0x1"), RegisterEdit.Parse("xmm2=0x1234")]).Value;
        Dictionary<string, string> registers = RegisterDump.Of(changed, layout.UserComponents).ToDictionary(r => r.Name, r => r.Text);
        Assert.Equal(0x23UL, new XsaveArea(changed.Area.Span).XstateBv.Bits);
        Assert.Equal("0x77", registers["k1"]);
        Assert.Equal("0x0", registers["k0"]);
        Assert.Equal("0x37f", registers["fcw"]);
        Assert.Equal("0x1", registers["fsw"]);
        Assert.Equal(new string('0', 20), registers["st3"]);
        Assert.Equal("0x3f80", registers["mxcsr"]);
        Assert.Equal("3412" + new string('0', 124), registers["zmm2"]);
        Assert.Equal(new string('0', 128), registers["zmm3"]);
    }

    [Fact]
    public void A_narrow_name_keeps_the_upper_part_and_a_wide_one_sets_it()
    {
        XsaveLayout layout = Architecture.SampleHosts.Layout("amd-genoa");
        SplitMix64 random = new(3);
        CapturedState state = RandomState(ref random, layout);
        string zmm = RegisterEdit.Parse($"zmm5={new string('0', 128)}").ReadFrom(state);
        CapturedState narrow = RegisterEdit.Apply(state, [RegisterEdit.Parse("xmm5=0x1")]).Value;
        CapturedState middle = RegisterEdit.Apply(state, [RegisterEdit.Parse("ymm5=0x1")]).Value;
        CapturedState upper = RegisterEdit.Apply(state, [RegisterEdit.Parse("xmm21=0x1")]).Value;
        RegisterEdit wide = RegisterEdit.Parse("zmm5=0x1");
        Assert.Equal("01" + new string('0', 30) + zmm[32..], wide.ReadFrom(narrow));
        Assert.Equal("01" + new string('0', 62) + zmm[64..], wide.ReadFrom(middle));
        Assert.Equal("01" + new string('0', 126), wide.ReadFrom(RegisterEdit.Apply(state, [wide]).Value));
        Assert.Equal("01" + new string('0', 30), RegisterEdit.Parse("xmm21=0x0").ReadFrom(upper));
        Assert.Equal(zmm, wide.ReadFrom(upper));
    }

    [Fact]
    public void A_wide_zero_does_not_bring_a_component_into_use_but_a_zero_PKRU_becomes_explicit()
    {
        XsaveLayout layout = Architecture.SampleHosts.Layout("intel-sapphire-rapids");
        CapturedState state = StateOf(new byte[layout.StandardLength], layout);
        Assert.Equal(2UL, new XsaveArea(RegisterEdit.Apply(state, [RegisterEdit.Parse("zmm0=0x5")]).Value.Area.Span).XstateBv.Bits);
        Assert.Equal(0x200UL, new XsaveArea(RegisterEdit.Apply(state, [RegisterEdit.Parse("pkru=0")]).Value.Area.Span).XstateBv.Bits);
    }

    [Fact]
    public void A_compacted_area_takes_the_value_where_XCOMP_BV_places_the_component()
    {
        XsaveLayout layout = Architecture.SampleHosts.Layout("intel-sapphire-rapids");
        StateComponentSet inImage = new(0x207);
        byte[] area = new byte[layout.CompactedLengthFor(inImage)];
        BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(XsaveFormat.XcompBvOffset), inImage.Bits | XsaveFormat.CompactedFlag);
        Transformed<CapturedState> changed = RegisterEdit.Apply(StateOf(area, layout), [RegisterEdit.Parse("PKRU=0x4")]);
        Assert.Equal(832, changed.Steps[0].Offset);
        Assert.Equal("pkru from 0x0 to 0x4", changed.Steps[0].Message);
        Assert.Equal(4, changed.Value.Area.Span[832]);
        RegisterEditException absent = Assert.Throws<RegisterEditException>(() => RegisterEdit.Apply(StateOf(area, layout), [RegisterEdit.Parse("k1=1")]));
        Assert.Equal("k1 belongs to the component opmask, and the area of 840 bytes has no place for it", absent.Message);
    }

    [Fact]
    public void Setting_a_register_makes_its_lost_bytes_known()
    {
        XsaveLayout layout = Architecture.SampleHosts.Layout("intel-sapphire-rapids");
        layout.TryGetSlot(StateComponent.Avx, out XsaveSlot avx);
        byte[] area = new byte[layout.StandardLength];
        area[XsaveFormat.XstateBvOffset] = 7;
        CapturedState state = StateOf(area, layout) with { Lost = [new AreaRange(avx.Offset, 64)] };
        CapturedState changed = RegisterEdit.Apply(state, [RegisterEdit.Parse("ymm1=0x" + new string('1', 64))]).Value;
        Assert.Equal([new AreaRange(avx.Offset, 16), new AreaRange(avx.Offset + 32, 32)], changed.Lost);
        Assert.DoesNotContain("?", RegisterDump.Of(changed, layout.UserComponents).Single(r => r.Name == "zmm1").Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("pkru", "'pkru' is not REGISTER=VALUE")]
    [InlineData("=1", "'=1' is not REGISTER=VALUE")]
    [InlineData("eax=1", "there is no register 'eax'; 'show' lists those of a state")]
    [InlineData("zmm32=0", "there is no register 'zmm32'; 'show' lists those of a state")]
    [InlineData("xmm03=0", "there is no register 'xmm03'; 'show' lists those of a state")]
    [InlineData("pkru=0x100000000", "pkru takes a number from 0x0 to 0xffffffff, not '0x100000000'")]
    [InlineData("ftw=256", "ftw takes a number from 0x0 to 0xff, not '256'")]
    [InlineData("mxcsr=1f80", "mxcsr takes a number from 0x0 to 0xffffffff, not '1f80'")]
    [InlineData("mxcsr=0x", "mxcsr takes a number from 0x0 to 0xffffffff, not '0x'")]
    [InlineData("xmm0=12", "xmm0 takes 16 bytes in memory order as hexadecimal digits, or a number behind 0x; '12' is neither")]
    [InlineData("xmm0=0xg", "xmm0 takes a number of at most 32 hexadecimal digits, not '0xg'")]
    [InlineData("xmm0=0x123456789012345678901234567890123", "xmm0 takes a number of at most 32 hexadecimal digits, not '0x123456789012345678901234567890123'")]
    [InlineData("tilecfg=0x1", "tilecfg takes its bytes in memory order, without 0x")]
    [InlineData("tilecfg=", "tilecfg takes its bytes in memory order as hexadecimal digits, or a number behind 0x; '' is neither")]
    public void What_is_no_register_or_no_value_is_said(string text, string message) =>
        Assert.Equal(message, Assert.Throws<RegisterEditException>(() => RegisterEdit.Parse(text)).Message);

    private static CapturedState StateOf(byte[] area, XsaveLayout layout) =>
        new() { Id = 0, Area = area, Layout = new Fact<XsaveLayout>(layout, FactSource.Given, "test") };

    // Components are in use or not, and bytes of those that are not are stale.
    private static CapturedState RandomState(ref SplitMix64 random, XsaveLayout layout)
    {
        byte[] area = new byte[layout.StandardLength];
        random.Fill(area);
        area.AsSpan(XsaveFormat.LegacyLength, XsaveFormat.HeaderLength).Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(XsaveFormat.XstateBvOffset), random.Next() & layout.UserComponents.Bits);
        return StateOf(area, layout);
    }

    private static string RandomValue(ref SplitMix64 random, RegisterValue register)
    {
        if (!register.Text.StartsWith("0x", StringComparison.Ordinal))
        {
            byte[] bytes = new byte[register.Text.Length / 2];
            random.Fill(bytes);
            return Convert.ToHexStringLower(bytes);
        }

        int bytesOfValue = register.Name switch { "ftw" => 1, "fcw" or "fsw" or "fop" => 2, "mxcsr" or "pkru" => 4, _ => 8 };
        return $"0x{random.Next() >> (64 - (bytesOfValue * 8)):x}";
    }
}
