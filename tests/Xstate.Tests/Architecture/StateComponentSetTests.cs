using Xstate.Architecture;

namespace Xstate.Tests.Architecture;

public class StateComponentSetTests
{
    [Fact]
    public void Operations_agree_with_a_set_of_numbers()
    {
        SplitMix64 random = new(0x5E7);
        for (int round = 0; round < 2_000; round++)
        {
            ulong left = random.Next() & random.Next();
            ulong right = random.Next() | (random.OneIn(3) ? left : 0);
            SortedSet<int> a = Numbers(left);
            SortedSet<int> b = Numbers(right);
            StateComponentSet x = new(left);
            StateComponentSet y = new(right);
            Assert.Equal(a.Union(b).Order(), InOrder(x | y));
            Assert.Equal(a.Intersect(b).Order(), InOrder(x & y));
            Assert.Equal(a.Except(b).Order(), InOrder(x.Except(y)));
            Assert.Equal(a.IsSupersetOf(b), x.ContainsAll(y));
            Assert.Equal(a.Overlaps(b), x.Overlaps(y));
            Assert.Equal((a.Count, a.Count == 0), (x.Count, x.IsEmpty));
            int bit = random.Below(64);
            Assert.Equal(a.Contains(bit), x.Contains((StateComponent)bit));
            Assert.Equal(a.Append(bit).Distinct().Order(), InOrder(x.With((StateComponent)bit)));
            Assert.Equal(a.Where(number => number != bit), InOrder(x.Without((StateComponent)bit)));
        }
    }

    [Fact]
    public void Components_are_enumerated_upwards_and_bit_63_is_kept()
    {
        Assert.Equal(
            [StateComponent.X87, StateComponent.Pkru, StateComponent.Lwp, (StateComponent)63],
            new StateComponentSet(0xC000_0000_0000_0201));
    }

    [Fact]
    public void It_prints_as_a_mask_and_describes_itself_with_names()
    {
        Assert.Equal("0x2e7", new StateComponentSet(0x2E7).ToString());
        Assert.Equal("0x2e0 (opmask, zmm_hi256, hi16_zmm, pkru)", new StateComponentSet(0x2E0).Describe());
        Assert.Equal("0x80000000000 (bit43)", new StateComponentSet(1UL << 43).Describe());
        Assert.Equal("0x0", StateComponentSet.Empty.Describe());
    }

    [Fact]
    public void Of_sets_exactly_the_given_bits()
    {
        Assert.Equal(0x4000_0000_0004_0001UL, StateComponentSet.Of(StateComponent.X87, StateComponent.TileData, StateComponent.Lwp).Bits);
        Assert.Equal(3UL, StateComponentSet.Legacy.Bits);
    }

    private static SortedSet<int> Numbers(ulong bits) => [.. Enumerable.Range(0, 64).Where(bit => (bits >> bit & 1) != 0)];

    private static List<int> InOrder(StateComponentSet set)
    {
        List<int> numbers = [];
        foreach (StateComponent component in set)
        {
            numbers.Add((int)component);
        }

        return numbers;
    }
}
