using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Tests.Processor;

public class ModelSpecificRegistersTests
{
    private readonly ProcessorState _cpu = new(TestProcessors.EverySupervisorComponent);

    [Fact]
    public void Every_register_of_a_component_holds_what_was_written()
    {
        foreach (StateMsr msr in StateMsrs.All)
        {
            ulong value = msr.Address switch { 0xDB1 => 1, 0x14CF => 32, 0x14CE => 0x0F, 0x6A0 => 0x3, _ => 0x40 };
            Assert.True(ModelSpecificRegisters.Contains(msr.Address));
            Assert.Equal(Fault.None, Instructions.Wrmsr(_cpu, msr.Address, value));
            Assert.Equal(Fault.None, Instructions.Rdmsr(_cpu, msr.Address, out ulong read));
            Assert.Equal(value, read);
            Assert.Equal(value, BitConverter.ToUInt64(_cpu.Registers.Read(msr.Component)[msr.Offset..]));
        }
    }

    [Theory]
    [InlineData(0xDA0U, 0x1000UL, true)]
    [InlineData(0xDA0U, 0x1_0000_0000UL, false)]
    [InlineData(0x1C4U, 0x40000UL, true)]
    [InlineData(0x1C4U, 0x20000UL, false)]
    [InlineData(0x1C5U, 0x40000UL, true)]
    [InlineData(0x1C5U, 0x1UL, false)]
    [InlineData(0x6E1U, 0xFFFF_FFFFUL, true)]
    [InlineData(0x6E1U, 0x1_0000_0000UL, false)]
    [InlineData(0x6A0U, 0x3FUL, true)]
    [InlineData(0x6A0U, 0x40UL, false)]
    [InlineData(0x6A0U, 0x200UL, false)]
    [InlineData(0x6A0U, 0x400UL, true)]
    [InlineData(0x6A0U, 0x800UL, true)]
    [InlineData(0x6A0U, 0xC00UL, false)]
    [InlineData(0x6A0U, 0x4000_0000_0000_0000UL, false)]
    [InlineData(0x6A7U, 0x1000UL, true)]
    [InlineData(0x6A7U, 0x1002UL, false)]
    [InlineData(0x6A4U, 0x4000_0000_0000_0000UL, false)]
    [InlineData(0x986U, 0x4000_0000_0000_0000UL, false)]
    [InlineData(0x988U, 0xFF_FFFF_FFFFUL, true)]
    [InlineData(0x988U, 0x100_0000_0000UL, false)]
    [InlineData(0x989U, 0x40UL, true)]
    [InlineData(0x989U, 0x20UL, false)]
    [InlineData(0x98AU, 0x11UL, true)]
    [InlineData(0x98AU, 0x2UL, false)]
    [InlineData(0xD93U, 0x800F_FFFFUL, true)]
    [InlineData(0xD93U, 0x10_0000UL, false)]
    [InlineData(0xDB1U, 2UL, false)]
    [InlineData(0x14CEU, 0x7F000FUL, true)]
    [InlineData(0x14CEU, 0x10UL, false)]
    [InlineData(0x14CFU, 8UL, true)]
    [InlineData(0x14CFU, 64UL, true)]
    [InlineData(0x14CFU, 72UL, false)]
    [InlineData(0x14CFU, 0UL, false)]
    [InlineData(0x14CFU, 12UL, false)]
    [InlineData(0x572U, 0x1FUL, false)]
    [InlineData(0x580U, 0x4000_0000_0000_0000UL, false)]
    [InlineData(0x10U, 0UL, false)]
    public void Wrmsr_refuses_reserved_bits_and_unknown_numbers(uint msr, ulong value, bool accepted)
    {
        Assert.Equal(accepted ? Fault.None : Fault.GeneralProtection, Instructions.Wrmsr(_cpu, msr, value));
        Fault read = Instructions.Rdmsr(_cpu, msr, out ulong now);
        Assert.Equal(ModelSpecificRegisters.Contains(msr) ? Fault.None : Fault.GeneralProtection, read);
        Assert.True(!accepted || now == value);
    }

    [Fact]
    public void Only_cpl_0_reaches_msrs()
    {
        _cpu.Cpl = 3;

        Assert.Equal(Fault.GeneralProtection, Instructions.Wrmsr(_cpu, 0x6A0, 0));
        Assert.Equal(Fault.GeneralProtection, Instructions.Rdmsr(_cpu, 0x6A0, out _));
    }

    [Fact]
    public void What_the_processor_lacks_does_not_exist()
    {
        ProcessorState tcg = new(ProcessorProfiles.QemuTcg);
        foreach (uint msr in (ReadOnlySpan<uint>)[0xDA0, 0x1C4, 0x1C5, 0x6E1, 0x6A0, 0x774])
        {
            Assert.Equal(Fault.GeneralProtection, Instructions.Wrmsr(tcg, msr, 0));
            tcg.Pkrs = new Pkru(5);
            Assert.Equal(Fault.GeneralProtection, Instructions.Rdmsr(tcg, msr, out ulong value));
            Assert.Equal(0UL, value);
        }
    }

    [Fact]
    public void An_msr_needs_its_feature_not_its_component()
    {
        CpuidTable cpuid = ProcessorProfiles.AmdZen3.Cpuid;
        ProcessorProfile withoutXsaves = ProcessorProfile.FromCpuid(
            cpuid.With(CpuidTable.XsaveLeaf, 1, cpuid.Read(CpuidTable.XsaveLeaf, 1) with { Eax = 7 }));
        ProcessorState cpu = new(withoutXsaves);

        Assert.Equal(StateComponentSet.Empty, withoutXsaves.SupervisorComponents);
        Assert.Equal(Fault.None, Instructions.Wrmsr(cpu, 0x6A7, 0x1000));
    }

    [Fact]
    public void The_half_of_cet_that_is_missing_is_reserved()
    {
        ProcessorState cpu = new(ProcessorProfiles.AmdZen3);

        Assert.Equal(Fault.None, Instructions.Wrmsr(cpu, 0x6A0, 3));
        Assert.Equal(Fault.GeneralProtection, Instructions.Wrmsr(cpu, 0x6A0, 4));
    }

    [Fact]
    public void Changing_the_depth_forgets_the_records()
    {
        _cpu.Registers.Write(StateComponent.Lbr)[40..].Fill(7);

        Assert.Equal(Fault.None, Instructions.Wrmsr(_cpu, 0x14CF, 16));

        Assert.False(_cpu.Registers.Read(StateComponent.Lbr)[40..].ContainsAnyExcept((byte)0));
    }

    [Fact]
    public void Uif_is_not_part_of_the_msr()
    {
        _cpu.Registers.Write(StateComponent.Uintr)[23] = 0x80;

        Assert.Equal(Fault.None, Instructions.Wrmsr(_cpu, 0x988, 5));
        Assert.Equal(Fault.None, Instructions.Rdmsr(_cpu, 0x988, out ulong value));

        Assert.Equal(5UL, value);
        Assert.Equal(0x80, _cpu.Registers.Read(StateComponent.Uintr)[23]);
    }
}
