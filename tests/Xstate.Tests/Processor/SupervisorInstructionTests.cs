using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Tests.Processor;

public class SupervisorInstructionTests
{
    private readonly ProcessorState _cpu = new(TestProcessors.EverySupervisorComponent);
    private readonly byte[] _area = new byte[16384];

    public SupervisorInstructionTests()
    {
        _cpu.Cr4 = Cr4.OsXsave | Cr4.OsFxsr;
        _cpu.Is64BitMode = true;
        _cpu.Xcr0 = new StateComponentSet(0x7);
        _cpu.Xss = _cpu.Profile.SupervisorComponents;
    }

    [Fact]
    public void Supervisor_components_survive_a_round_trip()
    {
        Set(0x6A0, 0x1);
        Set(0x6A4, 0x1000);
        Set(0xD93, 0x8000_0001);
        Set(0xDB1, 0);
        Set(0x774, 0x1234);
        Set(0x560, 0x77);
        Set(0x583, 0x7000);
        Set(0x14CF, 8);
        Set(0x14CE, 0x0F);
        byte[] before = Supervisor();

        Assert.Equal(Fault.None, Instructions.Xsaves(_cpu, _area, 0, ulong.MaxValue));
        _cpu.Registers.Initialize(_cpu.Profile.SupervisorComponents);
        Assert.NotEqual(before, Supervisor());
        Assert.Equal(Fault.None, Instructions.Xrstors(_cpu, _area, 0, ulong.MaxValue));

        Assert.Equal(before, Supervisor());
    }

    [Fact]
    public void Xsaves_writes_only_enabled_supervisor_components()
    {
        _cpu.Xss = StateComponentSet.Of(StateComponent.CetU);
        Set(0x6A0, 1);
        Set(0x6A4, 0x1000);

        Assert.Equal(Fault.None, Instructions.Xsaves(_cpu, _area, 0, ulong.MaxValue));

        Assert.Equal(XsaveFormat.CompactedFlag | 0x807, new XsaveArea(_area).XcompBv);
        Assert.Equal(0x801UL, new XsaveArea(_area).XstateBv.Bits);
    }

    [Theory]
    [InlineData(StateComponent.CetU, 0, 0x40)]
    [InlineData(StateComponent.CetU, 15, 0x40)]
    [InlineData(StateComponent.CetS, 16, 0x01)]
    [InlineData(StateComponent.Pasid, 4, 0x01)]
    [InlineData(StateComponent.Hdc, 0, 0x02)]
    [InlineData(StateComponent.Pt, 72, 0x01)]
    [InlineData(StateComponent.Pt, 127, 0x01)]
    [InlineData(StateComponent.Uintr, 22, 0x01)]
    [InlineData(StateComponent.Lbr, 8, 0x03)]
    public void Xrstors_refuses_what_wrmsr_would_refuse(StateComponent component, int offset, byte value)
    {
        int at = Image(component) + offset;
        Assert.Equal(Fault.None, Instructions.Xrstors(_cpu, _area, 0, Bit(component)));
        ProcessorState before = _cpu.Clone();

        _area[at] |= value;

        Assert.Equal(Fault.GeneralProtection, Instructions.Xrstors(_cpu, _area, 0, Bit(component)));
        Assert.True(_cpu.HasSameContentAs(before));
    }

    [Fact]
    public void Components_that_are_not_loaded_are_not_validated()
    {
        int at = Image(StateComponent.CetU);
        _area[at] = 0x40;

        Assert.Equal(Fault.None, Instructions.Xrstors(_cpu, _area, 0, Bit(StateComponent.CetS)));
    }

    [Fact]
    public void Last_branch_records_are_restored_only_at_the_same_depth()
    {
        Set(0x14CF, 8);
        int at = Image(StateComponent.Lbr);
        _area[at + 8] = 8;
        _area.AsSpan(at + 40, 768).Fill(9);
        _cpu.Registers.Write(StateComponent.Lbr)[40..].Fill(3);

        Assert.Equal(Fault.None, Instructions.Xrstors(_cpu, _area, 0, Bit(StateComponent.Lbr)));
        Assert.Equal(9, _cpu.Registers.Read(StateComponent.Lbr)[40 + (8 * 24) - 1]);
        Assert.Equal(3, _cpu.Registers.Read(StateComponent.Lbr)[40 + (8 * 24)]);

        _area[at + 8] = 16;
        Assert.Equal(Fault.None, Instructions.Xrstors(_cpu, _area, 0, Bit(StateComponent.Lbr)));
        Assert.False(_cpu.Registers.Read(StateComponent.Lbr)[40..].ContainsAnyExcept((byte)0));
        Assert.Equal(8, _cpu.Registers.Read(StateComponent.Lbr)[8]);
    }

