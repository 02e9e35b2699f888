using Xstate.Architecture;

namespace Xstate.Processor;

/// <summary>
/// The AMX instructions that move tiles (SDM Vol. 2A, LDTILECFG and its like). As everywhere, a fault is returned and leaves the
/// registers as they were; the caller moves the rows, because each has
/// an address of its own.
/// </summary>
internal static class TileInstructions
{
    /// <summary>Bytes of a row.</summary>
    public const int RowLength = 64;

    /// <summary>Bytes of the configuration.</summary>
    public const int ConfigurationLength = 64;

    private const int TileLength = 16 * RowLength;
    private const int StartRowOffset = 1;
    private const int ColumnsOffset = 16;
    private const int RowsOffset = 48;

    /// <summary>Both components.</summary>
    public static StateComponentSet State { get; } = StateComponentSet.Of(StateComponent.TileCfg, StateComponent.TileData);

    /// <summary>
    /// What LDTILECFG, STTILECFG and TILERELEASE ask first: #UD outside 64-bit mode, or unless CR4.OSXSAVE is set and XCR0 enables both
    /// components.
    /// </summary>
    public static Fault Check(ProcessorState cpu)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        return cpu.Is64BitMode && (cpu.Cr4 & Cr4.OsXsave) != Cr4.None && cpu.Xcr0.ContainsAll(State) ? Fault.None : Fault.InvalidOpcode;
    }

    /// <summary>
    /// What instructions that use a tile's data ask first: also #NM where IA32_XFD disables it, and #UD for a tile that is not
    /// configured.
    /// </summary>
    /// <param name="cpu">The processor.</param>
    /// <param name="tile">The tile, 0 to 7.</param>
    public static Fault CheckData(ProcessorState cpu, int tile)
    {
        Fault fault = Check(cpu);
        fault = fault.IsFault ? fault : Instructions.UseState(cpu, StateComponentSet.Of(StateComponent.TileData));
        return fault.IsFault ? fault : RowsOf(cpu, tile) == 0 ? Fault.InvalidOpcode : Fault.None;
    }

    /// <summary>
    /// LDTILECFG: #GP for a configuration that does not exist; palette 0 releases. Tile data becomes initial in either case.
    /// </summary>
    /// <param name="cpu">The processor, which <see cref="Check"/> let pass.</param>
    /// <param name="configuration">The 64 bytes.</param>
    public static Fault Load(ProcessorState cpu, ReadOnlySpan<byte> configuration)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        if (configuration[0] != 0 && !TileConfiguration.IsSupported(configuration))
        {
            return Fault.GeneralProtection;
        }

        cpu.Registers.Initialize(State);
        if (configuration[0] != 0)
        {
            configuration[..ConfigurationLength].CopyTo(cpu.Registers.Write(StateComponent.TileCfg));
        }

        return Fault.None;
    }

    /// <summary>STTILECFG: the configuration, which is zeros when there is none.</summary>
    public static ReadOnlySpan<byte> Configuration(ProcessorState cpu)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        return cpu.Registers.Read(StateComponent.TileCfg);
    }

    /// <summary>Rows that a tile is configured to have; 0 when it is not.</summary>
    public static int RowsOf(ProcessorState cpu, int tile) => Configuration(cpu)[RowsOffset + tile];

    /// <summary>Bytes that each row is configured to have.</summary>
    public static int ColumnBytesOf(ProcessorState cpu, int tile) => Configuration(cpu)[ColumnsOffset + (2 * tile)];

    /// <summary>The row at which an interrupted load or store goes on; a completed one leaves 0.</summary>
    public static int StartRow(ProcessorState cpu) => Configuration(cpu)[StartRowOffset];

    /// <summary>A row of a tile, as it is.</summary>
    public static ReadOnlySpan<byte> Row(ProcessorState cpu, int tile, int row)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        return cpu.Registers.Read(StateComponent.TileData).Slice((tile * TileLength) + (row * RowLength), ColumnBytesOf(cpu, tile));
    }

    /// <summary>
    /// TILELOADD and TILEZERO, completed: rows from the start row on have their bytes, all else of the tile is zero, and the start row is
    /// 0 again.
    /// </summary>
    /// <param name="cpu">The processor.</param>
    /// <param name="tile">The tile.</param>
    /// <param name="rows">The bytes of all configured rows, of which those before the start row are not used; empty for TILEZERO.</param>
    public static void SetTile(ProcessorState cpu, int tile, ReadOnlySpan<byte> rows)
    {
        int columns = ColumnBytesOf(cpu, tile);
        int start = rows.IsEmpty ? 0 : Math.Min(StartRow(cpu), RowsOf(cpu, tile));
        Span<byte> data = cpu.Registers.Write(StateComponent.TileData).Slice(tile * TileLength, TileLength);
        data[(start * RowLength)..].Clear();
        for (int row = start; row < RowsOf(cpu, tile) && !rows.IsEmpty; row++)
        {
            rows.Slice(row * columns, columns).CopyTo(data[(row * RowLength)..]);
        }

        Complete(cpu);
    }

    /// <summary>The end of a load or store: the start row is 0.</summary>
    public static void Complete(ProcessorState cpu)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        if (StartRow(cpu) != 0)
        {
            cpu.Registers.Write(StateComponent.TileCfg)[StartRowOffset] = 0;
        }
    }
}
