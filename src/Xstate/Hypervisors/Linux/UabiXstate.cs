using System.Buffers.Binary;
using Xstate.Architecture;

namespace Xstate.Hypervisors.Linux;

/// <summary>
/// Where PKRU goes when a user buffer is taken over, and what an absent PKRU means: the one way in which the three borders differ.
/// </summary>
internal enum PkruRule
{
    /// <summary>
    /// Bit 9 set: the register takes the value; clear: it becomes 0, as XRSTOR would make it. ptrace and sigreturn from 6.2 on.
    /// </summary>
    RegisterOrInitial,

    /// <summary>Bit 9 set: the register takes the value; clear: it keeps its own. KVM_SET_XSAVE, always.</summary>
    RegisterOrKeep,

    /// <summary>The value lands in a buffer that is never loaded. ptrace from 5.14 to 6.1.5.</summary>
    Ignore,
}

/// <summary>
/// The kernel's translation between its buffer and the user-space image, as kernels from 5.16 on do it for KVM, ptrace and signal frames
/// alike (<c>copy_uabi_to_xstate</c> and <c>copy_xstate_to_uabi_buf</c>).
/// </summary>
internal static class UabiXstate
{
    private static readonly StateComponentSet SseOrAvx = StateComponentSet.Of(StateComponent.Sse, StateComponent.Avx);
    private static readonly StateComponentSet WithMxcsr = SseOrAvx.With(StateComponent.X87);

    /// <summary>
    /// Takes over a user image. Nothing changes when it is refused. The order of the tests is the kernel's.
    /// </summary>
    /// <param name="state">The buffer that takes the image over.</param>
    /// <param name="image">At least 576 bytes; components beyond its end read as zeros.</param>
    /// <param name="rule">Where PKRU goes.</param>
    /// <param name="pkru">The register outside the buffer.</param>
    /// <param name="xfeatures">XSTATE_BV as it counts, after whatever the caller cleared in it.</param>
    /// <param name="border">The rules that explain a refusal; KVM's when nothing is given.</param>
    public static Refusal? CopyFromUser(
        FpState state, ReadOnlySpan<byte> image, PkruRule rule, ref uint pkru, StateComponentSet xfeatures, UabiBorder? border = null)
    {
        ArgumentNullException.ThrowIfNull(state);
        border ??= UabiBorder.Kvm;
        if (CheckHeader(state, image, xfeatures, border) is { } refusal)
        {
            return refusal;
        }

        uint mxcsr = LegacyRegion.ReadMxcsr(image);
        if (xfeatures.Overlaps(WithMxcsr) && CheckMxcsr(mxcsr, state.Host, border.MxcsrSince, border) is { } badMxcsr)
        {
            return badMxcsr;
        }

        foreach (StateComponent component in xfeatures & StateComponentSet.Legacy)
        {
            LegacyRegion.Copy(component, image, state.Legacy);
        }

        // The kernel copies x87 in one piece, which encloses MXCSR and its mask; SSE and AVX bring them along without it.
        if (xfeatures.Overlaps(WithMxcsr))
        {
            LegacyRegion.CopyMxcsr(image, state.Legacy);
        }

        CopyExtended(state, image, xfeatures);
        if (rule != PkruRule.Ignore)
        {
            TakePkru(state, rule, ref pkru, xfeatures);
        }

        state.Xfeatures = xfeatures;
        return null;
    }

    /// <summary>
    /// Writes a user image into a zeroed destination. Components that do not fit are left out: callers size the destination by the vCPU.
    /// </summary>
    /// <param name="state">The buffer.</param>
    /// <param name="image">The destination, all zeros.</param>
    /// <param name="allowed">Components that this border lets through.</param>
    /// <param name="pkru">The register outside the buffer.</param>
    public static void CopyToUser(FpState state, Span<byte> image, StateComponentSet allowed, uint pkru)
    {
        ArgumentNullException.ThrowIfNull(state);
        StateComponentSet xfeatures = state.Xfeatures & state.UserXfeatures & allowed;
        ReadOnlySpan<byte> x87 = xfeatures.Contains(StateComponent.X87) ? state.Legacy : state.Host.InitialLegacy;
        ReadOnlySpan<byte> mxcsr = xfeatures.Overlaps(SseOrAvx) ? state.Legacy : state.Host.InitialLegacy;
        ReadOnlySpan<byte> sse = xfeatures.Contains(StateComponent.Sse) ? state.Legacy : state.Host.InitialLegacy;
        LegacyRegion.Copy(StateComponent.X87, x87, image);
        LegacyRegion.CopyMxcsr(mxcsr, image);
        LegacyRegion.Copy(StateComponent.Sse, sse, image);
        new XsaveAreaWriter(image).WriteSoftwareMask(state.Host.UserFeatures).WriteXstateBv(xfeatures);
        CopyExtendedToUser(state, image, xfeatures, pkru);
    }

