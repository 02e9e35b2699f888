using System.Buffers.Binary;
using System.Collections.Immutable;

namespace Xstate.Architecture;

/// <summary>
/// Which bytes of the legacy region are x87, which are SSE and which are MXCSR: said here and nowhere else. The spans are the first 512
/// bytes of an area, or more of it.
/// </summary>
internal static class LegacyRegion
{
    private static readonly ImmutableArray<Range> Sse = [XsaveFormat.XmmOffset..XsaveFormat.XmmEnd];
    private static readonly ImmutableArray<Range> X87 =
        [XsaveFormat.FcwOffset..XsaveFormat.MxcsrOffset, XsaveFormat.StOffset..XsaveFormat.XmmOffset];

    /// <summary>The eight x87 registers with the bytes behind each.</summary>
    public static Range Stack => X87[1];

    /// <summary>MXCSR and MXCSR_MASK, which belong to neither component: loads take MXCSR by rules of its own.</summary>
    public static Range MxcsrAndMask => XsaveFormat.MxcsrOffset..XsaveFormat.StOffset;

    /// <summary>The bytes of x87 or of SSE, without MXCSR; empty for every other component.</summary>
    public static ImmutableArray<Range> PiecesOf(StateComponent component) => component switch
    {
        StateComponent.X87 => X87,
        StateComponent.Sse => Sse,
        _ => [],
    };

    /// <summary>The first and the last byte of x87 or of SSE; what x87 encloses of MXCSR is not its own.</summary>
    public static (int Offset, int Length) ExtentOf(StateComponent component)
    {
        ImmutableArray<Range> pieces = PiecesOf(component);
        int first = pieces[0].Start.Value;
        return (first, pieces[^1].End.Value - first);
    }

    /// <summary>The component that a byte belongs to; null for MXCSR, its mask and what nothing loads.</summary>
    public static StateComponent? ComponentAt(int offset)
    {
        foreach (StateComponent component in StateComponentSet.Legacy)
        {
            foreach (Range piece in PiecesOf(component))
            {
                if (offset >= piece.Start.Value && offset < piece.End.Value)
                {
                    return component;
                }
            }
        }

        return null;
    }

    /// <summary>Copies the bytes of x87 or of SSE, without MXCSR.</summary>
    public static void Copy(StateComponent component, ReadOnlySpan<byte> from, Span<byte> to)
    {
        foreach (Range piece in PiecesOf(component))
        {
            from[piece].CopyTo(to[piece]);
        }
    }

    /// <summary>Copies MXCSR and its mask, which travel together.</summary>
    public static void CopyMxcsr(ReadOnlySpan<byte> from, Span<byte> to) => from[MxcsrAndMask].CopyTo(to[MxcsrAndMask]);

    /// <summary>Whether two regions have the same x87 or SSE, without MXCSR.</summary>
    public static bool AreEqual(StateComponent component, ReadOnlySpan<byte> one, ReadOnlySpan<byte> other)
    {
        bool equal = true;
        foreach (Range piece in PiecesOf(component))
        {
            equal = equal && one[piece].SequenceEqual(other[piece]);
        }

        return equal;
    }

    /// <summary>Gives x87 or SSE its initial configuration. MXCSR stays.</summary>
    public static void Initialize(StateComponent component, Span<byte> region)
    {
        foreach (Range piece in PiecesOf(component))
        {
            region[piece].Clear();
        }

        if (component == StateComponent.X87)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(region[XsaveFormat.FcwOffset..], XsaveFormat.InitialFcw);
        }
    }

    /// <summary>Writes the control word and MXCSR that a processor has after a reset; the other bytes stay.</summary>
    public static void WriteInitialControls(Span<byte> region, uint mxcsrMask = 0)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(region[XsaveFormat.FcwOffset..], XsaveFormat.InitialFcw);
        WriteMxcsr(region, Mxcsr.Initial);
        if (mxcsrMask != 0)
        {
            WriteMxcsrMask(region, mxcsrMask);
        }
    }

    /// <summary>MXCSR as stored.</summary>
    public static uint ReadMxcsr(ReadOnlySpan<byte> region) => BinaryPrimitives.ReadUInt32LittleEndian(region[XsaveFormat.MxcsrOffset..]);

    /// <summary>Stores MXCSR.</summary>
    public static void WriteMxcsr(Span<byte> region, uint value) =>
        BinaryPrimitives.WriteUInt32LittleEndian(region[XsaveFormat.MxcsrOffset..], value);

    /// <summary>Stores MXCSR_MASK.</summary>
    public static void WriteMxcsrMask(Span<byte> region, uint value) =>
        BinaryPrimitives.WriteUInt32LittleEndian(region[XsaveFormat.MxcsrMaskOffset..], value);
}
