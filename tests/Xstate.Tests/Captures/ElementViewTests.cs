using System.Buffers.Binary;
using System.Globalization;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Tests.Artifacts.ElfCore;
using Xstate.Tests.Support;

namespace Xstate.Tests.Captures;

public class ElementViewTests(ITestOutputHelper output)
{
    // Normal numbers, the limits, denormals, zeros of both signs, infinities, NaNs quiet and signalling with payloads; ties of decimal
    // rounding.
    private static readonly uint[] Singles =
    [
        0x3FC0_0000, 0xBF80_0000, 0x3DCC_CCCD, 0x4049_0FDB, 0x0000_0001, 0x8000_0001, 0x007F_FFFF, 0x0080_0000, 0x7F7F_FFFF, 0xFF7F_FFFF,
            0x0000_0000, 0x8000_0000, 0x7F80_0000, 0xFF80_0000, 0x7FC0_0000, 0xFFC0_0000,
        0x7F80_0001, 0xFF80_0001, 0x7FC1_2345, 0x7FFF_FFFF, 0x4B80_0000, 0x4B7F_FFFF, 0x501502F9, 0x3727_C5AC, 0x38D1_B717, 0x4E6E_6B28,
            0x4CBE_BC20, 0x3EAA_AAAB, 0x4974_2400, 0x358637BD, 0x7149_F2CA, 0x0DA2_4260,
    ];

    private static readonly ulong[] Doubles =
    [
        0x3FF8_0000_0000_0000, 0xBFF0_0000_0000_0000, 0x3FB9_9999_9999_999A, 0x4009_21FB_5444_2D18, 0x0000_0000_0000_0001,
            0x8000_0000_0000_0001, 0x000F_FFFF_FFFF_FFFF, 0x0010_0000_0000_0000, 0x7FEF_FFFF_FFFF_FFFF,
        0xFFEF_FFFF_FFFF_FFFF, 0, 0x8000_0000_0000_0000, 0x7FF0_0000_0000_0000, 0xFFF0_0000_0000_0000, 0x7FF8_0000_0000_0000,
            0xFFF8_0000_0000_0000, 0x7FF0_0000_0000_0001, 0xFFF0_0000_0000_0001, 0x7FF8_0001_2345_6789,
        0x7FFF_FFFF_FFFF_FFFF, 0x4340_0000_0000_0000, 0x433F_FFFF_FFFF_FFFF, 0x4376_3457_85D8_A000, 0x3EE4_F8B5_88E3_68F1,
            0x3F1A_36E2_EB1C_432D, 0x4341_C379_37E0_8000, 0x3FD5_5555_5555_5555, 0x412E_8480_0000_0000,
    ];

    // Zeros, pi, limits, denormals, infinities, NaNs; then what no processor since the 80387 makes: pseudo-denormal, pseudo-infinity,
    // pseudo-NaN.
    private static readonly (ushort SignExponent, ulong Significand)[] Extended =
    [
        (0x3FFF, 0xC000_0000_0000_0000), (0x4000, 0xC90F_DAA2_2168_C235), (0xBFFB, 0xCCCC_CCCC_CCCC_CCCD), (0x7FFE, ulong.MaxValue),
            (0x0001, 0x8000_0000_0000_0000), (0x0000, 1), (0x8000, 0x7FFF_FFFF_FFFF_FFFF), (0x0000, 0),
        (0x8000, 0), (0x7FFF, 0x8000_0000_0000_0000), (0xFFFF, 0x8000_0000_0000_0000), (0x7FFF, 0xC000_0000_0000_0000),
            (0xFFFF, 0xC000_0000_0000_0000), (0x7FFF, 0x8000_0000_0000_0001), (0x7FFF, 0xC000_1234_5678_9ABC),
                (0x0000, 0x8000_0000_0000_0000),
        (0x7FFF, 0), (0x7FFF, 0x4000_0000_0000_0000), (0x403E, 0x8000_0000_0000_0001), (0x4042, 0xA188_9BBE_35D1_2345),
            (0x3FF1, 0xA7C5_AC47_1B47_8423), (0x4005, 0xC800_0000_0000_0000), (0x3FFD, 0xAAAA_AAAA_AAAA_AAAB),
                (0x4034, 0xFFFF_FFFF_FFFF_FFFF),
    ];

