using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Tests.Processor;

public class ResetTableTests
{
    [Fact]
    public void Every_named_component_has_one_row()
    {
        Assert.Equal(StateComponents.All.Select(info => info.Component), ResetTable.Components.Select(row => row.Component));
    }

    [Fact]
    public void Every_control_register_has_one_row()
    {
        Assert.Equal(Enum.GetValues<ControlRegister>().Order(), ResetTable.Registers.Select(row => row.Register).Order());
    }

    [Fact]
    public void Init_clears_mpx_cet_and_user_interrupts_only()
    {
        StateComponentSet all = StateComponents.UserComponents | StateComponents.SupervisorComponents;

        Assert.Equal(
            StateComponentSet.Of(StateComponent.BndRegs, StateComponent.BndCsr, StateComponent.CetU, StateComponent.CetS,
                StateComponent.Uintr),
            ResetTable.InitializedByInit(all));
    }

    [Fact]
    public void Init_clears_no_component_that_the_processor_lacks()
    {
        Assert.Equal(
            StateComponentSet.Of(StateComponent.CetU),
            ResetTable.InitializedByInit(StateComponentSet.Of(StateComponent.Sse, StateComponent.CetU, StateComponent.Pkru)));
    }

    [Fact]
    public void A_component_without_a_name_survives_init()
    {
        Assert.Equal(InitEffect.Unchanged, ResetTable.Of((StateComponent)40).Init);
        Assert.Equal(ResetEffect.InitialConfiguration, ResetTable.Of((StateComponent)40).Reset);
    }

    [Fact]
    public void Reset_leaves_the_x87_registers_in_use()
    {
        ProcessorState cpu = new(ProcessorProfiles.AmdZen4);

        Assert.Equal(0x40, cpu.Registers.X87.Fcw);
        Assert.Equal(0x5555, cpu.Registers.X87.Ftw);
        Assert.Equal(Mxcsr.Initial, cpu.Registers.Mxcsr);
        Assert.Equal(StateComponentSet.Of(StateComponent.X87), cpu.Xinuse);
        Assert.Equal(new StateComponentSet(1), cpu.Xcr0);
    }

    [Fact]
    public void A_hypervisor_that_resets_to_an_empty_image_leaves_the_initial_control_word()
    {
        ProcessorState cpu = new(ProcessorProfiles.AmdZen4.With(ProcessorQuirks.ResetX87AsInitial));

        Assert.Equal(XsaveFormat.InitialFcw, cpu.Registers.X87.Fcw);
        Assert.Equal(0xFFFF, cpu.Registers.X87.Ftw);
        Assert.Equal(StateComponentSet.Empty, cpu.Xinuse);
    }
}