    /// <summary>
    /// Writes the components beyond the legacy region, PKRU from where it is kept. Components that do not fit are left out.
    /// </summary>
    internal static void CopyExtendedToUser(FpState state, Span<byte> image, StateComponentSet xfeatures, uint pkru)
    {
        foreach (StateComponent component in xfeatures)
        {
            if (!state.Host.Layout.TryGetSlot(component, out XsaveSlot slot) || slot.End > image.Length)
            {
                continue;
            }

            if (component == StateComponent.Pkru)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(image[slot.Offset..], pkru);
            }
            else
            {
                state.Component(component).CopyTo(image[slot.Offset..]);
            }
        }
    }

    /// <summary>
    /// Shows PKRU where the kernel shows it for every task that has the component, whatever XSTATE_BV says. Nothing changes on other
    /// kernels, and where the destination has no room.
    /// </summary>
    /// <param name="state">The buffer.</param>
    /// <param name="image">What <see cref="CopyToUser"/> wrote.</param>
    /// <param name="pkru">The register outside the buffer.</param>
    internal static void ShowPkru(FpState state, Span<byte> image, uint pkru)
    {
        if (state.UserXfeatures.Contains(StateComponent.Pkru) && state.Host.Layout.TryGetSlot(StateComponent.Pkru, out XsaveSlot slot)
            && slot.End <= image.Length
            && state.Host.Behavior.Has(KernelDifference.X86FpuPkruShown))
        {
            BinaryPrimitives.WriteUInt32LittleEndian(image[slot.Offset..], pkru);
        }
    }

    /// <summary>Whether MXCSR has a bit that the host lacks.</summary>
    /// <param name="mxcsr">The value.</param>
    /// <param name="host">The host.</param>
    /// <param name="since">The kernels that look at it.</param>
    /// <param name="border">The rules that explain a refusal; KVM's when nothing is given.</param>
    public static Refusal? CheckMxcsr(uint mxcsr, LinuxHost host, string since, UabiBorder? border = null)
    {
        ArgumentNullException.ThrowIfNull(host);
        border ??= UabiBorder.Kvm;
        uint reserved = mxcsr & ~host.MxcsrMask;
        return reserved == 0
            ? null
            : new Refusal(border.ReservedMxcsr, border.MxcsrBehavior,
                $"MXCSR 0x{mxcsr:x} has reserved bits 0x{reserved:x}; the host's MXCSR_MASK is 0x{host.MxcsrMask:x}")
            {
                Offset = XsaveFormat.MxcsrOffset,
                Found = $"0x{mxcsr:x}",
                Expected = $"no bit outside 0x{host.MxcsrMask:x}",
                Since = since,
            };
    }

    /// <summary>The kernel's test of a header (<c>validate_user_xstate_header</c>).</summary>
    internal static Refusal? CheckHeader(FpState state, ReadOnlySpan<byte> image, StateComponentSet xfeatures, UabiBorder border)
    {
        StateComponentSet foreign = xfeatures.Except(state.UserXfeatures);
        if (!foreign.IsEmpty)
        {
            return border.ForeignComponents(state, xfeatures, foreign);
        }

        XsaveArea area = new(image);
        if (area.XcompBv != 0)
        {
            return new Refusal(border.Compacted, border.CompactedBehavior,
                $"XCOMP_BV is 0x{area.XcompBv:x}: this border takes the standard format only")
            {
                Offset = XsaveFormat.XcompBvOffset,
                Found = $"0x{area.XcompBv:x}",
                Expected = "0x0",
            };
        }

        int reserved = area.ReservedHeader.IndexOfAnyExcept((byte)0);
        return reserved < 0
            ? null
            : new Refusal(border.ReservedHeader, border.HeaderBehavior,
                $"reserved header byte {XsaveFormat.ReservedHeaderOffset + reserved} is 0x{area.ReservedHeader[reserved]:x}")
            {
                Offset = XsaveFormat.ReservedHeaderOffset + reserved,
                Found = $"0x{area.ReservedHeader[reserved]:x}",
                Expected = "0x0",
            };
    }

    private static void CopyExtended(FpState state, ReadOnlySpan<byte> image, StateComponentSet xfeatures)
    {
        foreach (StateComponent component in xfeatures)
        {
            Span<byte> destination = state.Component(component);
            if (destination.IsEmpty || !state.Host.Layout.TryGetSlot(component, out XsaveSlot slot))
            {
                continue;
            }

            ReadOnlySpan<byte> source = slot.Offset < image.Length ? image[slot.Offset..Math.Min(slot.End, image.Length)] : [];
            source.CopyTo(destination);
            destination[source.Length..].Clear();
        }
    }

    private static void TakePkru(FpState state, PkruRule rule, ref uint pkru, StateComponentSet xfeatures)
    {
        if (xfeatures.Contains(StateComponent.Pkru))
        {
            pkru = BinaryPrimitives.ReadUInt32LittleEndian(state.Component(StateComponent.Pkru));
        }
        else if (rule == PkruRule.RegisterOrInitial)
        {
            pkru = 0;
        }
    }
}
