using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Tests.Support;
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
            XsaveLayout layout = SampleHosts.Layout(host);
            StateComponentSet components = layout.UserComponents;
            for (int round = 0; round < 3; round++)
            {
                CapturedState state = RandomState(ref random, layout);
                foreach (RegisterValue register in RegisterDump.Of(state, components))
                {
                    string value = RandomValue(ref random, register);
                    CapturedState changed = RegisterEdit.Apply(state, [RegisterEdit.Parse($"{register.Name}={value}")]).Value;
                    IEnumerable<RegisterValue> expected = RegisterDump.Of(state, components)
                        .Select(r => r.Name == register.Name ? r with { Text = value } : r);
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
        XsaveLayout layout = SampleHosts.Layout("intel-sapphire-rapids");
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
        XsaveLayout layout = SampleHosts.Layout("amd-genoa");
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
        XsaveLayout layout = SampleHosts.Layout("intel-sapphire-rapids");
        CapturedState state = StateOf(new byte[layout.StandardLength], layout);
        Assert.Equal(2UL, new XsaveArea(RegisterEdit.Apply(state, [RegisterEdit.Parse("zmm0=0x5")]).Value.Area.Span).XstateBv.Bits);
        Assert.Equal(0x200UL, new XsaveArea(RegisterEdit.Apply(state, [RegisterEdit.Parse("pkru=0")]).Value.Area.Span).XstateBv.Bits);
    }

    [Fact]
    public void A_compacted_area_takes_the_value_where_XCOMP_BV_places_the_component()
    {
        XsaveLayout layout = SampleHosts.Layout("intel-sapphire-rapids");
        StateComponentSet inImage = new(0x207);
        byte[] area = new byte[layout.CompactedLengthFor(inImage)];
        BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(XsaveFormat.XcompBvOffset), inImage.Bits | XsaveFormat.CompactedFlag);
        Transformed<CapturedState> changed = RegisterEdit.Apply(StateOf(area, layout), [RegisterEdit.Parse("PKRU=0x4")]);
        Assert.Equal(832, changed.Steps[0].Offset);
        Assert.Equal("pkru from 0x0 to 0x4", changed.Steps[0].Message);
        Assert.Equal(4, changed.Value.Area.Span[832]);
        RegisterEditException absent = Assert.Throws<RegisterEditException>(() => RegisterEdit.Apply(StateOf(area, layout),
            [RegisterEdit.Parse("k1=1")]));
        Assert.Equal("k1 belongs to the component opmask, and the area of 840 bytes has no place for it", absent.Message);
    }

    [Fact]
    public void Setting_a_register_makes_its_lost_bytes_known()
    {
        XsaveLayout layout = SampleHosts.Layout("intel-sapphire-rapids");
        layout.TryGetSlot(StateComponent.Avx, out XsaveSlot avx);
        byte[] area = new byte[layout.StandardLength];
        area[XsaveFormat.XstateBvOffset] = 7;
        CapturedState state = StateOf(area, layout) with { Lost = [new AreaRange(avx.Offset, 64)] };
        CapturedState changed = RegisterEdit.Apply(state, [RegisterEdit.Parse("ymm1=0x" + new string('1', 64))]).Value;
        Assert.Equal([new AreaRange(avx.Offset, 16), new AreaRange(avx.Offset + 32, 32)], changed.Lost);
        Assert.DoesNotContain("?", RegisterDump.Of(changed, layout.UserComponents).Single(r => r.Name == "zmm1").Text,
            StringComparison.Ordinal);
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
    [InlineData("xmm0=0x123456789012345678901234567890123",
        "xmm0 takes a number of at most 32 hexadecimal digits, not '0x123456789012345678901234567890123'")]
    [InlineData("mxcsr=+rc",
        "mxcsr takes a number or changes such as +ie, +de, +ze, +oe, +ue, +pe, +daz, +im, +dm, +zm, +om, +um, +pm, "
        + "rc:nearest|down|up|zero, +ftz, +mm, each once, not '+rc'")]
    [InlineData("mxcsr=+ftz,-ftz",
        "mxcsr takes a number or changes such as +ie, +de, +ze, +oe, +ue, +pe, +daz, +im, +dm, +zm, +om, +um, +pm, "
        + "rc:nearest|down|up|zero, +ftz, +mm, each once, not '-ftz'")]
    [InlineData("fsw=top:8",
        "fsw takes a number or changes such as +ie, +de, +ze, +oe, +ue, +pe, +sf, +es, +c0, +c1, +c2, "
        + "top:N, +c3, +b, each once, not 'top:8'")]
    [InlineData("zmm5.f32=1,2", "zmm5.f32 takes 16 values, lowest element first, not 2; zmm5.f32[0]= sets one, zmm5.f32[*]= all")]
    [InlineData("zmm5.f32[16]=1", "zmm5.f32 has the elements 0 to 15, not '16'")]
    [InlineData("zmm5.f32[0]=1,2", "zmm5.f32[0] takes one value, not 2")]
    [InlineData("zmm5.f16[0]=1",
        "there is no view 'f16'; there are f32, f64, i8, u8, x8, i16, u16, x16, i32, u32, x32, i64, u64, x64, bytes")]
    [InlineData("xmm0.f32[0]=many", "'many' is no f32")]
    [InlineData("xmm0.i8[0]=-129", "'-129' is no i8")]
    [InlineData("st0.f32[0]=1", "st0 does not consist of elements of f32")]
    [InlineData("tilecfg=0x1", "tilecfg takes its bytes in memory order, without 0x")]
    [InlineData("tilecfg=", "tilecfg takes its bytes in memory order as hexadecimal digits, or a number behind 0x; '' is neither")]
    public void What_is_no_register_or_no_value_is_said(string text, string message) =>
        Assert.Equal(message, Assert.Throws<RegisterEditException>(() => RegisterEdit.Parse(text)).Message);

    // MXCSR 0x1f80, FCW 0x37f, FSW 0, PKRU 0x55555554 and zeros elsewhere: what a fresh thread has.
    [Theory]
    [InlineData("mxcsr=+ftz,-dm", "0x9e80")]
    [InlineData("mxcsr=rc:down", "0x3f80")]
    [InlineData("mxcsr=RC:Zero,+DAZ", "0x7fc0")]
    [InlineData("mxcsr=-im,-dm,-zm,-om,-um,-pm", "0x0")]
    [InlineData("mxcsr=8064", "0x1f80")]
    [InlineData("fcw=pc:double", "0x27f")]
    [InlineData("fcw=-zm,rc:up", "0xb7b")]
    [InlineData("fsw=top:5,+c3", "0x6800")]
    [InlineData("pkru=key1:ro", "0x55555558")]
    [InlineData("pkru=key1:rw,key15:ro", "0x95555550")]
    [InlineData("pkru=key0:none", "0x55555555")]
    [InlineData("st0=3.14", "c3f5285c8fc2f5c80040")]
    [InlineData("st0=-0", "00000000000000000080")]
    [InlineData("st7=1", "0000000000000080ff3f")]
    [InlineData("st3=-inf", "0000000000000080ffff")]
    [InlineData("st3=0102030405060708ff3f", "0102030405060708ff3f")]
    [InlineData("xmm1.f32=1,-2,0.5,inf", "0000803f000000c00000003f0000807f")]
    [InlineData("xmm1.f64=3.14,-nan(0x1)", "1f85eb51b81e0940010000000000f0ff")]
    [InlineData("xmm1.i16=1,-1,2,-2,3,-3,32767,-32768", "0100ffff0200feff0300fdffff7f0080")]
    [InlineData("xmm1.x32[2]=0xdeadbeef", "0000000000000000efbeadde00000000")]
    [InlineData("ymm1.u64[*]=1", "0100000000000000010000000000000001000000000000000100000000000000")]
    [InlineData("zmm5.f32[15]=1.5",
        "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000c03f")]
    public void A_value_is_typed_as_people_write_it(string text, string expected)
    {
        XsaveLayout layout = SampleHosts.Layout("intel-sapphire-rapids");
        byte[] area = new byte[layout.StandardLength];
        BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(XsaveFormat.XstateBvOffset), layout.UserComponents.Bits);
        CapturedState fresh = RegisterEdit.Apply(
            StateOf(area, layout), [RegisterEdit.Parse("mxcsr=0x1f80"), RegisterEdit.Parse("fcw=0x37f"),
                RegisterEdit.Parse("pkru=0x55555554")]).Value;
        RegisterEdit edit = RegisterEdit.Parse(text);
        CapturedState changed = RegisterEdit.Apply(fresh, [edit]).Value;
        Assert.Equal(expected, edit.ReadFrom(changed));

        // Nothing else moves, whatever name the register goes by.
        string[] Others(CapturedState state) =>
        [
            .. RegisterDump.Of(state, layout.UserComponents).Where(register =>
                register.Name.TrimStart('x', 'y', 'z') != edit.Register.TrimStart('x', 'y', 'z'))
                .Select(register => $"{register.Name}={register.Text}"),
        ];
        Assert.Equal(Others(fresh), Others(changed));
    }

    [Fact]
    public void A_field_or_an_element_that_is_set_leaves_every_other_bit_of_its_register()
    {
        SplitMix64 random = new(0xF1E1D);
        XsaveLayout layout = SampleHosts.Layout("intel-sapphire-rapids");
        for (int round = 0; round < 200; round++)
        {
            CapturedState state = RandomState(ref random, layout);
            string register = random.Pick("mxcsr", "fcw", "fsw", "pkru");
            RegisterField field = random.Pick([.. RegisterFields.Of(register)]);
            ulong value = random.Next() & (field.Mask >> field.Shift);
            string named = field.IsFlag ? (value == 0 ? "-" : "+") + field.Name
                : field.Values.IsEmpty ? $"{field.Name}:{value}" : $"{field.Name}:{field.Values[(int)value]}";
            ulong before = Number(RegisterEdit.Read(register, state));
            ulong after = Number(RegisterEdit.Read(register, RegisterEdit.Apply(state, [RegisterEdit.Parse($"{register}={named}")]).Value));
            Assert.Equal(before & ~field.Mask, after & ~field.Mask);
            ulong found = (after & field.Mask) >> field.Shift;
            Assert.Equal(field.Values.IsEmpty ? value.ToString(System.Globalization.CultureInfo.InvariantCulture)
                : field.Values[(int)value],
                field.Values.IsEmpty ? found.ToString(System.Globalization.CultureInfo.InvariantCulture) : field.Values[(int)found]);

            ElementView view = random.Pick([.. ElementView.All]);
            string vector = random.Pick("xmm3", "ymm3", "zmm3", "zmm20");
            int count = (vector[0] switch { 'x' => 16, 'y' => 32, _ => 64 }) / view.Size;
            int index = random.Below(count);
            byte[] bytes = Convert.FromHexString(RegisterEdit.Read(vector, state));
            byte[] element = new byte[view.Size];
            random.Fill(element);
            element.CopyTo(bytes, index * view.Size);
            CapturedState changed = RegisterEdit.Apply(state,
                [RegisterEdit.Parse($"{vector}.{view.Name}[{index}]={view.Format(element)}")]).Value;
            Assert.Equal(Convert.ToHexStringLower(bytes), RegisterEdit.Read(vector, changed));
        }

        static ulong Number(string text) => Convert.ToUInt64(text, 16);
    }

    [Fact]
    public void A_shadow_stack_pointer_has_no_place_in_the_area_and_is_set_where_the_layout_is_a_guess()
    {
        XsaveLayout layout = SampleHosts.Layout("amd-genoa");
        byte[] area = new byte[layout.StandardLength];
        area[XsaveFormat.XstateBvOffset] = 7;
        CapturedState guessed = StateOf(area, layout) with { Layout = new Fact<XsaveLayout>(layout, FactSource.Guess, "test") };
        CapturedState with = guessed with { Msrs = guessed.Msrs.Add(MsrNames.UserShadowStackPointer, 0x7fff_0000) };
        RegisterEdit edit = RegisterEdit.Parse("ssp=0x7fff1000");

        Transformed<CapturedState> changed = RegisterEdit.Apply(with, [edit]);
        Assert.Equal("ssp from 0x7fff0000 to 0x7fff1000", Assert.Single(changed.Steps).Message);
        Assert.Equal(0x7fff_1000UL, changed.Value.Msrs[MsrNames.UserShadowStackPointer]);
        Assert.Equal(area, changed.Value.Area.ToArray());
        RegisterEditException none = Assert.Throws<RegisterEditException>(() => RegisterEdit.Apply(guessed, [edit]));
        Assert.StartsWith("ssp is not recorded", none.Message, StringComparison.Ordinal);

        // A register that has a place in the area is not written at a guessed one, beside SSP or not.
        Assert.Throws<RegisterEditException>(() => RegisterEdit.Apply(with, [edit, RegisterEdit.Parse("ymm0=0x1")]));
    }

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
