using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Transforms;

namespace Xstate.Rehearsal;

/// <summary>
/// What becomes of registers that an artifact stores by name. QEMU on KVM builds the image for KVM_SET_XSAVE itself: at the host's own
/// offsets, with the stored XSTATE_BV whatever the registers hold, and with the x87 registers in the order in which they are stored. TCG
/// takes the registers and does not ask for XSTATE_BV.
/// </summary>
internal static class StoredImage
{
    private const int X87Registers = 8;
    private const int TopShift = 11;

    /// <summary>The capture that QEMU hands to KVM; states with an area of their own stay as they are.</summary>
    /// <param name="capture">What was captured.</param>
    /// <param name="host">The host, whose offsets the image gets.</param>
    /// <param name="hidden">Components whose registers are left out.</param>
    public static Capture ForKvm(Capture capture, LinuxHost host, StateComponentSet hidden)
    {
        ArgumentNullException.ThrowIfNull(capture);
        ArgumentNullException.ThrowIfNull(host);
        return capture with { States = [.. capture.States.Select(state => state.Stored is null ? state : ForKvm(state, host, hidden))] };
    }

    /// <summary>Components of the processor whose feature the host's KVM was seen not to announce.</summary>
    public static StateComponentSet Hidden(LinuxHost host)
    {
        ArgumentNullException.ThrowIfNull(host);
        StateComponentSet hidden = StateComponentSet.Empty;
        foreach (XsaveSlot slot in host.Layout.Slots.Where(slot => !slot.IsSupervisor))
        {
            bool announced = host.Record.SupportedCpuid is not { } supported || StateComponents.Find(slot.Component) is not { } component
                || component.IsAnnouncedBy(supported);
            hidden = announced ? hidden : hidden.With(slot.Component);
        }

        return hidden;
    }

    /// <summary>
    /// The capture with the registers at the host's offsets, where that host has a place for all that are in use: a layout that was only
    /// chosen to show them is not one that could be foreign.
    /// </summary>
    public static Capture AtHostOffsets(Capture capture, LinuxHost host)
    {
        ArgumentNullException.ThrowIfNull(capture);
        ArgumentNullException.ThrowIfNull(host);
        return capture with
        {
            States = [.. capture.States.Select(state => Fits(state, host)
            ? Moved(state, host, new XsaveArea(state.Area.Span).XstateBv) : state)]
        };
    }

    /// <summary>
    /// The state with its components at the host's offsets, as a VMM places them that keeps the area without a layout. Those that the host
    /// lacks are left out; an area without a known layout stays as it is.
    /// </summary>
    public static CapturedState AtOffsetsOf(CapturedState state, LinuxHost host)
    {
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(host);
        if (state.Layout is null)
        {
            return state;
        }

        byte[] padded = XsaveArea.CopyPadded(state.Area.Span);
        byte[] image = new byte[Math.Max(KvmModelMachine.XsaveLength, host.Layout.StandardLength)];
        XsaveConversion.ToStandard(padded, state.Layout.Value, image, host.Layout);
        return state with
        {
            Area = image,
            Layout = state.Layout with { Value = host.Layout },
            Lost = CaptureTransforms.LostAt(state, host.Layout)
        };
    }

    /// <summary>The area that a guest under TCG has after the load.</summary>
    public static byte[] UnderTcg(CapturedState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        byte[] area = state.Area.ToArray();
        if (state.Stored?.X87Order.Value == X87Order.StackTop)
        {
            Turn(area, Top(area));
        }

        return area;
    }

    /// <summary>Whether the two orders differ for this state: the stack is not at register R0 and not all registers are the same.</summary>
    public static bool OrderMatters(CapturedState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        byte[] turned = state.Area.ToArray();
        Turn(turned, Top(turned));
        return !turned.AsSpan().SequenceEqual(state.Area.Span);
    }

    private static CapturedState ForKvm(CapturedState state, LinuxHost host, StateComponentSet hidden)
    {
        CapturedState moved = Moved(state, host, state.Stored!.XstateBv.Value);
        byte[] area = moved.Area.ToArray();
        foreach (XsaveSlot slot in host.Layout.Slots)
        {
            if (hidden.Contains(slot.Component) && slot.Offset < area.Length)
            {
                area.AsSpan(slot.Offset, Math.Min(slot.Size, area.Length - slot.Offset)).Clear();
            }
        }

        if (state.Stored.X87Order.Value == X87Order.Physical)
        {
            Turn(area, X87Registers - Top(area));
        }

        return moved with { Area = area };
    }

    // Every component moves, in use or not; those that the host lacks have no offset there and are left out, as in QEMU.
    private static CapturedState Moved(CapturedState state, LinuxHost host, StateComponentSet xstateBv)
    {
        byte[] all = state.Area.ToArray();
        XsaveLayout layout = state.Layout!.Value;
        new XsaveAreaWriter(all).WriteXstateBv(layout.UserComponents);
        byte[] area = new byte[Math.Max(KvmModelMachine.XsaveLength,
            host.Layout.StandardLengthFor(host.DefaultUserFeatures | layout.UserComponents))];
        XsaveConversion.ToStandard(all, layout, area, host.Layout);
        new XsaveAreaWriter(area).WriteXstateBv(xstateBv);
        return state with
        {
            Area = area,
            Layout = state.Layout with { Value = host.Layout },
            Lost = CaptureTransforms.LostAt(state, host.Layout)
        };
    }

    private static bool Fits(CapturedState state, LinuxHost host) =>
        state is { Stored: not null, Layout: not null } && (host.Layout.UserComponents | StateComponentSet.Legacy)
        .ContainsAll(new XsaveArea(state.Area.Span).XstateBv & state.Layout.Value.UserComponents);

    // Register i becomes what register (i + by) mod 8 was.
    private static void Turn(Span<byte> area, int by)
    {
        Span<byte> registers = area[LegacyRegion.Stack];
        int split = by % X87Registers * XsaveFormat.StSlotLength;
        Span<byte> before = stackalloc byte[registers.Length];
        registers.CopyTo(before);
        before[split..].CopyTo(registers);
        before[..split].CopyTo(registers[^split..]);
    }

    private static int Top(ReadOnlySpan<byte> area) => new XsaveArea(area).Fsw >> TopShift & (X87Registers - 1);
}
