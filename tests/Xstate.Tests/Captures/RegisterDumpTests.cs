using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Tests.Captures;

public class RegisterDumpTests
{
    private static readonly StateComponentSet Avx512 = new(0xE7);

    [Fact]
    public void Lost_bytes_are_shown_as_unknown_and_never_as_zeros()
    {
        CapturedState whole = State();
        CapturedState damaged = whole with { Lost = [new AreaRange(832, 8), new AreaRange(896 + 32, 16)] };
        Dictionary<string, string> before = RegisterDump.Of(whole, Avx512).ToDictionary(r => r.Name, r => r.Text);
        foreach (RegisterValue register in RegisterDump.Of(damaged, Avx512))
        {
            string expected = register.Name switch
            {
                "k0" => "?",
                "zmm1" => $"{before["zmm1"][..64]}{new string('?', 32)}{before["zmm1"][96..]}",
                _ => before[register.Name],
            };
            Assert.Equal(expected, register.Text);
        }
    }

    [Fact]
    public void Code_outside_64_bit_mode_has_eight_vector_registers()
    {
        ImmutableArray<RegisterValue> registers = RegisterDump.Of(State() with { Is32Bit = true }, Avx512);
        Assert.Equal(Enumerable.Range(0, 8).Select(i => $"zmm{i}"),
            registers.Select(r => r.Name).Where(name => name.Contains("mm", StringComparison.Ordinal)));
        Assert.Equal(8, registers.Count(r => r.Component == StateComponent.Opmask));
        Assert.Equal(8, registers.Count(r => r.Name.StartsWith("st", StringComparison.Ordinal)));
    }

    [Fact]
    public void A_state_without_a_layout_has_no_registers_to_name() =>
        Assert.Throws<ArgumentException>(() => RegisterDump.Of(State() with { Layout = null }, Avx512));

    private static CapturedState State()
    {
        byte[] area = new byte[2432];
        new SplitMix64(3).Fill(area);
        area.AsSpan(XsaveFormat.XstateBvOffset, XsaveFormat.HeaderLength).Clear();
        area[XsaveFormat.XstateBvOffset] = 0xE7;
        XsaveLayout amd = LayoutFamily.All.Single(family => family.Family == "AMD Zen 3 and later").Layout;
        return new CapturedState { Id = 1, Area = area, Layout = new Fact<XsaveLayout>(amd, FactSource.Given, "test") };
    }
}
