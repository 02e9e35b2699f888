using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Linux.Tracing;

namespace Xstate.Linux.Tests.Tracing;

/// <summary>What a signal's frame needs of an alternate stack, on the kernel that this runs on.</summary>
public class SignalStackTests
{
    private static HostRecord Host { get; } = HostProbe.RecordWithoutKvm();

    [Fact]
    public void A_process_with_a_stack_of_2048_bytes_dies_of_a_signal_where_AVX_512_is()
    {
        Assert.SkipUnless(Area() > 2048, "no AVX-512: a machine with AVX-512 under Linux 5.14 or later would run this");
        Assert.SkipUnless(KernelBehavior.Of(Host)?.Knows(KernelDifference.SignalStackChecked) == Knowledge.Present,
            "before 5.14 the kernel does not look: Linux 5.14 or later would run this");
        using TracedChild child = new();
        SignalStack stack = new(TracedChild.SignalStackLimit.First, 2048, 0);

        Assert.False(stack.Holds(Area(), is32Bit: false));
        Assert.False(child.SurvivesSignal(stack));
        using TracedChild other = new();
        Assert.True(other.SurvivesSignal(stack with { Size = 8192 }));
    }

    [Fact]
    public void The_kernel_finds_room_for_a_frame_exactly_where_the_rule_does()
    {
        Assert.SkipUnless(KernelBehavior.Of(Host)?.Knows(KernelDifference.SignalStackChecked) == Knowledge.Present,
            "before 5.14 the kernel does not look: Linux 5.14 or later would run this");
        SplitMix64 random = new(0x5A5);
        int died = 0;
        const int Count = 24;
        for (int i = 0; i < Count; i++)
        {
            // Near the limit, at every alignment of the end; sigaltstack takes nothing below MINSIGSTKSZ.
            ulong first = TracedChild.SignalStackLimit.First + (ulong)random.Below(256);
            SignalStack stack = new(first, (ulong)Area() + 4000, 0);
            ulong needed = stack.Needed(Area(), is32Bit: false);
            stack = stack with { Size = Math.Max(2048, needed + (ulong)random.Below(9) - 4) };
            stack = stack with { Address = first + (ulong)Area() + 4000 - stack.Size };
            using TracedChild child = new();
            bool holds = stack.Holds(Area(), is32Bit: false);
            died += holds ? 0 : 1;

            Assert.True(holds == child.SurvivesSignal(stack),
                $"stack of {stack.Size} bytes at 0x{stack.Address:x}, frame needs {stack.Needed(Area(), is32Bit: false)}: the rule says "
                + $"{(holds ? "it fits" : "it does not")}");
        }

        Assert.True(died is > 0 and < Count || Area() < 2048 - 600, $"{died} of {Count} died");
    }

    [Fact]
    public void AT_MINSIGSTKSZ_is_what_the_rule_says()
    {
        ulong? told = LiveProcess.MinSignalStackOf(Environment.ProcessId);
        Assert.SkipUnless(told is not null, "no AT_MINSIGSTKSZ: Linux 5.14 or later would run this");
        Assert.SkipUnless(Host.Xcr0 is not null, "the kernel does not tell its components: Linux 5.16 or later would run this");

        Assert.Equal((ulong)SignalStack.Announced(XsaveLayout.FromCpuid(Host.Cpuid)
            .StandardLengthFor(Host.Xcr0!.Value & StateComponents.UserComponents)), told);
    }

    // For a thread that never asked for tile data.
    private static int Area()
    {
        using TracedChild child = new();
        Assert.True(child.GetXstate(out byte[] image).IsSuccess);
        StateComponentSet enabled = new StateComponentSet(new XsaveArea(image).SoftwareMask).Without(StateComponent.TileData);
        return XsaveLayout.FromCpuid(Host.Cpuid).StandardLengthFor(enabled);
    }
}
