using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Artifacts.QemuStream;

/// <summary>One value that the stream and the area both have: big-endian there, little-endian here.</summary>
/// <param name="StreamOffset">From the section's first field.</param>
/// <param name="AreaOffset">In the XSAVE area.</param>
/// <param name="Width">Bytes of the value.</param>
/// <param name="Count">Values in a row, on both sides.</param>
internal readonly record struct RegisterMove(int StreamOffset, int AreaOffset, int Width, int Count);

/// <summary>Which value of a virtual CPU's section belongs where in an XSAVE area: one list for both directions.</summary>
internal static class RegisterMoves
{
    public const string Main = "";
    public const string Avx512 = "cpu/avx512";
    public const string Mpx = "cpu/mpx";
    public const string Pkru = "cpu/pkru";
    public const string Amx = "cpu/intel_amx_xtile";
    public const string X87Pointers = "cpu/fpop_ip_dp";

    private const string Apx = "cpu/apx";
    private const int X87Registers = 8;
    private const int FpRegSize = sizeof(ulong) + sizeof(ushort);
    private const int YmmHighSize = 16;
    private const int ZmmHighSize = 32;
    private const int ZmmSize = 64;

    // Sent only when one of their values is not zero; tiles and APX registers whenever the CPU model has them.
    private static readonly ImmutableArray<(string Subsection, StateComponentSet Components)> BySubsection =
    [
        (Mpx, StateComponentSet.Of(StateComponent.BndRegs, StateComponent.BndCsr)),
        (Avx512, StateComponentSet.Of(StateComponent.Opmask, StateComponent.ZmmHi256, StateComponent.Hi16Zmm)),
        (Pkru, StateComponentSet.Of(StateComponent.Pkru)),
        (Amx, StateComponentSet.Of(StateComponent.TileCfg, StateComponent.TileData)),
        (Apx, StateComponentSet.Of(StateComponent.Apx)),
    ];

    /// <summary>The moves for an area of this layout.</summary>
    /// <param name="fields">The section's fields.</param>
    /// <param name="layout">Where the area has its components; what it lacks is not moved.</param>
    /// <param name="order">The order in which the stream has the x87 registers.</param>
    /// <param name="top">TOP of FSW, by which the orders differ.</param>
    /// <exception cref="MalformedArtifactException">A field has another shape than the registers that it names.</exception>
    public static ImmutableArray<RegisterMove> Of(CpuFields fields, XsaveLayout layout, X87Order order, int top)
    {
        ImmutableArray<RegisterMove>.Builder moves = ImmutableArray.CreateBuilder<RegisterMove>();
        AddX87(moves, fields, order, top);
        Add(moves, fields.Get(Main, "env.mxcsr", sizeof(uint)), XsaveFormat.MxcsrOffset, sizeof(uint));

        // The emulator of 32-bit machines has 8 vector registers.
        Add(moves, fields.Get(Main, "env.xmm_regs[0]", XsaveFormat.XmmLength, 16, 8), XsaveFormat.XmmOffset, sizeof(ulong));
        if (layout.TryGetSlot(StateComponent.Avx, out XsaveSlot avx))
        {
            Add(moves, fields.Get(Main, "env.xmm_regs[1]", YmmHighSize, 16, 8), avx.Offset, sizeof(ulong));
        }

        AddSubsections(moves, fields, layout);
        return moves.ToImmutable();
    }

    /// <summary>Components whose registers the stream has a place for, beside x87 and SSE.</summary>
    public static StateComponentSet Components(CpuFields fields)
    {
        StateComponentSet components = StateComponentSet.Legacy.With(StateComponent.Avx);
        foreach ((string subsection, StateComponentSet brings) in BySubsection)
        {
            components = fields.HasSubsection(subsection) ? components | brings : components;
        }

        return components;
    }

    /// <summary>The subsection that carries a component; null for those in the main part and those that no stream has.</summary>
    public static string? SubsectionOf(StateComponent component) =>
        BySubsection.FirstOrDefault(row => row.Components.Contains(component)).Subsection;

    private static void AddX87(ImmutableArray<RegisterMove>.Builder moves, CpuFields fields, X87Order order, int top)
    {
        Add(moves, fields.Get(Main, "env.fpuc", sizeof(ushort)), XsaveFormat.FcwOffset, sizeof(ushort));
        Add(moves, fields.Get(Main, "env.fpus_vmstate", sizeof(ushort)), XsaveFormat.FswOffset, sizeof(ushort));

        // The upper byte is the area's reserved one; QEMU writes zero there.
        Add(moves, fields.Get(Main, "env.fptag_vmstate", sizeof(ushort)), XsaveFormat.FtwOffset, sizeof(ushort));
        FieldPlace registers = fields.Get(Main, "env.fpregs", FpRegSize, X87Registers);
        for (int i = 0; i < X87Registers; i++)
        {
            int stored = order == X87Order.Physical ? (top + i) % X87Registers : i;
            int from = registers.Offset + (stored * FpRegSize);
            int to = XsaveFormat.StOffset + (i * XsaveFormat.StSlotLength);
            moves.Add(new RegisterMove(from, to, sizeof(ulong), 1));
            moves.Add(new RegisterMove(from + sizeof(ulong), to + sizeof(ulong), sizeof(ushort), 1));
        }

        if (fields.HasSubsection(X87Pointers))
        {
            Add(moves, fields.Get(X87Pointers, "env.fpop", sizeof(ushort)), XsaveFormat.FopOffset, sizeof(ushort));
            Add(moves, fields.Get(X87Pointers, "env.fpip", sizeof(ulong)), XsaveFormat.FipOffset, sizeof(ulong));
            Add(moves, fields.Get(X87Pointers, "env.fpdp", sizeof(ulong)), XsaveFormat.FdpOffset, sizeof(ulong));
        }
    }

