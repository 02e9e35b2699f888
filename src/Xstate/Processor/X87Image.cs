using System.Buffers.Binary;
using System.Runtime.Intrinsics;
using static Xstate.Architecture.XsaveFormat;

namespace Xstate.Processor;

/// <summary>x87 registers to and from the legacy region, shared by the XSAVE family and FXSAVE (SDM Vol. 1, 13.5.1 and 10.5.1).</summary>
internal static class X87Image
{
    private const ushort ErrorSummary = 0x80;
    private const ushort OpcodeMask = 0x7FF;

    private static Vector128<byte> RegisterOfSlot => Vector128.Create(ulong.MaxValue, ushort.MaxValue).AsByte();

    public static void Store(RegisterFile file, ProcessorProfile profile, Span<byte> area, XsaveOperand operand)
    {
        ReadOnlySpan<byte> registers = file.Legacy;
        bool error = (BinaryPrimitives.ReadUInt16LittleEndian(registers[FswOffset..]) & ErrorSummary) != 0;
        if (profile.X87PointersNotKept)
        {
            registers[..FopOffset].CopyTo(area);
            area[FipOffset..MxcsrOffset].Clear();
        }
        else if (error || !profile.X87PointersSkippedWithoutError)
        {
            registers[..MxcsrOffset].CopyTo(area);
            if (!error && profile.X87PointersZeroWithoutError)
            {
                area[FopOffset..MxcsrOffset].Clear();
            }
            else if (operand == XsaveOperand.Legacy)
            {
                StoreSelector(area[FipOffset..], file.Fcs);
                StoreSelector(area[FdpOffset..], file.Fds);
            }
        }
        else
        {
            registers[..FopOffset].CopyTo(area);
        }

        if (profile.X87PaddingLeft)
        {
            for (int slot = StOffset; slot < XmmOffset; slot += StSlotLength)
            {
                registers.Slice(slot, StLength).CopyTo(area[slot..]);
            }
        }
        else
        {
            registers[StOffset..XmmOffset].CopyTo(area[StOffset..]);
        }
    }

    public static void Load(RegisterFile file, ProcessorProfile profile, ReadOnlySpan<byte> area, XsaveOperand operand)
    {
        Span<byte> registers = file.Legacy;
        ushort fcw = BinaryPrimitives.ReadUInt16LittleEndian(area[FcwOffset..]);
        ushort fsw = BinaryPrimitives.ReadUInt16LittleEndian(area[FswOffset..]);
        fcw = profile.X87ControlLoadedRaw ? fcw : X87Registers.MaskControl(fcw);
        fsw = profile.X87ControlLoadedRaw ? X87Registers.WithSummaryOf(fsw) : X87Registers.WithSummary(fsw, fcw);
        BinaryPrimitives.WriteUInt16LittleEndian(registers[FcwOffset..], fcw);
        BinaryPrimitives.WriteUInt16LittleEndian(registers[FswOffset..], fsw);
        registers[FtwOffset] = area[FtwOffset];

        if (!profile.X87PointersNotKept && ((fsw & ErrorSummary) != 0 || !profile.X87PointersSkippedWithoutError))
        {
            LoadPointers(file, profile, area, operand);
        }

        // The six bytes behind a register are not loaded. Whole slots at a time: this loop is most of what a restore of x87 costs.
        ReadOnlySpan<byte> from = area[StOffset..XmmOffset];
        Span<byte> to = registers[StOffset..XmmOffset];
        for (int slot = 0; slot < from.Length; slot += StSlotLength)
        {
            (Vector128.Create(from.Slice(slot, StSlotLength)) & RegisterOfSlot).CopyTo(to.Slice(slot, StSlotLength));
        }
    }

    private static void LoadPointers(RegisterFile file, ProcessorProfile profile, ReadOnlySpan<byte> area, XsaveOperand operand)
    {
        Span<byte> registers = file.Legacy;
        ushort opcode = (ushort)(BinaryPrimitives.ReadUInt16LittleEndian(area[FopOffset..]) & OpcodeMask);
        ulong instruction = BinaryPrimitives.ReadUInt64LittleEndian(area[FipOffset..]);
        ulong data = BinaryPrimitives.ReadUInt64LittleEndian(area[FdpOffset..]);
        file.Fcs = 0;
        file.Fds = 0;
        if (operand == XsaveOperand.Legacy)
        {
            if (!profile.DeprecatesSelectors)
            {
                file.Fcs = (ushort)(instruction >> 32);
                file.Fds = (ushort)(data >> 32);
            }

            instruction = (uint)instruction;
            data = (uint)data;
        }
        else if (profile.X87PointersSignExtended)
        {
            instruction = profile.SignExtend(instruction);
            data = profile.SignExtend(data);
        }
        else if (profile.X87InstructionPointerSignExtended)
        {
            instruction = profile.SignExtend(instruction);
        }

        BinaryPrimitives.WriteUInt16LittleEndian(registers[FopOffset..], opcode);
        BinaryPrimitives.WriteUInt64LittleEndian(registers[FipOffset..], instruction);
        BinaryPrimitives.WriteUInt64LittleEndian(registers[FdpOffset..], data);
    }

    // The offset stays as copied; selector and the two bytes behind it replace its upper half.
    private static void StoreSelector(Span<byte> pointer, ushort selector) =>
        BinaryPrimitives.WriteUInt32LittleEndian(pointer[sizeof(uint)..], selector);
}
