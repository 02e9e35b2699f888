using System.Buffers.Binary;
using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Tests.Captures;

public class CaptureComparisonTests
{
    private static readonly LayoutFamily Intel = LayoutFamily.All[0];
    private static readonly LayoutFamily Amd = LayoutFamily.All[2];
    private static readonly StateComponentSet Avx512Pkru = new(0x2E7);

    [Fact]
    public void The_same_registers_at_other_offsets_are_the_same_and_their_places_are_noise()
    {
        CapturedState intel = State(1, Intel, Fill(Intel));
        CapturedState amd = State(1, Amd, Fill(Amd));
        StateDifference difference = Assert.Single(CaptureComparison.Compare(Of(intel), Of(amd)).States);
        Assert.Empty(difference.Registers);
        Assert.Contains(difference.Noise, noise => noise is { What: "place of opmask", Left: "1088 +64", Right: "832 +64" });
    }

    [Fact]
    public void Every_register_that_differs_is_named_with_both_values_and_no_other()
    {
        byte[] changed = Fill(Intel);
        changed[Offset(Intel, StateComponent.Pkru)] ^= 4;
        changed[Offset(Intel, StateComponent.Hi16Zmm) + (3 * 64) + 63] ^= 0x80;
        changed[XsaveFormat.MxcsrOffset + 1] ^= 0x60;
        StateDifference difference = Assert.Single(CaptureComparison.Compare(Of(State(0, Intel, Fill(Intel))),
            Of(State(0, Intel, changed))).States);
        Assert.Equal(["mxcsr", "pkru", "zmm19"], difference.Registers.Select(register => register.Register).Order(StringComparer.Ordinal));
        Assert.Empty(difference.Noise);
        Assert.Equal(64 * 2, difference.Registers.Single(register => register.Register == "zmm19").Left.Length);
    }

    [Fact]
    public void A_capture_that_names_a_thread_twice_is_the_same_as_itself()
    {
        byte[] other = Fill(Intel);
        other[XsaveFormat.MxcsrOffset + 1] ^= 0x60;
        Capture damaged = Of(State(7, Intel, Fill(Intel)), State(7, Intel, other), State(8, Intel, Fill(Intel)));
        CaptureDifference difference = CaptureComparison.Compare(damaged, damaged);
        Assert.True(difference.IsSame);
        Assert.Equal((3, 0, 0), (difference.States.Length, difference.UnmatchedLeft.Length, difference.UnmatchedRight.Length));
        Assert.Equal([7], CaptureComparison.Compare(damaged, Of(State(7, Intel, Fill(Intel)), State(8, Intel, Fill(Intel)))).UnmatchedLeft);
    }

    [Fact]
    public void A_component_that_only_one_side_has_reads_as_initial_on_the_other()
    {
        byte[] avx = Fill(Intel);
        BinaryPrimitives.WriteUInt64LittleEndian(avx.AsSpan(XsaveFormat.XstateBvOffset), 7);
        CapturedState narrow = State(0, Intel,
            avx[..832]) with
        { Layout = new Fact<XsaveLayout>(Intel.Layout.Restrict(new StateComponentSet(7)), FactSource.Given, "test") };
        StateDifference difference = Assert.Single(CaptureComparison.Compare(Of(State(0, Intel, Fill(Intel))), Of(narrow)).States);
        RegisterContrast k3 = difference.Registers.Single(register => register.Register == "k3");
        Assert.Equal("0x0", k3.Right);
        Assert.Equal(32 + 8 + 1, difference.Registers.Length);
    }

    [Fact]
    public void An_initial_component_in_use_or_not_is_noise_that_XGETBV_alone_shows()
    {
        byte[] used = Fill(Intel);
        used.AsSpan(Offset(Intel, StateComponent.Opmask), 64).Clear();
        byte[] unused = [.. used];
        unused[XsaveFormat.XstateBvOffset] &= 0xDF;
        StateDifference difference = Assert.Single(CaptureComparison.Compare(Of(State(0, Intel, used)),
            Of(State(0, Intel, unused))).States);
        Assert.Empty(difference.Registers);
        NoiseContrast noise = Assert.Single(difference.Noise);
        Assert.StartsWith("XSTATE_BV bit 5 (opmask)", noise.What, StringComparison.Ordinal);
        Assert.Equal(("in use", "initial"), (noise.Left, noise.Right));
    }

    [Theory]
    [InlineData(XsaveFormat.MxcsrMaskOffset, "MXCSR_MASK")]
    [InlineData(XsaveFormat.SoftwareOffset + 20, "software bytes")]
    [InlineData(XsaveFormat.StOffset + 12, "reserved bytes of the legacy region")]
    [InlineData(XsaveFormat.XmmEnd + 5, "reserved bytes of the legacy region")]
    [InlineData(XsaveFormat.ReservedHeaderOffset + 9, "reserved header bytes")]
    public void Bytes_that_no_register_shows_are_named_as_noise(int offset, string what)
    {
        byte[] changed = Fill(Intel);
        changed[offset] ^= 0x11;
        StateDifference difference = Assert.Single(CaptureComparison.Compare(Of(State(0, Intel, Fill(Intel))),
            Of(State(0, Intel, changed))).States);
        Assert.Empty(difference.Registers);
        Assert.Equal(what, Assert.Single(difference.Noise).What);
    }

