using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Hypervisors.OpenBsd;
using Xstate.Processor;
using Xstate.Tests.Support;

namespace Xstate.Tests.Hypervisors.OpenBsd;

/// <summary>Case 1: OpenBSD's vmm before and after the diff of 15 August 2025, and as the manuals ask for it.</summary>
public class VmmVcpuTests
{
    private static readonly KernelBehavior NewLinux = KernelBehavior.Of(new KernelRelease(6, 12));

    [Fact]
    public void Protection_keys_are_visible_on_all_three_when_the_host_uses_them()
    {
        foreach (VmmBehavior behavior in VmmBehavior.All)
        {
            Assert.Equal(1u, Vcpu("intel-icelake", behavior).Cpuid(7).Ecx >> 3 & 1);
            Assert.Equal(0u, Vcpu("intel-haswell", behavior).Cpuid(7).Ecx >> 3 & 1);
        }
    }

    [Theory]
    [InlineData("vmm-before", 0xe7u, 2688u)]
    [InlineData("vmm-after", 0x2e7u, 2496u)]
    [InlineData("vmm-corrected", 0x2e7u, 2696u)]
    public void Leaf_0xD_announces_what_each_behaviour_does(string name, uint eax, uint ecx)
    {
        VmmVcpu vcpu = Vcpu("intel-icelake", VmmBehavior.Find(name)!);

        CpuidRegisters leaf = vcpu.Cpuid(0xD);
        Assert.Equal(new CpuidRegisters(eax, 576, ecx, 0), leaf);
        Assert.Equal(new CpuidRegisters(5, 0, 0, 0), vcpu.Cpuid(0xD, 1));
        Assert.Equal(new CpuidRegisters(256, 576, 0, 0), vcpu.Cpuid(0xD, 2));
        Assert.Equal(name == "vmm-corrected" ? new CpuidRegisters(8, 2688, 0, 0) : default, vcpu.Cpuid(0xD, 9));
    }

    [Fact]
    public void The_diff_gives_the_largest_size_for_bit_9_alone_and_the_correction_the_true_one()
    {
        VmmVcpu after = Vcpu("amd-genoa", VmmBehavior.After);
        VmmVcpu corrected = Vcpu("amd-genoa", VmmBehavior.Corrected);
        foreach (VmmVcpu vcpu in new[] { after, corrected })
        {
            Assert.False(vcpu.Xsetbv(0x7, 0, 0, cpl: 0).Fault.IsFault);
            Assert.Equal(832u, vcpu.Cpuid(0xD).Ebx);
            Assert.False(vcpu.Xsetbv(0x207, 0, 0, cpl: 0).Fault.IsFault);
        }

        Assert.Equal(2496u, after.Cpuid(0xD).Ebx);
        Assert.Equal(2440u, corrected.Cpuid(0xD).Ebx);
    }

    [Fact]
    public void Bit_9_is_refused_before_and_accepted_after()
    {
        Assert.Equal(Fault.GeneralProtection, Vcpu("intel-icelake", VmmBehavior.Before).Xsetbv(0x207, 0, 0, 0).Fault);
        Assert.Equal(Fault.None, Vcpu("intel-icelake", VmmBehavior.After).Xsetbv(0x207, 0, 0, 0).Fault);
        Assert.Equal(Fault.None, Vcpu("intel-icelake", VmmBehavior.Corrected).Xsetbv(0x207, 0, 0, 0).Fault);

        // A host without protection keys offers no bit 9 under any of them.
        Assert.All(VmmBehavior.All, behavior => Assert.Equal(Fault.GeneralProtection,
            Vcpu("intel-haswell", behavior).Xsetbv(0x207, 0, 0, 0).Fault));
    }

    [Fact]
    public void Privilege_and_index_are_checked_by_all_three()
    {
        foreach (VmmBehavior behavior in VmmBehavior.All)
        {
            Assert.Equal(Fault.GeneralProtection, Vcpu("intel-icelake", behavior).Xsetbv(7, 0, 0, cpl: 3).Fault);
            Assert.Equal(Fault.GeneralProtection, Vcpu("intel-icelake", behavior).Xsetbv(7, 1, 0, cpl: 0).Fault);
        }
    }

