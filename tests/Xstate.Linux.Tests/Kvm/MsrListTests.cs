using System.Collections.Immutable;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Linux.Kvm;

namespace Xstate.Linux.Tests.Kvm;

/// <summary>
/// What the kernel does with lists of MSRs beyond those of extended state, which the sequences of <see cref="KvmDifferentialTests"/> have.
/// </summary>
public class MsrListTests
{
    [Fact]
    public void A_count_of_the_kernel_ends_at_the_first_refused_MSR_and_what_came_before_is_written()
    {
        const uint Pat = 0x277;
        const ulong Uncached = 0;
        const ulong WriteBack = 0x0606_0606_0606_0606;
        using KvmDevice device = LocalKvm.Open();
        using KernelKvmMachine kernel = new(device);
        kernel.CreateVcpu(0, out IKvmVcpu? vcpu);
        using (vcpu)
        {
            KernelReply reply = vcpu!.SetMsrs([new MsrEntry(Pat, Uncached), new MsrEntry(0x1234_5678, 1), new MsrEntry(Pat, WriteBack)],
                out int count);
            vcpu.GetMsrs([Pat, 0x1234_5678, Pat], out ImmutableArray<ulong> values);

            Assert.Equal((Errno.None, 1), (reply.Errno, count));
            Assert.Equal([Uncached], values);
            Assert.Equal(Errno.E2BIG, vcpu.SetMsrs(new MsrEntry[KvmModelVcpu.MaxMsrs], out _).Errno);
            Assert.Equal(Errno.E2BIG, KvmModelMachine.CreateVcpu(LocalKvm.Host).SetMsrs(new MsrEntry[KvmModelVcpu.MaxMsrs], out _).Errno);
        }
    }

    // Sequences set IA32_XFD to 0 only. Without the permission for tiles, for which nobody asks here, nothing else is taken, so nothing can
    // come of it.
    [Fact]
    public void Without_the_permission_for_tiles_IA32_XFD_takes_zero_only_as_the_model_says()
    {
        using KvmDevice device = LocalKvm.Open();
        using KernelKvmMachine kernel = new(device);
        kernel.CreateVcpu(0, out IKvmVcpu? vcpu);
        using (vcpu)
        {
            KvmModelVcpu model = KvmModelMachine.CreateVcpu(LocalKvm.Host);
            foreach (uint index in (uint[])[KvmModelVcpu.MsrXfd, KvmModelVcpu.MsrXfdErr])
            {
                foreach (ulong value in (ulong[])[1UL << 18, 1, 1UL << 17, ulong.MaxValue, 0])
                {
                    Errno errno = vcpu!.SetMsr(index, value, out int count).Errno;
                    Assert.Equal((errno, count), (model.SetMsr(index, value, out int modelled).Errno, modelled));
                    Assert.True(value == 0 || count == 0, $"0x{index:x} took 0x{value:x}");
                }
            }
        }
    }
}
