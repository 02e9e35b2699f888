using System.Buffers.Binary;
using System.Collections.Immutable;
using Xstate.Architecture;

namespace Xstate.Captures;

/// <summary>Registers of one shape that lie side by side in a component.</summary>
/// <param name="Component">The component.</param>
/// <param name="Names">Their names, in memory order.</param>
/// <param name="Offset">Where the first one begins: from the start of the area for the legacy region, from the component's own start
/// else.</param>
/// <param name="Length">Bytes of one.</param>
/// <param name="Stride">Bytes from one to the next.</param>
/// <param name="IsValue">Whether it is written as a number; else as its bytes in memory order.</param>
internal sealed record RegisterGroup(StateComponent Component, ImmutableArray<string> Names, int Offset, int Length, int Stride,
    bool IsValue);

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
    /// <summary>The number of a model-specific register that is kept beside the area; null for registers of the area.</summary>
    public uint? Msr { get; init; }

    /// <summary>Bytes of the register; 0 for a whole component.</summary>
    public int Length { get; } = Pieces.IsEmpty ? sizeof(ulong) : Pieces.Sum(piece => piece.Length);

    /// <summary>The components that hold the register.</summary>
    public StateComponentSet Components { get; } = StateComponentSet.Of([.. Pieces.Select(piece => piece.Component)]);

    /// <summary>The component that the register is listed under: a vector register under the one that makes it widest.</summary>
    public StateComponent Component => Pieces.IsEmpty ? StateComponent.CetU : Pieces[^1].Component;

    /// <summary>
    /// Whether it is MXCSR, whose value does not follow one bit of XSTATE_BV (<see cref="XsaveArea.EffectiveMxcsr"/>).
    /// </summary>
    public bool IsMxcsr { get; } = Name == RegisterCatalog.MxcsrName;
}