    [Fact]
    public void Vectors_of_floating_point_print_as_gdb_prints_them()
    {
        ExternalTool.Require("gdb");
        uint[] singles = [.. Singles, .. Random(64).Select(bits => (uint)bits)];
        ulong[] doubles = [.. Doubles, .. Random(64)];
        int compared = 0;
        for (int first = 0; first < singles.Length; first += 64)
        {
            byte[] core = CoreWith(area => Place(singles, first, 64,
                (value, at) => BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(160 + (4 * at)), value)));
            compared += Compare(core, 4, "v4_float", ElementView.Find("f32")!);
        }

        for (int first = 0; first < doubles.Length; first += 32)
        {
            byte[] core = CoreWith(area => Place(doubles, first, 32,
                (value, at) => BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(160 + (8 * at)), value)));
            compared += Compare(core, 8, "v2_double", ElementView.Find("f64")!);
        }

        output.WriteLine($"{compared} elements compared with {Gdb.Version}");
    }

    [Fact]
    public void X87_registers_print_as_gdb_prints_them()
    {
        ExternalTool.Require("gdb");
        SplitMix64 random = new(5);
        (ushort, ulong)[] values = [.. Extended,
            .. Enumerable.Range(0, 48).Select(_ => ((ushort)random.Next(), random.Next() | 1UL << 63))];
        int compared = 0;
        for (int first = 0; first < values.Length; first += 8)
        {
            byte[] core = CoreWith(area =>
            {
                area[4] = 0xFF;
                Place(values, first, 8, (value, at) => new Float80(value.Item1, value.Item2).Write(area.AsSpan(32 + (16 * at))));
            });
            string[] answers = Gdb.Run(core, [.. Enumerable.Range(0, 8).Select(i => $"p $st{i}")]).Split("==\n");
            for (int i = 0; i < 8 && first + i < values.Length; i++)
            {
                string expected = answers[i + 1].Split(" = ")[1].Trim();
                Float80 value = new(values[first + i].Item1, values[first + i].Item2);
                if (expected == "<invalid float value>")
                {
                    // What gdb does not print has an integer bit that does not go with its exponent. A pseudo-denormal is a number to the
                    // processor all the same.
                    bool isPseudoDenormal = (value.SignExponent & 0x7FFF) == 0 && value.Significand >> 63 == 1;
                    Assert.Equal(isPseudoDenormal ? new Float80((ushort)(value.SignExponent | 1), value.Significand)
                        .ToString() : $"unsupported(0x{value.SignExponent:x4}{value.Significand:x16})", value.ToString());
                    continue;
                }

                Assert.Equal(expected, value.ToString());
                compared++;
            }
        }

        output.WriteLine($"{compared} registers compared with {Gdb.Version}");
    }

    [Theory]
    [InlineData(0x3FFF, 0x4000_0000_0000_0000UL, "unsupported(0x3fff4000000000000000)")]
    [InlineData(0xC001, 0UL, "unsupported(0xc0010000000000000000)")]
    [InlineData(0x7FFF, 0UL, "unsupported(0x7fff0000000000000000)")]
    [InlineData(0xFFFF, 0x4000_0000_0000_0000UL, "unsupported(0xffff4000000000000000)")]
    public void An_unnormal_is_no_number_and_is_shown_with_all_its_bits(ushort signExponent, ulong significand, string text)
    {
        Assert.Equal(text, new Float80(signExponent, significand).ToString());
        Assert.False(new Float80(signExponent, significand).IsSupported);
    }

    [Fact]
    public void What_is_printed_is_read_back_to_the_same_bits()
    {
        SplitMix64 random = new(9);
        byte[] bytes = new byte[8];
        foreach (ElementView view in ElementView.All)
        {
            for (int i = 0; i < 2000; i++)
            {
                Span<byte> element = bytes.AsSpan(0, view.Size);
                random.Fill(element);
                string text = view.Format(element);
                byte[] back = new byte[view.Size];
                Assert.True(view.TryParse(text, back), text);
                Assert.Equal(element.ToArray(), back);
            }
        }

        for (int i = 0; i < 5000; i++)
        {
            Float80 value = new((ushort)random.Next(), random.Next() | 1UL << 63);
            value = i % 4 == 0 ? new Float80((ushort)(value.SignExponent & 0x8000), value.Significand >> 1) : value;
            Assert.True(Float80.TryParse(value.ToString(), out Float80 back), value.ToString());
            Assert.Equal(value, back);
        }
    }

    [Theory]
    [InlineData("i8", "128")]
    [InlineData("i8", "-129", false)]
    [InlineData("u8", "256", false)]
    [InlineData("i8", "-128")]
    [InlineData("x16", "0x10000", false)]
    [InlineData("u64", "18446744073709551615")]
    [InlineData("u64", "18446744073709551616", false)]
    [InlineData("f32", "1e39", false)]
    [InlineData("f32", "nan(0x800000)", false)]
    [InlineData("f32", "nan(0x0)", false)]
    [InlineData("f64", "-nan(0x1)")]
    [InlineData("f64", "one", false)]
    public void A_value_that_an_element_cannot_hold_is_refused(string view, string text, bool ok = true)
    {
        ElementView known = ElementView.Find(view)!;
        Assert.Equal(ok, known.TryParse(text, new byte[known.Size]));
    }

    [Theory]
    [InlineData("3.14", "3.1400000000000000001")]
    [InlineData("1e5000", null)]
    [InlineData("3.6451995318824746025e-4951", "3.64519953188247460253e-4951")]
    [InlineData("1e-4970", "0")]
    [InlineData("-0", "-0")]
    [InlineData("-inf", "-inf")]
    [InlineData("nan", "nan(0xc000000000000000)")]
    [InlineData("nan(0xa000000000000000)", "nan(0xa000000000000000)")]
    [InlineData("1.", "1")]
    [InlineData("", null)]
    [InlineData("1e", null)]
    [InlineData("0x10", null)]
    public void An_extended_number_is_read_from_decimal(string text, string? expected)
    {
        Assert.Equal(expected is not null, Float80.TryParse(text, out Float80 value));
        Assert.Equal(expected ?? "0", value.ToString());
    }

    private int Compare(byte[] core, int size, string member, ElementView view)
    {
        CapturedState state = CoreSamples.Open(core).Capture!.States[0];
        string[] answers = Gdb.Run(core, ["set print repeats unlimited", .. Enumerable.Range(0, 16).Select(i => $"p $xmm{i}.{member}")])
            .Split("==\n");
        byte[] register = new byte[16];
        int compared = 0;
        for (int i = 0; i < 16; i++)
        {
            Assert.True(state.TryReadRegister(string.Create(CultureInfo.InvariantCulture, $"xmm{i}"), register, out _));
            string[] expected = answers[i + 2].Split('{')[1].TrimEnd('\n', '}').Split(", ");
            for (int element = 0; element < expected.Length; element++)
            {
                Assert.Equal(expected[element], view.Format(register.AsSpan(element * size, size)));
                compared++;
            }
        }

        return compared;
    }

    private static ulong[] Random(int count)
    {
        SplitMix64 random = new(4);
        ulong[] values = new ulong[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = random.Next();
        }

        return values;
    }

    private static void Place<T>(IReadOnlyList<T> values, int first, int count, Action<T, int> place)
    {
        for (int i = 0; i < count && first + i < values.Count; i++)
        {
            place(values[first + i], i);
        }
    }

    private static byte[] CoreWith(Action<byte[]> fill)
    {
        byte[] area = new byte[576];
        BinaryPrimitives.WriteUInt16LittleEndian(area, 0x37F);
        BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(24), 0x1F80);
        BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(28), 0xFFFF);
        fill(area);
        return ProcessFiles.FxsaveOnly(area);
    }
}
