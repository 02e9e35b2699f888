using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Artifacts.Minidump;

/// <summary>
/// CONTEXT of x86-64 and what follows it. Bytes 0 to 1231 are the structure, with an FXSAVE image at 256 that counts with
/// CONTEXT_FLOATING_POINT. With CONTEXT_XSTATE a CONTEXT_EX follows; its third chunk is an XSAVE area without the legacy region: header,
/// then components, compacted where the header says so. The mask in that header names components from 2 up; x87 and SSE are in the CONTEXT.
/// </summary>
internal static class ThreadContext
{
    private const int ContextLength = 1232;
    private const int FlagsOffset = 0x30;
    private const int MxcsrOffset = 0x34;
    private const int FxsaveOffset = 0x100;
    private const uint Amd64Flag = 0x10_0000;
    private const uint FloatingPoint = Amd64Flag | 8;
    private const uint XstateFlag = Amd64Flag | 0x40;

    // CONTEXT_EX: All, Legacy and XState, each an offset from the CONTEXT_EX and a length.
    private const int ContextExLength = 3 * Chunk;
    private const int Chunk = 2 * sizeof(int);
    private const int XstateChunk = 2 * Chunk;

    /// <summary>Reads a thread; null when its CONTEXT has no floating-point registers.</summary>
    /// <exception cref="MalformedArtifactException">The CONTEXT is not one.</exception>
    public static CapturedState? Read(ArtifactSource source, Location location, int id, List<Finding> findings, ArtifactLimits limits)
    {
        if (location.Length < ContextLength || location.Length > ContextLength + limits.MaxArea)
        {
            throw MinidumpReader.Malformed(Math.Min(location.Offset, source.Length),
                $"a CONTEXT of {location.Length} bytes for thread {id}",
                $"{ContextLength} to {ContextLength + limits.MaxArea}: that of x86-64");
        }

        byte[] context = source.Bytes(MinidumpReader.Format, location.Offset, (int)location.Length, "CONTEXT");
        uint flags = BinaryPrimitives.ReadUInt32LittleEndian(context.AsSpan(FlagsOffset));
        if ((flags & FloatingPoint) != FloatingPoint)
        {
            findings.Add(Of(Rules.NoXsaveNote, $"thread {id} has no floating-point registers in this minidump (ContextFlags 0x{flags:x})",
                id));
            return null;
        }

        ReadOnlySpan<byte> extended = (flags & XstateFlag) == XstateFlag ? Extended(context, location, id) : default;
        CapturedState state = extended.IsEmpty ? Legacy(context, id) : Whole(context, extended, location, id);
        if (extended.IsEmpty)
        {
            findings.Add(Of(Rules.CoreWithoutWideState,
                $"the CONTEXT of thread {id} has x87 and SSE only: wider registers, and whether there were any, are not in this minidump",
                id));
        }

        uint mxcsr = BinaryPrimitives.ReadUInt32LittleEndian(context.AsSpan(MxcsrOffset));
        uint stored = new XsaveArea(state.Area.Span).Mxcsr;
        if (mxcsr != stored)
        {
            findings.Add(Of(Rules.NotesDisagree, $"thread {id}: MxCsr of the CONTEXT is 0x{mxcsr:x}, of its FXSAVE image 0x{stored:x}", id,
                location.Offset + MxcsrOffset) with
            { Found = $"0x{mxcsr:x}", Expected = $"0x{stored:x}" });
        }

        return state;
    }

    private static CapturedState Legacy(byte[] context, int id)
    {
        byte[] area = new byte[XsaveFormat.ExtendedOffset];
        context.AsSpan(FxsaveOffset, XsaveFormat.LegacyLength).CopyTo(area);
        new XsaveAreaWriter(area).WriteXstateBv(StateComponentSet.Legacy);
        return new CapturedState
        {
            Id = id,
            Area = area,
            Layout = new Fact<XsaveLayout>(XsaveLayout.LegacyOnly, FactSource.Inferred, "CONTEXT has x87 and SSE"),
            Recorded = StateComponentSet.Legacy,
        };
    }

