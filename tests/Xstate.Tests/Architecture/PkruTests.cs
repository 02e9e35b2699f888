using Xstate.Architecture;

namespace Xstate.Tests.Architecture;

public class PkruTests
{
    [Fact]
    public void Each_key_has_its_two_bits()
    {
        for (int key = 0; key < Pkru.KeyCount; key++)
        {
            for (uint rights = 0; rights < 4; rights++)
            {
                Pkru pkru = new((0xFFFF_FFFF ^ (3u << (2 * key))) | rights << (2 * key));
                Assert.Equal(((rights & 1) != 0, (rights & 2) != 0), (pkru.AccessDisabled(key), pkru.WriteDisabled(key)));
                Assert.Equal(rights switch { 0 => "rw", 2 => "r-", _ => "--" }, pkru.Rights(key));
            }
        }
    }

    [Fact]
    public void Linux_opens_key_0_only()
    {
        Assert.Equal("rw", Pkru.LinuxDefault.Rights(0));
        Assert.All(Enumerable.Range(1, 15), key => Assert.True(Pkru.LinuxDefault.AccessDisabled(key)
            && !Pkru.LinuxDefault.WriteDisabled(key)));
        Assert.Equal("0x55555554", Pkru.LinuxDefault.ToString());
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(16)]
    public void There_is_no_other_key(int key)
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => default(Pkru).AccessDisabled(key));
        Assert.Throws<ArgumentOutOfRangeException>(() => default(Pkru).WriteDisabled(key));
    }
}
