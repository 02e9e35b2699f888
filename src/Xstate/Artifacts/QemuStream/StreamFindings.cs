using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Artifacts.QemuStream;

/// <summary>
/// What a virtual CPU's section shows beside its values: state that the next load would lose, state that the save lost, and what is only
/// guessed.
/// </summary>
internal static class StreamFindings
{
    private static readonly StateComponentSet UpperHalves = StateComponentSet.Of(StateComponent.Avx, StateComponent.Opmask,
        StateComponent.ZmmHi256, StateComponent.Hi16Zmm);

    /// <summary>The bytes of an area that the save left out; none where nothing was lost.</summary>
    public static ImmutableArray<AreaRange> Lost(CpuSection cpu, ReadOnlySpan<byte> area, XsaveLayout layout) =>
        LostUpperHalves(cpu, area, CpuSection.InUse(area, layout))
        ? [.. layout.Slots.Where(slot => UpperHalves.Contains(slot.Component)).Select(slot => new AreaRange(slot.Offset, slot.Size))] : [];

    public static IEnumerable<Finding> Of(CpuSection cpu, CapturedState state)
    {
        XsaveLayout layout = state.Layout!.Value;
        ReadOnlyMemory<byte> area = state.Area;
        StateComponentSet used = CpuSection.InUse(area.Span, layout);
        StateComponentSet hidden = new XsaveArea(area.Span).XstateBv.Except(cpu.XstateBvValue) & used;
        if (!hidden.IsEmpty)
        {
            yield return Of(Rules.StreamHidesRegisters, cpu, cpu.XstateBv.Offset,
                $"xstate_bv is {cpu.XstateBvValue}, but the registers hold {hidden.Describe()}: loaded under KVM all of that becomes "
                + "initial") with
            {
                Found = cpu.XstateBvValue.ToString(),
                Expected = (cpu.XstateBvValue | hidden).ToString(),
            };
        }

        if (!state.Lost.IsEmpty)
        {
            yield return Of(Rules.UpperHalvesLost, cpu, cpu.XstateBv.Offset,
                $"xstate_bv {cpu.XstateBvValue} says that AVX and AVX-512 state was in use, but there are only zeros above the XMM "
                + "registers: the save lost them") with
            {
                Found = "XMM registers in use, all upper halves zero",
                Expected = $"values in {(cpu.XstateBvValue & UpperHalves).Describe()}",
            };
        }

        Fact<X87Order> order = state.Stored!.X87Order;
        bool matters = cpu.Top != 0 && area.Span[XsaveFormat.StOffset..XsaveFormat.XmmOffset].ContainsAnyExcept((byte)0);
        if (matters && order.Value == X87Order.Physical)
        {
            yield return Of(Rules.OtherX87Order, cpu, null,
                $"TCG stored the x87 registers from R0 on and TOP is {cpu.Top}: loaded under KVM, ST(i) is what belongs into "
                + $"ST((i+{(8 - cpu.Top) % 8}) mod 8)") with
            {
                Where = new FindingLocation(cpu.Id, Register: "st0"),
            };
        }

        if (matters && state.Stored.Writer.Provenance.Source == FactSource.Guess)
        {
            string taken = order.Value == X87Order.Physical ? "physical R0" : "ST(0)";
            yield return Of(Rules.WriterGuessed, cpu, null,
                $"the accelerator that wrote the stream is a guess ({state.Stored.Writer.Provenance.Detail}); the x87 registers are read "
                + $"with {taken} first ({order.Provenance.Detail})");
        }

        StateComponentSet zero = StateComponentSet.Empty;
        foreach (StateComponent component in cpu.Xcr0Value & StateComponents.UserComponents)
        {
            zero = RegisterMoves.SubsectionOf(component) is { } subsection && !cpu.Fields.HasSubsection(subsection)
                ? zero.With(component) : zero;
        }

        if (!zero.IsEmpty)
        {
            yield return Of(Rules.ZeroWithoutSubsection, cpu, null,
                $"XCR0 has {zero.Describe()}, for which the stream has no subsection: all of it was zero when the guest was saved");
        }

        if (cpu.Searched)
        {
            yield return Of(Rules.FoundBySearch, cpu, 0,
                "the sizes in the description do not lead to this virtual CPU; it was found by its header and checked by its footer");
        }
    }

    // QEMU 7.2 with -cpu host where KVM_GET_SUPPORTED_CPUID hides AVX: the header is stored, the components are not.
    private static bool LostUpperHalves(CpuSection cpu, ReadOnlySpan<byte> area, StateComponentSet used)
    {
        StateComponentSet claimed = UpperHalves;
        bool low = area[XsaveFormat.XmmOffset..XsaveFormat.XmmEnd].ContainsAnyExcept((byte)0);
        return low && cpu.XstateBvValue.ContainsAll(claimed) && !used.Overlaps(claimed);
    }

    private static Finding Of(Rule rule, CpuSection cpu, int? field, string message) =>
        rule.At(new FindingLocation(cpu.Id, field is null ? null : cpu.Offset + field), message);
}
