using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Tests.Processor;

public class VectorRegistersTests
{
    private static readonly byte[] Pattern = [.. Enumerable.Range(1, 64).Select(i => (byte)i)];
    private readonly ProcessorState _cpu = ProcessorState.ForUserProcess(ProcessorProfiles.AmdZen4);

    private VectorRegisters Vectors => _cpu.Registers.Vectors;

    [Theory]
    [InlineData(0)]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(31)]
    public void A_register_is_read_back_from_its_parts(int index)
    {
        Vectors.WriteExtended(index, Pattern);

        Assert.Equal(Pattern, Read(index));
    }

    [Fact]
    public void A_vex_write_zeroes_what_lies_above()
    {
        Vectors.WriteExtended(3, Pattern);
        Vectors.WriteExtended(3, Pattern.AsSpan(0, 16));
        Assert.Equal([.. Pattern[..16], .. new byte[48]], Read(3));

        Vectors.WriteExtended(3, Pattern.AsSpan(0, 32));
        Assert.Equal([.. Pattern[..32], .. new byte[32]], Read(3));
    }

    [Fact]
    public void A_legacy_write_leaves_what_lies_above()
    {
        Vectors.WriteExtended(3, Pattern);
        Vectors.WriteXmm(3, new byte[16]);

        Assert.Equal([.. new byte[16], .. Pattern[16..]], Read(3));
    }

    [Fact]
    public void Parts_that_the_processor_lacks_are_not_in_use()
    {
        ProcessorState cpu = ProcessorState.ForUserProcess(ProcessorProfiles.AmdZen3);
        cpu.Registers.Vectors.WriteExtended(0, Pattern.AsSpan(0, 32));

        Assert.Equal(StateComponentSet.Of(StateComponent.Sse, StateComponent.Avx), cpu.Xinuse);
    }

    [Fact]
    public void Opmask_registers_are_eight_bytes_each()
    {
        Vectors.WriteOpmask(7, 0x1122_3344_5566_7788);

        Assert.Equal(0x1122_3344_5566_7788UL, Vectors.ReadOpmask(7));
        Assert.Equal(0UL, Vectors.ReadOpmask(6));
        Assert.Equal(0x88, _cpu.Registers.Read(StateComponent.Opmask)[56]);
    }

    [Fact]
    public void Vzeroupper_outside_64_bit_mode_reaches_eight_registers()
    {
        Vectors.WriteExtended(7, Pattern);
        Vectors.WriteExtended(8, Pattern);

        Vectors.ZeroUpper(is64BitMode: false);

        Assert.Equal([.. Pattern[..16], .. new byte[48]], Read(7));
        Assert.Equal(Pattern, Read(8));
        Vectors.ZeroUpper(is64BitMode: true);
        Assert.Equal([.. Pattern[..16], .. new byte[48]], Read(8));
    }

    [Fact]
    public void Register_numbers_and_lengths_are_checked()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => Vectors.WriteExtended(32, Pattern));
        Assert.Throws<ArgumentOutOfRangeException>(() => Vectors.WriteXmm(16, new byte[16]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Vectors.WriteOpmask(8, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => Vectors.ReadOpmask(-1));
        Assert.Throws<ArgumentException>(() => Vectors.WriteXmm(0, Pattern));
        Assert.Throws<ArgumentException>(() => Vectors.WriteExtended(0, new byte[48]));
    }

    [Fact]
    public void Parts_that_the_processor_lacks_read_as_zero()
    {
        VectorRegisters vectors = ProcessorState.ForUserProcess(ProcessorProfiles.AmdZen3).Registers.Vectors;
        vectors.WriteExtended(15, Pattern.AsSpan(0, 32));
        byte[] value = new byte[64];
        foreach (int index in (ReadOnlySpan<int>)[15, 16])
        {
            value.AsSpan().Fill(0xEE);
            vectors.ReadZmm(index, value);
            Assert.Equal(index == 15 ? [.. Pattern[..32], .. new byte[32]] : new byte[64], value);
        }

        vectors.ZeroUpper(is64BitMode: false);
        vectors.ReadZmm(15, value);
        Assert.Equal(Pattern[..32], value[..32]);
        vectors.ZeroUpper(is64BitMode: true);
        vectors.ReadZmm(15, value);
        Assert.Equal([.. Pattern[..16], .. new byte[48]], value);
    }

    private byte[] Read(int index)
    {
        byte[] value = new byte[64];
        Vectors.ReadZmm(index, value);
        return value;
    }
}