    [Fact]
    public void Initializing_last_branch_records_leaves_their_depth()
    {
        Set(0x14CF, 16);
        _cpu.Registers.Write(StateComponent.Lbr)[0] = 1;
        _cpu.Registers.Write(StateComponent.Lbr)[100] = 1;
        Image(StateComponent.Lbr);
        BitConverter.TryWriteBytes(_area.AsSpan(XsaveFormat.XstateBvOffset), 0UL);

        Assert.Equal(Fault.None, Instructions.Xrstors(_cpu, _area, 0, Bit(StateComponent.Lbr)));

        Assert.True(_cpu.Registers.IsInitial(StateComponent.Lbr));
        Assert.Equal(16, _cpu.Registers.Read(StateComponent.Lbr)[8]);
    }

    [Fact]
    public void Xsaves_stores_as_many_last_branch_records_as_there_are()
    {
        Set(0x14CF, 8);
        _cpu.Registers.Write(StateComponent.Lbr)[40..].Fill(5);
        _area.AsSpan(576).Fill(0xEE);

        Assert.Equal(Fault.None, Instructions.Xsaves(_cpu, _area, 0, Bit(StateComponent.Lbr)));

        Assert.Equal(5, _area[576 + 40 + (8 * 24) - 1]);
        Assert.Equal(0xEE, _area[576 + 40 + (8 * 24)]);
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(8, true)]
    [InlineData(16, false)]
    [InlineData(807, false)]
    public void Every_byte_of_last_branch_records_but_the_depth_counts_as_in_use(int offset, bool initial)
    {
        _cpu.Registers.Write(StateComponent.Lbr)[offset] = 1;

        Assert.Equal(initial, _cpu.Registers.IsInitial(StateComponent.Lbr));
    }

    [Fact]
    public void Reset_forgets_the_depth_too()
    {
        Set(0x14CF, 8);
        _cpu.Reset();

        Assert.False(_cpu.Registers.Read(StateComponent.Lbr).ContainsAnyExcept((byte)0));
    }

    [Fact]
    public void Xsaves_stops_tracing_and_hides_the_user_interrupt_vector_only_if_it_saves_them()
    {
        Set(0x570, 1);
        Set(0x988, 0x20UL << 32);

        Assert.Equal(Fault.None, Instructions.Xsaves(_cpu, _area, 0, Bit(StateComponent.CetU)));
        Assert.Equal(1, _cpu.Registers.Read(StateComponent.Pt)[0]);
        Assert.Equal(0x20, _cpu.Registers.Read(StateComponent.Uintr)[20]);

        Assert.Equal(Fault.None, Instructions.Xsaves(_cpu, _area, 0, Bit(StateComponent.Pt) | Bit(StateComponent.Uintr)));
        Assert.Equal(0, _cpu.Registers.Read(StateComponent.Pt)[0]);
        Assert.Equal(0, _cpu.Registers.Read(StateComponent.Uintr)[20]);
        Assert.Equal(1, _area[576]);
        Assert.Equal(0x20, _area[576 + 128 + 20]);
    }

    private static ulong Bit(StateComponent component) => 1UL << (int)component;

    // An image with one component, at 576.
    private int Image(StateComponent component)
    {
        _area.AsSpan().Clear();
        BitConverter.TryWriteBytes(_area.AsSpan(XsaveFormat.XstateBvOffset), Bit(component));
        BitConverter.TryWriteBytes(_area.AsSpan(XsaveFormat.XcompBvOffset), XsaveFormat.CompactedFlag | Bit(component));
        _area[XsaveFormat.ExtendedOffset + 8] = component == StateComponent.Lbr ? (byte)8 : (byte)0;
        return XsaveFormat.ExtendedOffset;
    }

    private void Set(uint msr, ulong value) => Assert.Equal(Fault.None, Instructions.Wrmsr(_cpu, msr, value));

    private byte[] Supervisor() =>
        [.. _cpu.Profile.SupervisorComponents.SelectMany(component => _cpu.Registers.Read(component).ToArray())];
}
