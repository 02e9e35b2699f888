using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Artifacts.KvmXsave;

/// <summary>
/// Reads struct kvm_xsave: an XSAVE area in a buffer of 4096 bytes, or of the size that KVM_CAP_XSAVE2 (Linux 5.17) names when the guest
/// has dynamic components. Decodes faithfully: a header that no kernel would take is for a check to report.
/// </summary>
internal static class KvmXsaveReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "kvm_xsave";

    /// <summary>Bytes of the structure without its flexible end: u32 region[1024].</summary>
    public const int MinLength = 4096;

    // FCW bits that no processor stores as one (SDM Vol. 1, 8.1.5; measured: FFFF is kept as 1F7F).
    private const int FcwAlwaysZero = 0xE080;

    /// <summary>
    /// Whether the bytes look like an area that a kernel wrote (there is no magic): known components, no compaction, reserved bytes zero,
    /// plausible FCW and MXCSR.
    /// </summary>
    internal static bool Recognizes(ReadOnlySpan<byte> head, long length) =>
        HasLength(length, ArtifactLimits.Default) && HasHeaderOfKernel(head);

    /// <summary>The same for an area of any length.</summary>
    internal static bool HasHeaderOfKernel(ReadOnlySpan<byte> head)
    {
        if (head.Length < XsaveFormat.ExtendedOffset)
        {
            return false;
        }

        XsaveArea area = new(head);
        StateComponentSet known = StateComponents.UserComponents | StateComponents.SupervisorComponents;
        return known.ContainsAll(area.XstateBv)
            && area.XcompBv == 0
            && !area.ReservedHeader.ContainsAnyExcept((byte)0)
            && (area.Fcw & FcwAlwaysZero) == 0
            && (area.Mxcsr & ~(Mxcsr.IntelMask | Mxcsr.AmdMask)) == 0;
    }

    /// <summary>
    /// Whether a file of 4096 bytes that nothing else matches may be an area with a hostile or damaged header. Only where every rule of the
    /// header and of MXCSR is broken is it none: random bytes and text are not shown as registers, damage to one field or to a few is.
    /// </summary>
    internal static bool RecognizesDamaged(ReadOnlySpan<byte> head, long length)
    {
        if (length != MinLength || head.Length < XsaveFormat.ExtendedOffset)
        {
            return false;
        }

        XsaveArea area = new(head);
        StateComponentSet known = StateComponents.UserComponents | StateComponents.SupervisorComponents;
        return known.ContainsAll(area.XstateBv)
            || known.ContainsAll(new StateComponentSet(area.XcompBv & ~XsaveFormat.CompactedFlag))
            || !area.ReservedHeader.ContainsAnyExcept((byte)0)
            || (area.Mxcsr & ~(Mxcsr.IntelMask | Mxcsr.AmdMask)) == 0;
    }

    /// <summary>Reads the area of one virtual CPU. Nothing but the bytes is known.</summary>
    /// <exception cref="MalformedArtifactException">The length is below 4096, not a multiple of four, or beyond the limit.</exception>
    public static Capture Read(ReadOnlyMemory<byte> bytes, ArtifactLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        if (!HasLength(bytes.Length, limits))
        {
            throw new MalformedArtifactException(
                Format, Math.Min(bytes.Length, MinLength), $"{bytes.Length} bytes",
                $"{MinLength} or the size of KVM_CAP_XSAVE2: whole 32-bit words, at most {limits.MaxArea} bytes");
        }

        return new Capture { Format = Format, Kind = CaptureKind.VirtualMachine, States = [new CapturedState { Id = 0, Area = bytes }] };
    }

    private static bool HasLength(long length, ArtifactLimits limits) => length >= MinLength && length % sizeof(uint) == 0
        && length <= limits.MaxArea;
}