    private static ReadOnlySpan<byte> Extended(byte[] context, Location location, int id)
    {
        ReadOnlySpan<byte> rest = context.AsSpan(ContextLength);
        if (rest.Length < ContextExLength)
        {
            throw MinidumpReader.Malformed(location.Offset + ContextLength, $"{rest.Length} bytes behind the CONTEXT of thread {id}",
                $"CONTEXT_EX, {ContextExLength} bytes: its flags say CONTEXT_XSTATE");
        }

        int offset = BinaryPrimitives.ReadInt32LittleEndian(rest[XstateChunk..]);
        int length = BinaryPrimitives.ReadInt32LittleEndian(rest[(XstateChunk + sizeof(int))..]);
        bool isInside = offset >= ContextExLength && length >= XsaveFormat.HeaderLength && (long)offset + length <= rest.Length;
        return isInside ? rest.Slice(offset, length)
            : throw MinidumpReader.Malformed(location.Offset + ContextLength + XstateChunk, $"{length} bytes of XSAVE state at {offset}",
                $"at least {XsaveFormat.HeaderLength} inside the {rest.Length} behind the CONTEXT of thread {id}");
    }

    // The area as the processor would have it: the FXSAVE image of the CONTEXT, then what follows. Windows leaves x87 and SSE out of the
    // masks because the CONTEXT has them.
    private static CapturedState Whole(byte[] context, ReadOnlySpan<byte> extended, Location location, int id)
    {
        byte[] area = new byte[XsaveFormat.LegacyLength + extended.Length];
        context.AsSpan(FxsaveOffset, XsaveFormat.LegacyLength).CopyTo(area);
        extended.CopyTo(area.AsSpan(XsaveFormat.LegacyLength));
        XsaveArea view = new(area);
        StateComponentSet used = view.XstateBv | StateComponentSet.Legacy;
        bool compacted = view.IsCompacted;
        StateComponentSet inImage = compacted ? new StateComponentSet(view.XcompBv & ~XsaveFormat.CompactedFlag)
            | StateComponentSet.Legacy : used;
        if (!inImage.ContainsAll(used))
        {
            long at = location.Offset + ContextLength;
            throw MinidumpReader.Malformed(at, $"thread {id} with XSTATE_BV {used} and XCOMP_BV 0x{view.XcompBv:x}",
                "no component in use that has no place");
        }

        new XsaveAreaWriter(area).WriteXstateBv(used).WriteXcompBv(compacted ? inImage.Bits | XsaveFormat.CompactedFlag : 0);
        CapturedState state = new()
        {
            Id = id,
            Area = area,
            Recorded = inImage,
            Layout = compacted ? new Fact<XsaveLayout>(Compacted(inImage), FactSource.Inferred,
                "compacted: the order and the sizes of components are the manual's") : null,
        };
        return state.TryReadRegister("ia32_pl3_ssp", out ulong pointer, out RegisterKnowledge knowledge)
            && knowledge == RegisterKnowledge.Stored
            ? state with { Msrs = state.Msrs.SetItem(MsrNames.UserShadowStackPointer, pointer) }
            : state;
    }

    // Offsets of the standard format are those of no processor here and are not used.
    private static XsaveLayout Compacted(StateComponentSet components)
    {
        List<XsaveSlot> slots = [];
        int offset = XsaveFormat.ExtendedOffset;
        foreach (StateComponent component in components.Except(StateComponentSet.Legacy))
        {
            if (StateComponents.Find(component) is { } info)
            {
                bool isSupervisor = info.EnabledBy == EnabledBy.Xss;
                bool isAligned = component is StateComponent.TileCfg or StateComponent.TileData;
                slots.Add(new XsaveSlot(component, info.Size, isSupervisor ? 0 : offset, isSupervisor, isAligned,
                    SupportsXfd: component == StateComponent.TileData));
                offset += info.Size;
            }
        }

        return XsaveLayout.FromSlots(slots);
    }

    private static Finding Of(Rule rule, string message, int thread, long? offset = null) =>
        new(rule, rule.Severity, message) { Where = new FindingLocation(thread, offset) };
}