    private static void AddSubsections(ImmutableArray<RegisterMove>.Builder moves, CpuFields fields, XsaveLayout layout)
    {
        if (fields.HasSubsection(Mpx) && layout.TryGetSlot(StateComponent.BndRegs, out XsaveSlot bounds)
            && layout.TryGetSlot(StateComponent.BndCsr, out XsaveSlot csr))
        {
            Add(moves, fields.Get(Mpx, "env.bnd_regs", 2 * sizeof(ulong), 4), bounds.Offset, sizeof(ulong));
            Add(moves, fields.Get(Mpx, "env.bndcs_regs.cfgu", sizeof(ulong)), csr.Offset, sizeof(ulong));
            Add(moves, fields.Get(Mpx, "env.bndcs_regs.sts", sizeof(ulong)), csr.Offset + sizeof(ulong), sizeof(ulong));
        }

        if (fields.HasSubsection(Avx512)
            && layout.TryGetSlot(StateComponent.Opmask, out XsaveSlot mask) && layout.TryGetSlot(StateComponent.ZmmHi256,
                out XsaveSlot high) && layout.TryGetSlot(StateComponent.Hi16Zmm, out XsaveSlot upper))
        {
            Add(moves, fields.Get(Avx512, "env.opmask_regs", sizeof(ulong), 8), mask.Offset, sizeof(ulong));
            Add(moves, fields.Get(Avx512, "env.xmm_regs[0]", ZmmHighSize, 16, 8), high.Offset, sizeof(ulong));
            Add(moves, fields.Get(Avx512, "env.xmm_regs[1]", ZmmSize, 16), upper.Offset, sizeof(ulong));
        }

        if (fields.HasSubsection(Pkru) && layout.TryGetSlot(StateComponent.Pkru, out XsaveSlot pkru))
        {
            Add(moves, fields.Get(Pkru, "env.pkru", sizeof(uint)), pkru.Offset, sizeof(uint));
        }

        if (fields.HasSubsection(Amx) && layout.TryGetSlot(StateComponent.TileCfg, out XsaveSlot configuration)
            && layout.TryGetSlot(StateComponent.TileData, out XsaveSlot data))
        {
            Add(moves, fields.Get(Amx, "env.xtilecfg", sizeof(byte), 64), configuration.Offset, sizeof(byte));
            Add(moves, fields.Get(Amx, "env.xtiledata", sizeof(byte), 8192), data.Offset, sizeof(byte));
        }

        if (fields.HasSubsection(Apx) && layout.TryGetSlot(StateComponent.Apx, out XsaveSlot apx))
        {
            // The name differs between the versions that were proposed for QEMU.
            string name = fields.Find(Apx, "env.egprs") is null ? "env.regs" : "env.egprs";
            Add(moves, fields.Get(Apx, name, sizeof(ulong), 16), apx.Offset, sizeof(ulong));
        }
    }

    private static void Add(ImmutableArray<RegisterMove>.Builder moves, FieldPlace place, int areaOffset, int width) =>
        moves.Add(new RegisterMove(place.Offset, areaOffset, width, place.Length / width));

    /// <summary>From the section into an area.</summary>
    public static void Load(ImmutableArray<RegisterMove> moves, ReadOnlySpan<byte> section, Span<byte> area)
    {
        foreach (RegisterMove move in moves)
        {
            for (int i = 0; i < move.Count * move.Width; i += move.Width)
            {
                Reverse(section.Slice(move.StreamOffset + i, move.Width), area.Slice(move.AreaOffset + i, move.Width));
            }
        }
    }

    /// <summary>From an area into the section.</summary>
    public static void Store(ImmutableArray<RegisterMove> moves, ReadOnlySpan<byte> area, Span<byte> section)
    {
        foreach (RegisterMove move in moves)
        {
            for (int i = 0; i < move.Count * move.Width; i += move.Width)
            {
                Reverse(area.Slice(move.AreaOffset + i, move.Width), section.Slice(move.StreamOffset + i, move.Width));
            }
        }
    }

    private static void Reverse(ReadOnlySpan<byte> from, Span<byte> to)
    {
        from.CopyTo(to);
        to.Reverse();
    }
}
