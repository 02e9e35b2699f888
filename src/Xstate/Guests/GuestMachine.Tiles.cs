using Xstate.Processor;

namespace Xstate.Guests;

/// <content>Tiles: their configuration and their loads and stores, without the arithmetic.</content>
internal sealed partial class GuestMachine
{
    private bool TryTiles(GuestInstruction instruction)
    {
        if (instruction.Operation is < GuestOperation.Ldtilecfg or > GuestOperation.Tilerelease
            || instruction.Operands.Any(operand => operand.HasOtherSegment))
        {
            return false;
        }

        switch (instruction.Operation)
        {
            case GuestOperation.Ldtilecfg:
                LoadConfiguration(instruction.Operands[0]);
                break;
            case GuestOperation.Sttilecfg:
                StoreConfiguration(instruction.Operands[0]);
                break;
            case GuestOperation.Tileloadd or GuestOperation.Tileloaddt1:
                LoadTile(instruction.Operands[0].Register.Index, instruction.Operands[1]);
                break;
            case GuestOperation.Tilestored:
                StoreTile(instruction.Operands[1].Register.Index, instruction.Operands[0]);
                break;
            case GuestOperation.Tilezero:
                int zeroed = instruction.Operands[0].Register.Index;
                if (!RaiseIf(TileInstructions.CheckData(_cpu, zeroed)))
                {
                    TileInstructions.SetTile(_cpu, zeroed, []);
                }

                break;
            default:
                Raise(Instructions.Tilerelease(_cpu));
                break;
        }

        return true;
    }

    private bool RaiseIf(Fault fault)
    {
        Raise(fault);
        return fault.IsFault;
    }

    private void LoadConfiguration(GuestOperand operand)
    {
        Span<byte> configuration = stackalloc byte[TileInstructions.ConfigurationLength];
        if (!RaiseIf(TileInstructions.Check(_cpu)) && !RaiseIf(_memory.Read(AddressOf(operand), configuration)))
        {
            Raise(TileInstructions.Load(_cpu, configuration));
        }
    }

    private void StoreConfiguration(GuestOperand operand)
    {
        if (!RaiseIf(TileInstructions.Check(_cpu)))
        {
            Raise(_memory.Write(AddressOf(operand), TileInstructions.Configuration(_cpu)));
        }
    }

    private void LoadTile(int tile, GuestOperand memory)
    {
        if (RaiseIf(TileInstructions.CheckData(_cpu, tile)))
        {
            return;
        }

        int columns = TileInstructions.ColumnBytesOf(_cpu, tile);
        Span<byte> rows = stackalloc byte[16 * TileInstructions.RowLength];
        for (int row = TileInstructions.StartRow(_cpu); row < TileInstructions.RowsOf(_cpu, tile); row++)
        {
            if (RaiseIf(_memory.Read(RowAddress(memory, row), rows.Slice(row * columns, columns))))
            {
                return;
            }
        }

        TileInstructions.SetTile(_cpu, tile, rows);
    }

    private void StoreTile(int tile, GuestOperand memory)
    {
        if (RaiseIf(TileInstructions.CheckData(_cpu, tile)))
        {
            return;
        }

        for (int row = TileInstructions.StartRow(_cpu); row < TileInstructions.RowsOf(_cpu, tile); row++)
        {
            if (RaiseIf(_memory.Write(RowAddress(memory, row), TileInstructions.Row(_cpu, tile, row))))
            {
                return;
            }
        }

        TileInstructions.Complete(_cpu);
    }

    // The index register is the distance of two rows.
    private ulong RowAddress(GuestOperand memory, int row) =>
        memory.Value + Read(memory.Base) + (Read(memory.IndexedBy) * (ulong)memory.Scale * (ulong)row)
            & GuestArithmetic.Mask(memory.AddressSize);
}