    [Fact]
    public void Stale_bytes_of_an_initial_component_are_noise()
    {
        byte[] stale = Fill(Intel);
        stale[XsaveFormat.XstateBvOffset] &= 0xDF;
        byte[] clean = [.. stale];
        clean.AsSpan(Offset(Intel, StateComponent.Opmask), 64).Clear();
        StateDifference difference = Assert.Single(CaptureComparison.Compare(Of(State(0, Intel, stale)),
            Of(State(0, Intel, clean))).States);
        Assert.Empty(difference.Registers);
        Assert.Equal(("stale bytes of opmask", "none"), (Assert.Single(difference.Noise).What, difference.Noise[0].Right));
    }

    [Fact]
    public void States_are_paired_by_id_where_one_is_shared_and_in_order_where_none_is()
    {
        CapturedState one = State(1, Intel, Fill(Intel));
        CaptureDifference byId = CaptureComparison.Compare(Of(one, one with { Id = 2 }), Of(one with { Id = 2 }, one with { Id = 3 }));
        Assert.Equal([(2, 2)], byId.States.Select(state => (state.LeftId, state.RightId)));
        Assert.Equal([1], byId.UnmatchedLeft);
        Assert.Equal([3], byId.UnmatchedRight);
        Assert.False(byId.IsSame);
        CaptureDifference inOrder = CaptureComparison.Compare(Of(one, one with { Id = 2 }), Of(one with { Id = 7 }, one with { Id = 8 }));
        Assert.Equal([(1, 7), (2, 8)], inOrder.States.Select(state => (state.LeftId, state.RightId)));
        Assert.True(inOrder.IsSame);
    }

    [Fact]
    public void Control_registers_MSRs_and_CPUID_are_compared_where_both_sides_know_them()
    {
        CpuidTable cpuid = CpuidTable.Empty.With(0xD, 0, new CpuidRegisters(0x2E7, 0x340, 0xA88, 0))
            .With(7, 0, new CpuidRegisters(0, 1, 8, 0));
        CapturedState left = State(0, Intel, Fill(Intel)) with
        {
            Xcr0 = new Fact<StateComponentSet>(Avx512Pkru, FactSource.Given, "test"),
            Xss = new Fact<StateComponentSet>(default, FactSource.Given, "test"),
            GuestCpuid = new Fact<CpuidTable>(cpuid, FactSource.Given, "test"),
            Msrs = ImmutableSortedDictionary<uint, ulong>.Empty.Add(0x6A0, 1),
        };
        CapturedState right = left with
        {
            Xcr0 = new Fact<StateComponentSet>(new StateComponentSet(7), FactSource.Given, "test"),
            Xss = null,
            GuestCpuid = new Fact<CpuidTable>(cpuid.With(0xD, 0, new CpuidRegisters(0x2E7, 0xA88, 0xA88, 0))
                .With(7, 0, new CpuidRegisters(0, 1, 0, 0)), FactSource.Given, "test"),
            Msrs = ImmutableSortedDictionary<uint, ulong>.Empty.Add(0x6A0, 3),
        };
        StateDifference difference = Assert.Single(CaptureComparison.Compare(Of(left), Of(right)).States);
        Assert.Equal(
            [new RegisterContrast("xcr0", "0x2e7", "0x7"), new RegisterContrast("msr 0x6a0", "0x1", "0x3"),
                new RegisterContrast("cpuid 0x7.0.ecx", "0x8", "0x0")],
            difference.Registers);
        Assert.Equal(["ia32_xss"], difference.OnlyLeft);
    }

    private static Capture Of(params CapturedState[] states) => new() { Format = "test", States = [.. states] };

    private static CapturedState State(int id, LayoutFamily family, byte[] area) =>
        new() { Id = id, Area = area, Layout = new Fact<XsaveLayout>(family.Layout.Restrict(Avx512Pkru), FactSource.Given, "test") };

    private static int Offset(LayoutFamily family, StateComponent component) => family.Layout.TryGetSlot(component, out XsaveSlot slot)
        ? slot.Offset : throw new ArgumentOutOfRangeException(nameof(component));

    // The same register contents on every layout: each component is filled from a generator of its own.
    private static byte[] Fill(LayoutFamily family)
    {
        XsaveLayout layout = family.Layout.Restrict(Avx512Pkru);
        byte[] area = new byte[layout.StandardLength];
        new SplitMix64(1).Fill(area.AsSpan(XsaveFormat.XmmOffset..XsaveFormat.XmmEnd));
        BinaryPrimitives.WriteUInt16LittleEndian(area, XsaveFormat.InitialFcw);
        BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(XsaveFormat.MxcsrOffset), Mxcsr.Initial);
        BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(XsaveFormat.XstateBvOffset), Avx512Pkru.Bits);
        foreach (XsaveSlot slot in layout.Slots)
        {
            new SplitMix64((ulong)slot.Component)
                .Fill(area.AsSpan(slot.Offset, Math.Min(slot.Size, StateComponents.Get(slot.Component).Size)));
        }

        // The upper half of PKRU's eight bytes is reserved.
        area.AsSpan(Offset(family, StateComponent.Pkru) + 4, 4).Clear();
        return area;
    }
}
