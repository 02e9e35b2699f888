using System.Collections.Immutable;
using Xstate.Architecture;

namespace Xstate.Captures;

/// <summary>Registers of one shape that lie side by side in a component.</summary>
/// <param name="Component">The component.</param>
/// <param name="Names">Their names, in memory order.</param>
/// <param name="Offset">Where the first one begins: from the start of the area for the legacy region, from the component's own start else.</param>
/// <param name="Length">Bytes of one.</param>
/// <param name="Stride">Bytes from one to the next.</param>
/// <param name="IsValue">Whether it is written as a number; else as its bytes in memory order.</param>
internal sealed record RegisterGroup(StateComponent Component, ImmutableArray<string> Names, int Offset, int Length, int Stride, bool IsValue);

/// <summary>A piece of a register: bytes of one component.</summary>
/// <param name="Component">The component.</param>
/// <param name="Offset">As in <see cref="RegisterGroup"/>.</param>
/// <param name="Length">Bytes; 0 stands for the whole component, whatever size the processor gives it.</param>
internal readonly record struct RegisterPiece(StateComponent Component, int Offset, int Length);

/// <summary>A register by name: the pieces it is made of, lowest bytes first.</summary>
/// <param name="Name">The name as <see cref="RegisterDump"/> writes it.</param>
/// <param name="Pieces">One piece; for vector registers one for each component that they extend over.</param>
/// <param name="IsValue">Whether it is written as a number.</param>
internal sealed record RegisterPlace(string Name, ImmutableArray<RegisterPiece> Pieces, bool IsValue)
{
    /// <summary>Bytes of the register; 0 for a whole component.</summary>
    public int Length => Pieces.Sum(piece => piece.Length);
}

/// <summary>Which registers each component holds, under which names and where: the one table that reading and setting registers share.</summary>
internal static class RegisterCatalog
{
    /// <summary>XMM, YMM and ZMM registers that the components of bits 1, 2 and 6 hold parts of; the others are whole in bit 7.</summary>
    public const int LowVectors = 16;

    /// <summary>ZMM registers.</summary>
    public const int Vectors = 32;

    /// <summary>Bytes of the upper half of a YMM register.</summary>
    public const int YmmHighLength = 16;

    /// <summary>Bytes of the upper half of a ZMM register.</summary>
    public const int ZmmHighLength = 32;

    /// <summary>Bytes of a ZMM register.</summary>
    public const int ZmmLength = 64;

    private const int TileLength = 1024;

    /// <summary>All groups but the vector registers. Tile configuration, PT, UINTR, LBR, LWP and components without a name have no registers of their own: they are their bytes.</summary>
    public static ImmutableArray<RegisterGroup> Groups { get; } =
    [
        Value(StateComponent.X87, XsaveFormat.FcwOffset, sizeof(ushort), "fcw"),
        Value(StateComponent.X87, XsaveFormat.FswOffset, sizeof(ushort), "fsw"),
        Value(StateComponent.X87, XsaveFormat.FtwOffset, sizeof(byte), "ftw"),
        Value(StateComponent.X87, XsaveFormat.FopOffset, sizeof(ushort), "fop"),
        Value(StateComponent.X87, XsaveFormat.FipOffset, sizeof(ulong), "fip"),
        Value(StateComponent.X87, XsaveFormat.FdpOffset, sizeof(ulong), "fdp"),
        new(StateComponent.X87, Numbered("st", 0, 8), XsaveFormat.StOffset, XsaveFormat.StLength, XsaveFormat.StSlotLength, IsValue: false),
        Value(StateComponent.Sse, XsaveFormat.MxcsrOffset, sizeof(uint), "mxcsr"),
        new(StateComponent.BndRegs, Numbered("bnd", 0, 4), 0, 16, 16, IsValue: false),
        Value(StateComponent.BndCsr, 0, sizeof(ulong), "bndcfgu", "bndstatus"),
        Value(StateComponent.Opmask, 0, sizeof(ulong), [.. Numbered("k", 0, 8)]),
        Value(StateComponent.Pkru, 0, sizeof(uint), "pkru"),
        Value(StateComponent.Pasid, 0, sizeof(ulong), "ia32_pasid"),
        Value(StateComponent.CetU, 0, sizeof(ulong), "ia32_u_cet", "ia32_pl3_ssp"),
        Value(StateComponent.CetS, 0, sizeof(ulong), "ia32_pl0_ssp", "ia32_pl1_ssp", "ia32_pl2_ssp"),
        Value(StateComponent.Hdc, 0, sizeof(ulong), "ia32_pm_ctl1"),
        Value(StateComponent.Hwp, 0, sizeof(ulong), "ia32_hwp_request"),
        new(StateComponent.TileData, Numbered("tile", 0, 8), 0, TileLength, TileLength, IsValue: false),
        Value(StateComponent.Apx, 0, sizeof(ulong), [.. Numbered("r", 16, 16)]),
    ];

