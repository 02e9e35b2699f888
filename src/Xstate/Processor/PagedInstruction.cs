using System.Buffers;
using Xstate.Architecture;

namespace Xstate.Processor;

/// <summary>
/// An instruction whose operand lies in memory that is contiguous for the guest and not for its emulator. Where it lies in one piece the
/// instruction works there; else on a copy, of which what changed is written back.
/// </summary>
internal static class PagedInstruction
{
    public static Fault Execute(ProcessorState cpu, InstructionEncoding instruction, IGuestMemory memory, ulong address, uint ecx,
        ref ulong edxEax)
    {
        // Whatever faults before memory is looked at touches no page; without memory an operand in memory gets no further than #PF.
        Fault fault = InstructionDispatch.Execute(cpu, instruction, [], address, ecx, ref edxEax);
        if (fault.Vector != FaultVector.PageFault)
        {
            return fault;
        }

        int reach = Reach(cpu, instruction.Instruction, edxEax);
        bool writes = Writes(instruction.Instruction);
        Span<byte> first = memory.Access(address, writes);
        if (first.Length >= reach || first.IsEmpty)
        {
            return InstructionDispatch.Execute(cpu, instruction, first, address, ecx, ref edxEax);
        }

        byte[] rented = ArrayPool<byte>.Shared.Rent(2 * reach);
        try
        {
            Span<byte> before = rented.AsSpan(0, reach);
            Span<byte> area = rented.AsSpan(reach, reach);
            int length = Gather(memory, address, writes, before);
            area = area[..length];
            before[..length].CopyTo(area);
            fault = InstructionDispatch.Execute(cpu, instruction, area, address, ecx, ref edxEax);
            if (writes && !fault.IsFault)
            {
                WriteBack(memory, address, before[..length], area);
            }

            return fault;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    // How far from its operand's address the instruction reaches at most.
    private static int Reach(ProcessorState cpu, StateInstruction instruction, ulong edxEax) => instruction switch
    {
        StateInstruction.Fxsave or StateInstruction.Fxrstor => XsaveFormat.LegacyLength,
        StateInstruction.Xsave => SaveInstruction.ExtentOf(cpu, SaveInstruction.Kind.Xsave, edxEax),
        StateInstruction.Xsaveopt => SaveInstruction.ExtentOf(cpu, SaveInstruction.Kind.Xsaveopt, edxEax),
        StateInstruction.Xsavec => SaveInstruction.ExtentOf(cpu, SaveInstruction.Kind.Xsavec, edxEax),
        StateInstruction.Xsaves => SaveInstruction.ExtentOf(cpu, SaveInstruction.Kind.Xsaves, edxEax),

        // The image says what a restore reads of it.
        _ => Math.Max(cpu.Profile.Layout.StandardLength, cpu.Profile.Layout.CompactedLengthFor(cpu.Profile.Layout.Components)),
    };

    private static bool Writes(StateInstruction instruction) => instruction is StateInstruction.Fxsave or StateInstruction.Xsave
        or StateInstruction.Xsaveopt or StateInstruction.Xsavec or StateInstruction.Xsaves;

    private static int Gather(IGuestMemory memory, ulong address, bool writes, Span<byte> destination)
    {
        int length = 0;
        while (length < destination.Length)
        {
            Span<byte> piece = memory.Access(address + (ulong)length, writes);
            if (piece.IsEmpty)
            {
                break;
            }

            int taken = Math.Min(piece.Length, destination.Length - length);
            piece[..taken].CopyTo(destination[length..]);
            length += taken;
        }

        return length;
    }

    private static void WriteBack(IGuestMemory memory, ulong address, ReadOnlySpan<byte> before, ReadOnlySpan<byte> after)
    {
        int done = 0;
        while (done < after.Length)
        {
            int same = before[done..].CommonPrefixLength(after[done..]);
            done += same;
            if (done == after.Length)
            {
                return;
            }

            Span<byte> piece = memory.Access(address + (ulong)done, write: true);
            if (piece.IsEmpty)
            {
                throw new InvalidOperationException(
                    $"the guest's memory at 0x{address + (ulong)done:x} could be written before and cannot any more");
            }

            int taken = Math.Min(piece.Length, after.Length - done);
            after.Slice(done, taken).CopyTo(piece);
            done += taken;
        }
    }
}
