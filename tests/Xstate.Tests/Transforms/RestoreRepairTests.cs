using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Tests.Support;
using Xstate.Transforms;

namespace Xstate.Tests.Transforms;

public class RestoreRepairTests
{
    private static readonly XsaveLayout Genoa = XsaveLayout.FromCpuid(SampleHosts.Open("amd-genoa").Cpuid);
    private static readonly StateComponentSet All = new(0x2e7);

    [Fact]
    public void A_clean_image_needs_nothing()
    {
        Assert.Empty(Repair(Image(0x2e7)).Steps);
    }

    [Fact]
    public void Hidden_components_are_trimmed_with_their_bytes()
    {
        byte[] image = Image(0xe7);
        image.AsSpan(832, 64).Fill(0x11);
        Transformed<CapturedState> repaired = Repair(image, guest: 0x7);
        Assert.Equal(RepairKind.Trim, Assert.Single(repaired.Steps).Kind);
        Assert.Equal(7UL, new XsaveArea(repaired.Value.Area.Span).XstateBv.Bits);
        Assert.Equal(-1, repaired.Value.Area.Span.Slice(832, 64).IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public void Live_state_is_kept_and_reported_unless_forced()
    {
        byte[] image = Image(0xe7);
        image.AsSpan(832, 64).Fill(0x11);
        RepairTarget small = new(Genoa, new StateComponentSet(7), Mxcsr.AmdMask, 4096);
        Transformed<CapturedState> kept = Repair(image, guest: 0xe7, target: small);
        Assert.Equal("XS0506", Assert.Single(kept.Obstacles).Rule.Id);
        Assert.True(new XsaveArea(kept.Value.Area.Span).XstateBv.Contains(StateComponent.Opmask));
        Transformed<CapturedState> forced = Repair(image, guest: 0xe7, target: small, force: true);
        Assert.Empty(forced.Obstacles);
        Assert.True(Assert.Single(forced.Steps).LosesState);
        Assert.Contains("LOST state that the guest can see in 0x20 (opmask)", forced.Steps[0].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Lost_bytes_are_not_taken_for_the_initial_state_and_stay_lost_where_their_component_goes()
    {
        CapturedState state = State(Image(0xe7)) with { Lost = [new AreaRange(840, 8)] };
        RepairTarget small = new(Genoa, new StateComponentSet(7), Mxcsr.AmdMask, 4096);
        Assert.Contains("opmask", Assert.Single(RestoreRepair.Apply(state, small, new StateComponentSet(0xe7),
            force: false).Obstacles).Message, StringComparison.Ordinal);
        XsaveLayout intel = LayoutFamily.All[0].Layout;
        RepairTarget other = new(intel, new StateComponentSet(0xe7), Mxcsr.AmdMask, 4096);
        Assert.Equal([new AreaRange(1096, 8)], RestoreRepair.Apply(state, other, new StateComponentSet(0xe7), force: false).Value.Lost);
    }

    [Fact]
    public void A_thread_is_not_called_a_guest()
    {
        byte[] image = Image(0xe7);
        image.AsSpan(832, 64).Fill(0x11);
        RepairTarget small = new(Genoa, new StateComponentSet(7), Mxcsr.IntelMask & 0xFF, 4096);
        BitConverter.TryWriteBytes(image.AsSpan(24), 0x1F80u);
        BitConverter.TryWriteBytes(image.AsSpan(28), 0xFFFFu);
        CapturedState state = State(image) with
        {
            Xcr0 = new Fact<StateComponentSet>(new StateComponentSet(0xe7), FactSource.Given,
            "test")
        };
        foreach (bool force in (bool[])[false, true])
        {
            Transformed<CapturedState> repaired = RestoreRepair.Apply(state, small, new StateComponentSet(0xe7), force,
                CaptureKind.Process);
            string[] said = [.. repaired.Obstacles.Select(obstacle => obstacle.Message), .. repaired.Steps.Select(step => step.Message)];
            Assert.Contains(said, message => message.Contains("thread", StringComparison.Ordinal));
            Assert.DoesNotContain(said, message => message.Contains("guest", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Components_whose_content_is_initial_are_no_loss()
    {
        RepairTarget small = new(Genoa, new StateComponentSet(7), Mxcsr.AmdMask, 4096);
        Transformed<CapturedState> repaired = Repair(Image(0xe7), guest: 0xe7, target: small);
        Assert.Empty(repaired.Obstacles);
        Assert.False(Assert.Single(repaired.Steps).LosesState);
    }

    [Fact]
    public void Components_out_of_the_guests_reach_are_no_loss()
    {
        byte[] image = Image(0xe7);
        image.AsSpan(832, 64).Fill(0x11);
        RepairTarget small = new(Genoa, new StateComponentSet(7), Mxcsr.AmdMask, 4096);
        CapturedState state = State(image) with { Xcr0 = new Fact<StateComponentSet>(new StateComponentSet(7), FactSource.Given, "test") };
        Assert.Empty(RestoreRepair.Apply(state, small, new StateComponentSet(0xe7), force: false).Obstacles);
    }

    [Fact]
    public void PKRU_is_in_reach_whatever_XCR0_says()
    {
        byte[] image = Image(0x207);
        image[2432] = 4;
        RepairTarget small = new(Genoa, new StateComponentSet(7), Mxcsr.AmdMask, 4096);
        CapturedState state = State(image) with { Xcr0 = new Fact<StateComponentSet>(new StateComponentSet(7), FactSource.Given, "test") };
        Assert.Equal("XS0506", Assert.Single(RestoreRepair.Apply(state, small, All, force: false).Obstacles).Rule.Id);
    }

    [Fact]
    public void Reserved_header_bytes_are_zeroed()
    {
        byte[] image = Image(0x207);
        image[560] = 7;
        Transformed<CapturedState> repaired = Repair(image);
        Assert.Equal((RepairKind.Header, 560), (repaired.Steps[0].Kind, repaired.Steps[0].Offset!.Value));
        Assert.Equal(-1, new XsaveArea(repaired.Value.Area.Span).ReservedHeader.IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public void A_bare_MXCSR_is_made_explicit()
    {
        byte[] image = Image(0x204);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(24), 0x3f80);
        image.AsSpan(160, 256).Fill(0x77);
        Transformed<CapturedState> repaired = Repair(image);
        XsaveArea area = new(repaired.Value.Area.Span);
        Assert.Equal((0x206UL, 0x3f80u), (area.XstateBv.Bits, area.Mxcsr));
        Assert.Equal(-1, area.Bytes.Slice(160, 256).IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public void MXCSR_bits_that_only_the_source_has_are_a_loss()
    {
        byte[] image = Image(0x207);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(24), 0x2_1f80);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(28), Mxcsr.AmdMask);
        RepairTarget intel = new(Genoa, All, Mxcsr.IntelMask, 4096);
        Assert.Equal("XS0105", Assert.Single(Repair(image, target: intel).Obstacles).Rule.Id);
        Transformed<CapturedState> forced = Repair(image, target: intel, force: true);
        Assert.Equal(0x1f80u, new XsaveArea(forced.Value.Area.Span).Mxcsr);
        Assert.True(forced.Steps[0].LosesState);
    }

    [Fact]
    public void MXCSR_bits_that_no_processor_has_are_dropped()
    {
        byte[] image = Image(0x207);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(24), 0x8000_1f80);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(28), Mxcsr.AmdMask);
        Transformed<CapturedState> repaired = Repair(image);
        Assert.Equal(0x1f80u, new XsaveArea(repaired.Value.Area.Span).Mxcsr);
        Assert.False(repaired.Steps[0].LosesState);
    }

    [Fact]
    public void PKRU_becomes_explicit_for_guests_that_have_it()
    {
        byte[] image = Image(7);
        image.AsSpan(2432, 8).Fill(0x55);
        Transformed<CapturedState> repaired = Repair(image);
        Assert.Equal(RepairKind.Pkru, Assert.Single(repaired.Steps).Kind);
        Assert.Equal(0x207UL, new XsaveArea(repaired.Value.Area.Span).XstateBv.Bits);
        Assert.Equal(-1, repaired.Value.Area.Span.Slice(2432, 8).IndexOfAnyExcept((byte)0));
        Assert.Empty(Repair(Image(7), guest: 7).Steps);
    }

    [Fact]
    public void Components_that_XFD_disables_are_cleared()
    {
        XsaveLayout layout = XsaveLayout.FromCpuid(SampleHosts.Open("intel-sapphire-rapids").Cpuid);
        byte[] image = new byte[11008];
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(24), Mxcsr.Initial);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(512), 0x602e7);
        image.AsSpan(2816, 8192).Fill(1);
        CapturedState state = State(image, layout) with
        {
            Xfd = new Fact<StateComponentSet>(new StateComponentSet(1UL << 18),
            FactSource.Given, "test")
        };
        Transformed<CapturedState> repaired = RestoreRepair.Apply(state,
            new RepairTarget(layout, new StateComponentSet(0x602e7), Mxcsr.IntelMask, 11008), new StateComponentSet(0x602e7), force: false);
        Assert.Equal(RepairKind.Xfd, Assert.Single(repaired.Steps).Kind);
        Assert.Equal(-1, repaired.Value.Area.Span.Slice(2816, 8192).IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public void The_length_becomes_the_destinations()
    {
        Transformed<CapturedState> repaired = Repair(Image(0x207)[..2440]);
        Assert.Equal(4096, repaired.Value.Area.Length);
        Assert.Equal(RepairKind.Length, Assert.Single(repaired.Steps).Kind);
    }

    [Fact]
    public void An_unknown_layout_is_the_callers_mistake()
    {
        CapturedState state = new() { Id = 0, Area = Image(7) };
        Assert.Throws<ArgumentException>(() => RestoreRepair.Apply(state, new RepairTarget(Genoa, All, Mxcsr.AmdMask, 4096), All,
            force: false));
    }

    private static byte[] Image(ulong bv)
    {
        byte[] image = new byte[4096];
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(24), Mxcsr.Initial);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(512), bv);
        return image;
    }

    private static CapturedState State(byte[] image, XsaveLayout? layout = null) =>
        new() { Id = 0, Area = image, Layout = new Fact<XsaveLayout>(layout ?? Genoa, FactSource.Cpuid, "test") };

    private static Transformed<CapturedState> Repair(byte[] image, ulong guest = 0x2e7, RepairTarget? target = null, bool force = false) =>
        RestoreRepair.Apply(State(image), target ?? new RepairTarget(Genoa, All, Mxcsr.AmdMask, 4096), new StateComponentSet(guest), force);
}
