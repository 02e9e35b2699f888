using System.Buffers.Binary;
using Xstate.Architecture;

namespace Xstate.Captures;

/// <summary>
/// Reads one register out of an area, whatever pieces it is made of: the one place that turns bytes of components into bytes of registers.
/// </summary>
internal static class RegisterReader
{
    /// <summary>
    /// Bytes of a register under a layout; a whole component is as long as the processor has it, never shorter than the manual says.
    /// </summary>
    public static int LengthOf(RegisterPlace place, XsaveLayout? layout)
    {
        if (place.Length != 0 || place.Pieces.IsEmpty)
        {
            return place.Length;
        }

        StateComponent component = place.Pieces[0].Component;
        int known = StateComponents.Find(component)?.Size ?? 0;
        return layout is not null && layout.TryGetSlot(component, out XsaveSlot slot) ? Math.Max(known, slot.Size) : known;
    }

    /// <summary>Reads a register of an area. What is not live, or has no place in the area, reads as initial.</summary>
    /// <param name="area">The area.</param>
    /// <param name="layout">The layout that it was written with.</param>
    /// <param name="live">The components whose bytes count.</param>
    /// <param name="place">The register.</param>
    /// <param name="destination">Room for exactly the register.</param>
    /// <returns>Whether any byte came from the area.</returns>
    public static bool Read(XsaveArea area, XsaveLayout layout, StateComponentSet live, RegisterPlace place, Span<byte> destination)
    {
        if (place.IsMxcsr)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(destination, area.EffectiveMxcsr);
            return IsMxcsrStored(area);
        }

        bool stored = false;
        int done = 0;
        foreach (RegisterPiece piece in place.Pieces)
        {
            Span<byte> part = destination.Slice(done, piece.Length == 0 ? destination.Length : piece.Length);
            done += part.Length;
            ReadOnlySpan<byte> bytes = live.Contains(piece.Component) ? Find(area, layout, piece, part.Length, out _) : default;
            if (bytes.IsEmpty)
            {
                RegisterCatalog.WriteInitial(piece, part);
                continue;
            }

            part.Clear();
            bytes.CopyTo(part);
            stored = true;
        }

        return stored;
    }

    /// <summary>Marks the bytes of a register that are lost.</summary>
    /// <returns>Whether there are any.</returns>
    public static bool FindLost(CapturedState state, XsaveArea area, StateComponentSet live, RegisterPlace place, Span<bool> lost)
    {
        bool any = false;
        int done = 0;
        foreach (RegisterPiece piece in place.Pieces)
        {
            int length = piece.Length == 0 ? lost.Length : piece.Length;
            bool counts = place.IsMxcsr ? IsMxcsrStored(area) : live.Contains(piece.Component);
            if (counts && !Find(area, state.Layout!.Value, piece, length, out int offset).IsEmpty)
            {
                foreach (AreaRange range in state.Lost)
                {
                    int first = Math.Max(range.Offset, offset);
                    int end = Math.Min(range.End, offset + length);
                    for (int i = first; i < end; i++)
                    {
                        lost[done + i - offset] = any = true;
                    }
                }
            }

            done += length;
        }

        return any;
    }

    // In the standard format the stored MXCSR counts even with the bits clear; XsaveArea.EffectiveMxcsr has the reasons.
    private static bool IsMxcsrStored(XsaveArea area) => !area.IsCompacted || area.XstateBv.Contains(StateComponent.Sse);

    private static ReadOnlySpan<byte> Find(XsaveArea area, XsaveLayout layout, RegisterPiece piece, int length, out int offset)
    {
        if (StateComponentSet.Legacy.Contains(piece.Component))
        {
            offset = piece.Offset;
            return area.Bytes.Slice(offset, length);
        }

        if (!layout.TryLocate(piece.Component, area.XcompBv, area.Bytes.Length, out offset, out int size) || piece.Offset >= size)
        {
            return default;
        }

        offset += piece.Offset;
        return area.Bytes.Slice(offset, Math.Min(length, size - piece.Offset));
    }
}
