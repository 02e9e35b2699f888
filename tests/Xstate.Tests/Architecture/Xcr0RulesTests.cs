using Xstate.Architecture;

namespace Xstate.Tests.Architecture;

public class Xcr0RulesTests(ITestOutputHelper output)
{
    private static readonly int[] Bits = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 17, 18, 19, 43, 62];

    [Theory]
    [InlineData(ulong.MaxValue)]
    [InlineData(0x602E7UL)]
    [InlineData(0x2FFUL)]
    [InlineData(0x207UL)]
    [InlineData(0x4000_0000_0000_0007UL)]
    [InlineData(0x3UL)]
    public void Every_combination_of_bits_is_judged_as_the_manual_says(ulong supported)
    {
        int allowed = 0;
        for (int combination = 0; combination < 1 << Bits.Length; combination++)
        {
            ulong value = 0;
            for (int i = 0; i < Bits.Length; i++)
            {
                value |= (ulong)(combination >> i & 1) << Bits[i];
            }

            bool expected = IsAllowed(value, supported);
            Xcr0Violation? violation = Xcr0Rules.FirstViolation(new StateComponentSet(value), new StateComponentSet(supported));
            Assert.True(expected == violation is null, $"0x{value:x} of 0x{supported:x}: {violation}");
            if (violation is { } named)
            {
                Assert.NotEmpty(named.Reason);
            }

            allowed += expected ? 1 : 0;
        }

        output.WriteLine($"{1 << Bits.Length} values, {allowed} allowed");
        Assert.True(allowed > 0);
    }

    [Theory]
    [InlineData(0x6UL, StateComponent.X87, "bit 0 must be set")]
    [InlineData(0x5UL, StateComponent.Avx, "avx needs 0x2 (sse)")]
    [InlineData(0x27UL, StateComponent.Opmask, "0xe0 (opmask, zmm_hi256, hi16_zmm) are set together or not at all")]
    [InlineData(0xE3UL, StateComponent.Opmask, "opmask needs 0x4 (avx)")]
    [InlineData(0x800E7UL, StateComponent.Apx,
        "bit 19 is not in CPUID.D.0 (0x602ff (x87, sse, avx, bndregs, bndcsr, opmask, zmm_hi256, hi16_zmm, pkru, tilecfg, tiledata))")]
    [InlineData(0x20007UL, StateComponent.TileCfg, "0x60000 (tilecfg, tiledata) are set together or not at all")]
    public void The_rule_that_is_broken_is_named(ulong value, StateComponent component, string reason)
    {
        Assert.Equal(new Xcr0Violation(component, reason),
            Xcr0Rules.FirstViolation(new StateComponentSet(value), new StateComponentSet(0x602FF)));
    }

    // SDM Vol. 1, 13.3 and APM Vol. 2, 11.5.2, bit by bit; nothing here reads the catalogue.
    private static bool IsAllowed(ulong value, ulong supported)
    {
        bool Has(int bit) => (value >> bit & 1) != 0;
        int avx512 = (Has(5) ? 1 : 0) + (Has(6) ? 1 : 0) + (Has(7) ? 1 : 0);
        return Has(0)
            && (value & ~supported) == 0
            && (!Has(2) || Has(1))
            && Has(3) == Has(4)
            && avx512 is 0 or 3
            && (avx512 == 0 || (Has(1) && Has(2)))
            && Has(17) == Has(18)
            && !(Has(19) && (Has(3) || Has(4)))
            && (!Has(62) || (Has(1) && Has(2)));
    }
}