    /// <summary>The groups of one component.</summary>
    public static IEnumerable<RegisterGroup> Of(StateComponent component) => Groups.Where(group => group.Component == component);

    /// <summary>Finds a register by its name (any case); null when there is none. A component without registers of its own goes by the component's name.</summary>
    public static RegisterPlace? Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        string lower = name.ToLowerInvariant();
        foreach (RegisterGroup group in Groups)
        {
            int index = group.Names.IndexOf(lower);
            if (index >= 0)
            {
                return new RegisterPlace(lower, [new RegisterPiece(group.Component, group.Offset + (index * group.Stride), group.Length)], group.IsValue);
            }
        }

        return FindVector(lower) ?? (StateComponents.TryParse(lower, out StateComponent component) && IsBytesOnly(component)
            ? new RegisterPlace(lower, [new RegisterPiece(component, 0, 0)], IsValue: false)
            : null);
    }

    /// <summary>Whether the component is shown as its bytes.</summary>
    public static bool IsBytesOnly(StateComponent component) => !IsVector(component) && !Of(component).Any();

    /// <summary>Whether vector registers have a part in the component. SSE has, beside MXCSR.</summary>
    public static bool IsVector(StateComponent component) =>
        component is StateComponent.Sse or StateComponent.Avx or StateComponent.ZmmHi256 or StateComponent.Hi16Zmm;

    private static RegisterPlace? FindVector(string name)
    {
        int width = name.Length < 4 ? 0 : name[..3] switch { "xmm" => XsaveFormat.XmmLength, "ymm" => XsaveFormat.XmmLength + YmmHighLength, "zmm" => ZmmLength, _ => 0 };
        for (int i = 0; width > 0 && i < Vectors; i++)
        {
            if (name.AsSpan(3).SequenceEqual(i.ToString(System.Globalization.CultureInfo.InvariantCulture)))
            {
                return new RegisterPlace(name, i < LowVectors ? LowVector(i, width) : [new RegisterPiece(StateComponent.Hi16Zmm, (i - LowVectors) * ZmmLength, width)], IsValue: false);
            }
        }

        return null;
    }

    private static ImmutableArray<RegisterPiece> LowVector(int i, int width)
    {
        ImmutableArray<RegisterPiece> pieces =
        [
            new(StateComponent.Sse, XsaveFormat.XmmOffset + (i * XsaveFormat.XmmLength), XsaveFormat.XmmLength),
            new(StateComponent.Avx, i * YmmHighLength, YmmHighLength),
            new(StateComponent.ZmmHi256, i * ZmmHighLength, ZmmHighLength),
        ];
        return width == ZmmLength ? pieces : width == XsaveFormat.XmmLength ? pieces[..1] : pieces[..2];
    }

    private static RegisterGroup Value(StateComponent component, int offset, int length, params ImmutableArray<string> names) =>
        new(component, names, offset, length, length, IsValue: true);

    private static ImmutableArray<string> Numbered(string prefix, int first, int count) =>
        [.. Enumerable.Range(first, count).Select(i => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{prefix}{i}"))];
}
