using Xstate.Hypervisors;
using Xstate.Linux.Kvm;

namespace Xstate.Linux.Tests.Kvm;

public class KvmVmTests
{
    [Fact]
    public void A_second_virtual_CPU_with_the_same_number_is_refused()
    {
        using KvmDevice device = LocalKvm.Open();
        using KvmVm vm = device.CreateVm();
        using KvmVcpu first = vm.CreateVcpu(3);
        KvmException refusal = Assert.Throws<KvmException>(() => vm.CreateVcpu(3));
        Assert.Equal("KVM_CREATE_VCPU", refusal.Request);
        Assert.Equal(Errno.EEXIST, refusal.Errno);
    }

    [Fact]
    public void Guest_memory_is_a_whole_number_of_pages()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new GuestMemory(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new GuestMemory(4097));
    }

    [Fact]
    public void Memory_at_an_odd_guest_address_is_refused()
    {
        using KvmDevice device = LocalKvm.Open();
        using KvmVm vm = device.CreateVm();
        using GuestMemory memory = new(4096);
        KvmException refusal = Assert.Throws<KvmException>(() => vm.SetMemory(0, 0x123, memory));
        Assert.Equal(Errno.EINVAL, refusal.Errno);
    }

    [Fact]
    public void A_real_mode_guest_reads_its_memory_writes_a_port_and_halts()
    {
        const ulong CodeAddress = 0x1000;
        using KvmDevice device = LocalKvm.Open();
        using KvmVm vm = device.CreateVm();
        using GuestMemory memory = new(0x2000);
        vm.SetTssAddress(0xFFFB_D000);
        vm.SetMemory(0, 0, memory);

        // mov al, [0x1100]; out 0x10, al; hlt
        ReadOnlySpan<byte> code = [0xA0, 0x00, 0x11, 0xE6, 0x10, 0xF4];
        code.CopyTo(memory.Bytes[(int)CodeAddress..]);
        memory.Bytes[0x1100] = 0x42;
        using KvmVcpu vcpu = vm.CreateVcpu(0);
        vcpu.SetCpuid2(device.GetSupportedCpuid().Entries.AsSpan());
        KvmSystemRegisters system = vcpu.GetSystemRegisters();
        system[KvmSegmentName.Cs] = system[KvmSegmentName.Cs] with { Base = 0, Selector = 0 };
        vcpu.SetSystemRegisters(system);
        vcpu.SetRegisters(new KvmRegisters { Rip = CodeAddress, Rflags = 2 });

        vcpu.RunImmediateExit();
        Assert.Equal(CodeAddress, vcpu.GetRegisters().Rip);

        KvmExit exit = vcpu.Run();
        Assert.Equal(KvmExitReason.Io, exit.Reason);
        Assert.True(exit.IsOut);
        Assert.Equal(0x10, exit.Port);
        Assert.Equal([0x42], exit.Data.ToArray());
        Assert.Equal(KvmExitReason.Halt, vcpu.Run().Reason);
        Assert.Equal(0x42UL, vcpu.GetRegisters().Rax & 0xFF);
    }
}