/// <summary>
/// Which registers each component holds, under which names and where: the one table that reading and setting registers share.
/// </summary>
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

    /// <summary>MXCSR's name.</summary>
    public const string MxcsrName = "mxcsr";

    /// <summary>The shadow-stack pointer of a thread, which no user area holds.</summary>
    public const string ShadowStackPointer = "ssp";

    private const int TileLength = 1024;

    /// <summary>
    /// All groups but the vector registers. Tile configuration, PT, UINTR, LBR, LWP and components without a name have no registers of
    /// their own: they are their bytes.
    /// </summary>
    public static ImmutableArray<RegisterGroup> Groups { get; } =
    [
        Value(StateComponent.X87, XsaveFormat.FcwOffset, sizeof(ushort), "fcw"),
        Value(StateComponent.X87, XsaveFormat.FswOffset, sizeof(ushort), "fsw"),
        Value(StateComponent.X87, XsaveFormat.FtwOffset, sizeof(byte), "ftw"),
        Value(StateComponent.X87, XsaveFormat.FopOffset, sizeof(ushort), "fop"),
        Value(StateComponent.X87, XsaveFormat.FipOffset, sizeof(ulong), "fip"),
        Value(StateComponent.X87, XsaveFormat.FdpOffset, sizeof(ulong), "fdp"),
        new(StateComponent.X87, Numbered("st", 0, 8), XsaveFormat.StOffset, XsaveFormat.StLength, XsaveFormat.StSlotLength, IsValue: false),
        Value(StateComponent.Sse, XsaveFormat.MxcsrOffset, sizeof(uint), MxcsrName),
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

    private static readonly Dictionary<string, RegisterPlace> ByName = Everything()
        .ToDictionary(place => place.Name, StringComparer.OrdinalIgnoreCase);

    /// <summary>
    /// Finds a register by its name (any case); null when there is none. A component without registers of its own goes by the component's
    /// name.
    /// </summary>
    public static RegisterPlace? Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return ByName.TryGetValue(name, out RegisterPlace? place) ? place
            : StateComponents.TryParse(name, out StateComponent component) && IsBytesOnly(component) ? Whole(component)
            : null;
    }

    /// <summary>
    /// The registers that have a part in a component, under the name that ends with it: <c>ymm0</c> to <c>ymm15</c> for AVX.
    /// </summary>
    public static ImmutableArray<RegisterPlace> Listed(StateComponent component) =>
        IsBytesOnly(component) ? [Whole(component)] : [.. ByName.Values.Where(place => !place.Pieces.IsEmpty
            && place.Component == component && (component != StateComponent.Hi16Zmm || place.Length == ZmmLength))];

    /// <summary>The registers whose names are a prefix and a number: <c>st</c>, <c>k</c>, <c>zmm</c>.</summary>
    public static ImmutableArray<RegisterPlace> Family(string prefix) =>
    [
        .. ByName.Values.Where(place => place.Name.Length > prefix.Length && place.Name.StartsWith(prefix,
            StringComparison.OrdinalIgnoreCase) && !place.Name.AsSpan(prefix.Length).ContainsAnyExceptInRange('0', '9')),
    ];

    /// <summary>A model-specific register that is kept beside the area.</summary>
    public static RegisterPlace OfMsr(uint index) => new(MsrNames.NameOf(index), [], IsValue: true) { Msr = index };

    /// <summary>
    /// The registers that a state with these components has, each vector register under its widest name, in the order in which they are
    /// listed.
    /// </summary>
    public static IEnumerable<RegisterPlace> Of(StateComponentSet components)
    {
        foreach (RegisterPlace place in Of(StateComponent.X87).SelectMany(Places).Append(ByName[MxcsrName]))
        {
            yield return place;
        }

        bool ymm = components.Contains(StateComponent.Avx);
        bool zmm = ymm && components.Contains(StateComponent.ZmmHi256);
        string prefix = zmm ? "zmm" : ymm ? "ymm" : "xmm";
        foreach (string name in Numbered(prefix, 0, zmm && components.Contains(StateComponent.Hi16Zmm) ? Vectors : LowVectors))
        {
            yield return ByName[name];
        }

        foreach (StateComponent component in components)
        {
            bool isListed = component == StateComponent.X87 || IsVector(component);
            foreach (RegisterPlace place in isListed ? [] : IsBytesOnly(component) ? [Whole(component)] : Of(component).SelectMany(Places))
            {
                yield return place;
            }
        }
    }

    /// <summary>Writes the initial value of a piece of a register (SDM Vol. 1, 13.6).</summary>
    public static void WriteInitial(RegisterPiece piece, Span<byte> bytes)
    {
        bytes.Clear();
        if (piece is { Component: StateComponent.X87, Offset: XsaveFormat.FcwOffset })
        {
            BinaryPrimitives.WriteUInt16LittleEndian(bytes, XsaveFormat.InitialFcw);
        }
        else if (piece is { Component: StateComponent.Sse, Offset: XsaveFormat.MxcsrOffset })
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes, Mxcsr.Initial);
        }
        else if (piece.Offset == 0 && bytes.Length >= sizeof(ulong))
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, StateComponents.Find(piece.Component)?.InitialValue ?? 0);
        }
    }

    /// <summary>Whether these are the bytes of a register's initial value.</summary>
    public static bool IsInitial(RegisterPlace place, ReadOnlySpan<byte> bytes)
    {
        byte[] initial = new byte[bytes.Length];
        int done = 0;
        foreach (RegisterPiece piece in place.Pieces)
        {
            Span<byte> part = initial.AsSpan(done, piece.Length == 0 ? bytes.Length : piece.Length);
            WriteInitial(piece, part);
            done += part.Length;
        }

        return bytes.SequenceEqual(initial);
    }

    /// <summary>Whether the component is shown as its bytes.</summary>
    public static bool IsBytesOnly(StateComponent component) => !IsVector(component) && !Of(component).Any();

    /// <summary>Whether vector registers have a part in the component. SSE has, beside MXCSR.</summary>
    public static bool IsVector(StateComponent component) =>
        component is StateComponent.Sse or StateComponent.Avx or StateComponent.ZmmHi256 or StateComponent.Hi16Zmm;

    private static IEnumerable<RegisterPlace> Everything()
    {
        foreach (RegisterPlace place in Groups.SelectMany(Places))
        {
            yield return place;
        }

        foreach ((string prefix, int width) in new[] { ("xmm", XsaveFormat.XmmLength), ("ymm", XsaveFormat.XmmLength + YmmHighLength),
            ("zmm", ZmmLength) })
        {
            for (int i = 0; i < Vectors; i++)
            {
                ImmutableArray<RegisterPiece> pieces = i < LowVectors
                    ? LowVector(i, width) : [new RegisterPiece(StateComponent.Hi16Zmm, (i - LowVectors) * ZmmLength, width)];
                yield return new RegisterPlace(Numbered(prefix, i, 1)[0], pieces, IsValue: false);
            }
        }

        yield return new RegisterPlace(ShadowStackPointer, [], IsValue: true) { Msr = MsrNames.UserShadowStackPointer };
    }

    private static IEnumerable<RegisterPlace> Places(RegisterGroup group) =>
        group.Names.Select((name, i) => new RegisterPlace(name,
            [new RegisterPiece(group.Component, group.Offset + (i * group.Stride), group.Length)], group.IsValue));

    private static RegisterPlace Whole(StateComponent component) =>
        new(StateComponents.NameOf(component), [new RegisterPiece(component, 0, 0)], IsValue: false);

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
