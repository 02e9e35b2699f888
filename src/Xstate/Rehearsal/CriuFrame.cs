using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors.Linux;

namespace Xstate.Rehearsal;

/// <summary>What CRIU makes of a captured thread on a target: the signal frame that the restored thread returns from.</summary>
/// <param name="Frame">The frame; null when CRIU gives up before.</param>
/// <param name="Dropped">Components of the thread that CRIU leaves out because the target's processor lacks them, without a word.</param>
/// <param name="Refusal">Why CRIU gives up.</param>
internal sealed record CriuFrame(SignalFrame? Frame, StateComponentSet Dropped, CriuRefusal? Refusal)
{
    /// <summary>
    /// Components that CRIU carries: those that its image has fields for. Bit 3 (BNDREGS) is not among them, though there is a field: CRIU
    /// 4.1.1 clears it in the processor's mask by mistake, together with bit 1, which it sets again.
    /// </summary>
    public static StateComponentSet Carried { get; } = StateComponentSet.Of(
        StateComponent.X87, StateComponent.Sse, StateComponent.Avx, StateComponent.BndCsr, StateComponent.Opmask, StateComponent.ZmmHi256,
        StateComponent.Hi16Zmm, StateComponent.Pkru);

    /// <summary>
    /// The components that CRIU believes a processor to have: leaf 0xD.0 without those whose feature bit is clear. It asks the processor
    /// and not XCR0.
    /// </summary>
    public static StateComponentSet ComponentsOf(CpuidTable cpuid)
    {
        ArgumentNullException.ThrowIfNull(cpuid);
        StateComponentSet has = StateComponentSet.Legacy;
        foreach (StateComponent component in cpuid.UserComponents & Carried)
        {
            has = StateComponents.Get(component).IsAnnouncedBy(cpuid) ? has.With(component) : has;
        }

        return has;
    }

    /// <summary>
    /// Builds the frame as CRIU does (restore_fpu): x87 and SSE always, and at the processor's offset each further component that image and
    /// processor both have; up to 3.17 each that the processor has.
    /// </summary>
    /// <param name="state">The thread; its layout must be known.</param>
    /// <param name="host">The target.</param>
    /// <param name="release">The CRIU that restores.</param>
    /// <param name="ignoresXsave">Whether XSAVE state is left out on a processor without XSAVE (<c>--cpu-cap none</c>).</param>
    /// <param name="unrecorded">What is assumed of a state whose file does not hold all of it.</param>
    public static CriuFrame Build(CapturedState state, LinuxHost host, CriuRelease release, bool ignoresXsave = false,
        UnrecordedState? unrecorded = null)
    {
        ArgumentNullException.ThrowIfNull(release);
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(host);
        XsaveArea area = state.ReadArea();

        // Every x86-64 processor has FXSAVE, and CRIU runs on no other; a dump that denies it is one of an older processor, or damaged.
        if (!host.HasFxsave)
        {
            return new CriuFrame(null, StateComponentSet.Empty,
                new CriuRefusal(Rules.CriuGivesUp, "cpu_init", "the processor has no FXSAVE, so no 64-bit kernel runs there"));
        }

        // Bytes that the file does not have are zeros here: they go into the frame so that it has the right shape, and are never compared.
        UnrecordedState? assumed = state.Recorded is null ? null : unrecorded;
        StateComponentSet used = area.XstateBv | (assumed?.InUse ?? StateComponentSet.Empty);
        bool hasExtended = !(used | state.Components).Except(StateComponentSet.Legacy).IsEmpty || assumed is { ProcessorHasXsave: true };
        if (!host.HasXsave && hasExtended && !ignoresXsave)
        {
            return new CriuFrame(null, StateComponentSet.Empty, new CriuRefusal(Rules.CriuRefusesImage, "valid_xsave_frame",
                "the image has XSAVE state, and the processor no XSAVE: restore with --cpu-cap none leaves it out"));
        }

        StateComponentSet target = host.HasXsave ? ComponentsOf(host.Record.Cpuid) : StateComponentSet.Legacy;
        StateComponentSet restored = StateComponentSet.Legacy;
        StateComponentSet dropped = (area.XstateBv & Carried).Except(target | StateComponentSet.Legacy);
        int length = host.HasXsave ? XsaveFormat.ExtendedOffset : XsaveFormat.LegacyLength;
        List<(XsaveSlot Slot, byte[] Bytes)> pieces = [];
        StateComponentSet taken = release.RestoresUnused && hasExtended ? target : used & target;
        foreach (StateComponent component in taken.Except(StateComponentSet.Legacy))
        {
            // What the image has no numbers for is restored as zeros.
            if (!host.Layout.TryGetSlot(component, out XsaveSlot slot))
            {
                continue;
            }

            area.TryGetComponent(component, state.Layout!.Value, out ReadOnlySpan<byte> bytes);

            if (slot.Size != StateComponents.Get(component).Size)
            {
                return new CriuFrame(null, dropped,
                    new CriuRefusal(Rules.CriuGivesUp, "restore_fpu",
                        $"the processor reports {slot.Size} bytes for {StateComponents.NameOf(component)}, CRIU's image has "
                        + $"{StateComponents.Get(component).Size}"));
            }

            pieces.Add((slot, bytes[..Math.Min(bytes.Length, slot.Size)].ToArray()));
            restored = restored.With(component);
            length = Math.Max(length, slot.End);
        }

        SignalFrame frame = new(length, restored, host.HasXsave);
        Span<byte> image = frame.Bytes;
        area.Bytes[..XsaveFormat.XmmEnd].CopyTo(image);
        foreach ((XsaveSlot slot, byte[] bytes) in pieces)
        {
            bytes.CopyTo(image[slot.Offset..]);
        }

        if (host.HasXsave)
        {
            frame.XstateBv = restored;
        }

        return new CriuFrame(frame, dropped, null);
    }
}
