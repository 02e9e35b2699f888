using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Linux.Kvm;

namespace Xstate.Linux.Tests.Kvm;

public class KernelKvmMachineTests
{
    [Fact]
    public void Refusals_are_answers()
    {
        using KvmDevice device = LocalKvm.Open();
        using KernelKvmMachine machine = new(device);
        Assert.Equal(Errno.EINVAL, machine.CreateVcpu(-1, out IKvmVcpu? none).Errno);
        Assert.Null(none);
        Assert.True(machine.CreateVcpu(0, out IKvmVcpu? vcpu).IsSuccess);
        using (vcpu)
        {
            Assert.Equal(Errno.EEXIST, machine.CreateVcpu(0, out _).Errno);
            Assert.Equal(Errno.EINVAL, vcpu!.SetXcrs(1, 0, [new XcrEntry(0, 0)]).Errno);
        }
    }

    [Fact]
    public void Guest_permission_is_answered_as_the_model_says()
    {
        Assert.SkipWhen(LocalKvm.Host.UserFeatures.Contains(StateComponent.TileData),
            "this host has AMX: the permission would stay with the test process");
        using KvmDevice device = LocalKvm.Open();
        using KernelKvmMachine machine = new(device);
        using KvmModelMachine model = new(LocalKvm.Host);
        for (int component = 0; component < 70; component++)
        {
            KernelReply expected = model.RequestGuestPermission((StateComponent)component);
            Assert.Equal((component, expected.Errno), (component, machine.RequestGuestPermission((StateComponent)component).Errno));
        }
    }

    [Fact]
    public void What_is_supported_is_what_the_model_computes_from_the_processor()
    {
        Assert.SkipWhen(LocalKvm.Record.Flavour == Captures.KvmFlavour.Pvm, "kvm_pvm supports what its own host allows");
        using KvmDevice device = LocalKvm.Open();
        using KernelKvmMachine machine = new(device);
        using KvmModelMachine model = new(new(LocalKvm.Record with { SupportedCpuid = null }, LocalKvm.Host.Behavior));
        machine.GetSupportedCpuid(out ImmutableArray<CpuidEntry> real);
        model.GetSupportedCpuid(out ImmutableArray<CpuidEntry> computed);
        Assert.Equal(real.Where(e => e.Leaf == CpuidTable.XsaveLeaf), computed.Where(e => e.Leaf == CpuidTable.XsaveLeaf));
        Assert.Equal(machine.Xsave2Size, model.Xsave2Size);
    }
}
