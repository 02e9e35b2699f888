using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Tests.Support;

namespace Xstate.Tests.Hypervisors.Linux;

/// <summary>
/// Frames that are not as large as the host's: the measured table of what 6.12.117, 6.18.15 and 7.2.13 made of one image (XSTATE_BV 7, YMM
/// = 22).
/// </summary>
public class SignalFrameSizeTests
{
    private const int HostsSize = 2696;
    private const int Smaller = 832;

    // xstate_size, extended_size, magic2 at 832, magic2 at 2696: what is left of YMM before, from 6.16 on, and since.
    public static TheoryData<string, uint, bool, bool, bool> Measured
    {
        get
        {
            TheoryData<string, uint, bool, bool, bool> rows = [];
            foreach ((string kernel, bool atHostSize) in (ReadOnlySpan<(string, bool)>)
            [
                ("6.12.117", false), ("6.16.3", true), ("6.17.13", true), ("6.18.15", true), ("6.18.34", true), ("6.19.14", true),
                    ("7.0.4", true), ("7.0.10", true),
                ("6.18.35", false), ("6.18.44", false), ("7.0.12", false), ("7.1.3", false), ("7.2.13", false),
            ])
            {
                rows.Add(kernel, 832, true, false, !atHostSize);
                rows.Add(kernel, 832, true, true, true);
                rows.Add(kernel, 832, false, true, atHostSize);
                rows.Add(kernel, 0, false, true, atHostSize);
                rows.Add(kernel, 4000, false, true, atHostSize);
                rows.Add(kernel, 832, false, false, false);
                rows.Add(kernel, HostsSize, false, true, true);
            }

            return rows;
        }
    }

    [Theory]
    [MemberData(nameof(Measured))]
    public void A_frame_of_another_size_keeps_or_loses_AVX(string kernel, uint xstateSize, bool endsAtItsSize, bool endsAtHostsSize,
        bool kept)
    {
        LinuxTask task = Task(kernel);
        SignalReturn back = task.RoundtripSignal(frame => Rewrite(frame, xstateSize, endsAtItsSize, endsAtHostsSize));

        Assert.False(back.Killed);
        Assert.Equal(!kept, back.FxOnly);
        task.GetXstate(out byte[] after);
        Assert.Equal(kept ? 0x22 : 0, after[576]);
        Assert.Equal(kept ? null : endsAtItsSize && !endsAtHostsSize ? "XS1512" : "XS1507", back.Why?.Rule.Id);
    }

    [Fact]
    public void Kernels_that_nobody_asked_are_asked_only_where_the_two_ways_part()
    {
        LinuxTask task = Task("6.14.2");
        Assert.Null(task.RoundtripSignal(static frame => Rewrite(frame, HostsSize, false, true)).Why);
        Assert.Throws<UnknownDifferenceException>(() => task.RoundtripSignal(static frame => Rewrite(frame, Smaller, true, false)));
    }

    [Theory]
    [InlineData("magic1", "XS1507", "magic1 at byte 464 is 0x0, not 0x46505853")]
    [InlineData("xstateSize", "XS1507", "xstate_size at byte 480 is 100, not 576 to 2696")]
    [InlineData("extendedSize", "XS1507", "extended_size at byte 468 is 512, not at least xstate_size 2696")]
    [InlineData("magic2", "XS1507", "magic2 at byte 2696 is 0x0, not 0x46505845")]
    [InlineData("xfeatures", "XS1508", "xfeatures 0x3 does not list 0x4 (avx), which XSTATE_BV 0x7 has")]
    public void A_silent_loss_says_which_field_it_comes_from(string field, string rule, string begins)
    {
        LinuxTask task = Task("6.12");
        SignalReturn back = task.RoundtripSignal(frame =>
        {
            Rewrite(frame, HostsSize, false, true);
            switch (field)
            {
                case "magic1":
                    frame.Magic1 = 0;
                    break;
                case "xstateSize":
                    frame.XstateSize = 100;
                    break;
                case "extendedSize":
                    frame.ExtendedSize = 512;
                    break;
                case "magic2":
                    frame.Bytes.AsSpan(HostsSize, sizeof(uint)).Clear();
                    break;
                default:
                    frame.Xfeatures = new StateComponentSet(3);
                    break;
            }
        });

        Assert.False(back.Killed);
        Assert.Equal(rule, back.Why!.Rule.Id);
        Assert.StartsWith(begins, back.Why.Message, StringComparison.Ordinal);
        task.GetXstate(out byte[] after);
        Assert.Equal(0, after[576]);
    }

    private static void Rewrite(SignalFrame frame, uint xstateSize, bool endsAtItsSize, bool endsAtHostsSize)
    {
        frame.Bytes.AsSpan(576, 256).Fill(0x22);
        frame.XstateBv = new StateComponentSet(7);
        frame.Xfeatures = new StateComponentSet(7);
        frame.XstateSize = xstateSize;
        frame.ExtendedSize = xstateSize + sizeof(uint);
        Mark(frame, HostsSize, endsAtHostsSize);
        Mark(frame, Smaller, endsAtItsSize);
    }

    private static void Mark(SignalFrame frame, int offset, bool ends) =>
        BinaryPrimitives.WriteUInt32LittleEndian(frame.Bytes.AsSpan(offset), ends ? SignalFrame.Magic2Value : 0);

    private static LinuxTask Task(string kernel)
    {
        HostRecord record = new()
        {
            Name = "icelake",
            Cpuid = SampleHosts.Cpuid("intel-icelake"),
            Provenance = new Provenance(FactSource.Given, "test")
        };
        Assert.True(KernelRelease.TryParse(kernel, out KernelRelease release));
        return new LinuxTask(new LinuxHost(record, KernelBehavior.Of(release)));
    }
}