    [Fact]
    public void The_upper_half_of_RAX_enters_the_value_until_corrected()
    {
        const ulong Garbage = 0xdead_0000_0000;
        Assert.Equal(Fault.GeneralProtection, Vcpu("intel-icelake", VmmBehavior.Before).Xsetbv(Garbage | 7, 0, 0, 0).Fault);
        Assert.Equal(Fault.GeneralProtection, Vcpu("intel-icelake", VmmBehavior.After).Xsetbv(Garbage | 7, 0, 0, 0).Fault);
        Assert.Equal(Fault.GeneralProtection, Vcpu("intel-icelake", VmmBehavior.After).Xsetbv(7, Garbage, 0, 0).Fault);

        VmmVcpu corrected = Vcpu("intel-icelake", VmmBehavior.Corrected);
        Assert.Equal(Fault.None, corrected.Xsetbv(Garbage | 7, Garbage, 0, 0).Fault);
        Assert.Equal(new StateComponentSet(7), corrected.Xcr0);

        // What the upper half adds, the lower half of RDX can take away.
        VmmVcpu after = Vcpu("intel-icelake", VmmBehavior.After);
        Assert.Equal(Fault.None, after.Xsetbv(0xFFFF_FFFF_0000_0007, 0, 1, 0).Fault);
        Assert.Equal(new StateComponentSet(7), after.Xcr0);
    }

    [Theory]
    [InlineData(0x6UL)]
    [InlineData(0x5UL)]
    [InlineData(0x67UL)]
    public void A_broken_dependency_ends_the_guest_at_the_next_entry_until_corrected(ulong value)
    {
        VmmXsetbv before = Vcpu("intel-icelake", VmmBehavior.Before).Xsetbv(value, 0, 0, 0);
        Assert.Equal((Fault.None, true), (before.Fault, before.EntryFails));
        VmmXsetbv after = Vcpu("intel-icelake", VmmBehavior.After).Xsetbv(value, 0, 0, 0);
        Assert.Equal((Fault.None, true), (after.Fault, after.EntryFails));
        VmmXsetbv corrected = Vcpu("intel-icelake", VmmBehavior.Corrected).Xsetbv(value, 0, 0, 0);
        Assert.Equal((Fault.GeneralProtection, false), (corrected.Fault, corrected.EntryFails));
    }

    [Fact]
    public void A_new_Linux_guest_delivers_no_signal_before_and_delivers_them_after()
    {
        GuestSignal before = LinuxGuest.DeliverSignal(NewLinux, Vcpu("intel-icelake", VmmBehavior.Before).Cpuid);
        Assert.False(before.Delivered);
        Assert.Contains("SIG-PKU-NO-XCR0", before.Explanation, StringComparison.Ordinal);

        // The empty sub-leaf 9 costs the guest XSAVE altogether; the correction gives it its place.
        GuestSignal after = LinuxGuest.DeliverSignal(NewLinux, Vcpu("intel-icelake", VmmBehavior.After).Cpuid);
        Assert.True(after.Delivered);
        Assert.True(after.Xcr0.IsEmpty);
        GuestSignal corrected = LinuxGuest.DeliverSignal(NewLinux, Vcpu("intel-icelake", VmmBehavior.Corrected).Cpuid);
        Assert.True(corrected.Delivered);
        Assert.Equal((2688, new StateComponentSet(0x2e7)), (corrected.PkruOffset, corrected.Xcr0));
    }

    [Fact]
    public void An_older_Linux_guest_and_one_without_protection_keys_deliver_signals_everywhere()
    {
        KernelBehavior older = KernelBehavior.Of(new KernelRelease(6, 11));
        foreach (VmmBehavior behavior in VmmBehavior.All)
        {
            Assert.True(LinuxGuest.DeliverSignal(older, Vcpu("intel-icelake", behavior).Cpuid).Delivered);
            Assert.True(LinuxGuest.DeliverSignal(NewLinux, Vcpu("intel-haswell", behavior).Cpuid).Delivered);
        }
    }

    [Fact]
    public void Every_difference_belongs_to_a_behaviour_and_has_its_own_row()
    {
        Assert.All(Enum.GetValues<VmmDifference>(), difference =>
        {
            Assert.Equal(difference, VmmDifferences.Get(difference).Difference);
            Assert.Contains(VmmBehavior.All, behavior => behavior.Has(difference));
        });
        Assert.Empty(VmmBehavior.Corrected.Differences);
        Assert.Null(VmmBehavior.Find("vmm-later"));
    }

    private static VmmVcpu Vcpu(string host, VmmBehavior behavior) => new(new VmmHost(SampleHosts.Cpuid(host), behavior));
}
