using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Tests.Processor;

public class X87RegistersTests
{
    private readonly ProcessorState _cpu = ProcessorState.ForUserProcess(ProcessorProfiles.IntelSapphireRapids);

    private X87Registers X87 => _cpu.Registers.X87;

    [Fact]
    public void Control_word_bits_that_do_not_exist_are_dropped()
    {
        X87.Fcw = 0xFFFF;
        Assert.Equal(0x1F7F, X87.Fcw);
        X87.Fcw = 0;
        Assert.Equal(0x40, X87.Fcw);
    }

    [Fact]
    public void Error_summary_and_busy_follow_flags_and_masks()
    {
        X87.Fsw = 0x0004;
        Assert.Equal(0x0004, X87.Fsw);
        Assert.False(X87.HasPendingException);

        X87.Fcw = 0x037B;
        Assert.Equal(0x8084, X87.Fsw);
        Assert.True(X87.HasPendingException);

        X87.Fsw = 0x8080 | 0x40;
        Assert.Equal(0x40, X87.Fsw);
    }

    [Theory]
    [InlineData((ushort)0x0000, 0UL, 1)]
    [InlineData((ushort)0x8000, 0UL, 1)]
    [InlineData((ushort)0x3FFF, 0x8000_0000_0000_0000UL, 0)]
    [InlineData((ushort)0x3FFF, 0x4000_0000_0000_0000UL, 2)]
    [InlineData((ushort)0x0000, 1UL, 2)]
    [InlineData((ushort)0x7FFF, 0x8000_0000_0000_0000UL, 2)]
    public void A_tag_is_computed_from_the_contents(ushort signExponent, ulong significand, int tag)
    {
        byte[] value = new byte[10];
        BitConverter.TryWriteBytes(value, significand);
        BitConverter.TryWriteBytes(value.AsSpan(8), signExponent);
        X87.SetSt(0, value);
        X87.AbridgedFtw = 1;

        Assert.Equal(0xFFFC | tag, X87.Ftw);
        Assert.Equal(value, X87.St(0).ToArray());
    }

    [Fact]
    public void Tags_name_physical_registers_and_slots_count_from_the_top()
    {
        X87.Fsw = 5 << 11;
        Assert.Equal(5, X87.Top);
        X87.AbridgedFtw = 1 << 6;
        X87.SetSt(1, [1, 2, 3, 4, 5, 6, 7, 0x80, 0xFF, 0x3F]);

        Assert.Equal(0xCFFF, X87.Ftw & 0xFFFF);
    }

    [Fact]
    public void Pushing_eight_values_goes_around_the_stack()
    {
        for (byte value = 1; value <= 9; value++)
        {
            X87.Push([value, 0, 0, 0, 0, 0, 0, 0x80, 0xFF, 0x3F]);
        }

        Assert.Equal(7, X87.Top);
        Assert.Equal(0xFF, X87.AbridgedFtw);
        Assert.Equal([9, 8, 7, 6, 5, 4, 3, 2], Enumerable.Range(0, 8).Select(index => (int)X87.St(index)[0]));
    }

    [Fact]
    public void Fninit_keeps_the_contents_in_their_physical_registers()
    {
        X87.Push([1, 0, 0, 0, 0, 0, 0, 0x80, 0xFF, 0x3F]);
        X87.Push([2, 0, 0, 0, 0, 0, 0, 0x80, 0xFF, 0x3F]);
        X87.Fip = 5;

        X87.Fninit();

        Assert.Equal(0x37F, X87.Fcw);
        Assert.Equal(0, X87.Fsw);
        Assert.Equal(0xFFFF, X87.Ftw);
        Assert.Equal(0UL, X87.Fip);
        Assert.Equal(2, X87.St(6)[0]);
        Assert.Equal(1, X87.St(7)[0]);
        Assert.False(_cpu.Registers.IsInitial(StateComponent.X87));
    }

    [Fact]
    public void Every_field_but_the_opcode_counts_for_the_initial_configuration()
    {
        Assert.True(IsInitialAfter(_ => { }));
        Assert.True(IsInitialAfter(x87 => x87.Fop = 0x7FF));
        Assert.False(IsInitialAfter(x87 => x87.Fcw = 0x27F));
        Assert.False(IsInitialAfter(x87 => x87.Fsw = 1));
        Assert.False(IsInitialAfter(x87 => x87.AbridgedFtw = 0x80));
        Assert.False(IsInitialAfter(x87 => x87.Fip = 1));
        Assert.False(IsInitialAfter(x87 => x87.Fdp = 1UL << 63));
        Assert.False(IsInitialAfter(x87 => x87.SetSt(7, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1])));
        Assert.True(IsInitialAfter(x87 => x87.Fip = 1, ignorePointers: true));
        Assert.True(IsInitialAfter(x87 => x87.Fdp = 1, ignorePointers: true));
    }

    [Fact]
    public void Opcode_has_eleven_bits()
    {
        X87.Fop = 0xFFFF;
        X87.Fdp = 0x1234;
        Assert.Equal(0x7FF, X87.Fop);
        Assert.Equal(0x1234UL, X87.Fdp);
    }

    [Fact]
    public void Writing_any_field_puts_the_component_in_use()
    {
        Action<X87Registers>[] writes =
        [
            x87 => x87.Fcw = 0x37F, x87 => x87.Fsw = 0, x87 => x87.AbridgedFtw = 0, x87 => x87.Fop = 0, x87 => x87.Fip = 0,
                x87 => x87.Fdp = 0,
            x87 => x87.SetSt(0, new byte[10]), x87 => x87.Fninit(),
        ];
        Assert.All(writes, write =>
        {
            ProcessorState cpu = ProcessorState.ForUserProcess(ProcessorProfiles.IntelSapphireRapids);
            Assert.False(cpu.Xinuse.Contains(StateComponent.X87));
            write(cpu.Registers.X87);
            Assert.True(cpu.Xinuse.Contains(StateComponent.X87));
        });
    }

    [Fact]
    public void Register_numbers_and_lengths_are_checked()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => X87.St(8).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => X87.St(-1).Length);
        Assert.Throws<ArgumentException>(() => X87.SetSt(0, new byte[16]));
        Assert.Throws<ArgumentException>(() => X87.SetSt(0, new byte[9]));
    }

    private static bool IsInitialAfter(Action<X87Registers> write, bool ignorePointers = false)
    {
        ProcessorState cpu = ProcessorState.ForUserProcess(ProcessorProfiles.AmdZen4);
        write(cpu.Registers.X87);
        return cpu.Registers.IsInitial(StateComponent.X87, ignorePointers);
    }
}
