using System.Buffers.Binary;
using Xstate.Architecture;

namespace Xstate.Processor;

/// <summary>
/// What XRSTORS demands of supervisor components: every value that WRMSR would refuse, and every reserved byte, is #GP (SDM Vol. 1, 13.12).
/// </summary>
internal static class SupervisorImage
{
    private const int UinvOffset = 20;
    private const int LbrRecordsOffset = 40;
    private const int LbrRecordLength = 24;

    public static bool IsLoadable(ProcessorState cpu, XsaveArea area, StateComponentSet rfbm, StateComponentSet loaded)
    {
        // Tracing must be off and the user-interrupt vector unset even where the component is only initialized (13.5.6, 13.5.11).
        if ((rfbm.Contains(StateComponent.Pt) && cpu.Registers.Read(StateComponent.Pt)[0] % 2 != 0)
            || (rfbm.Contains(StateComponent.Uintr) && cpu.Registers.Read(StateComponent.Uintr)[UinvOffset] != 0))
        {
            return false;
        }

        foreach (XsaveSlot slot in cpu.Profile.Layout.WalkCompacted(new StateComponentSet(area.XcompBv & ~XsaveFormat.CompactedFlag)))
        {
            if (slot.IsSupervisor && loaded.Contains(slot.Component)
                && !IsLoadable(cpu, slot.Component, area.Bytes.Slice(slot.Offset, slot.Size)))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Loads LBR: the records only if DEPTH is the one in force; else all records become zero (SDM Vol. 1, 13.5.12).</summary>
    public static void LoadLbr(ProcessorState cpu, ReadOnlySpan<byte> image)
    {
        Span<byte> registers = cpu.Registers.Bytes(StateComponent.Lbr);
        ulong depth = BinaryPrimitives.ReadUInt64LittleEndian(registers[RegisterFile.LbrDepthOffset..]);
        bool sameDepth = depth == BinaryPrimitives.ReadUInt64LittleEndian(image[RegisterFile.LbrDepthOffset..]);
        int end = sameDepth ? LbrRecordsOffset + ((int)depth * LbrRecordLength) : LbrRecordsOffset;
        image[..LbrRecordsOffset].CopyTo(registers);
        BinaryPrimitives.WriteUInt64LittleEndian(registers[RegisterFile.LbrDepthOffset..], depth);
        if (sameDepth)
        {
            image[LbrRecordsOffset..end].CopyTo(registers[LbrRecordsOffset..]);
        }
        else
        {
            registers[LbrRecordsOffset..].Clear();
        }
    }

    /// <summary>Loads the MSRs of a component that WRMSR would take; the others keep their values (quirk cet-image-unchecked).</summary>
    public static void LoadAccepted(ProcessorState cpu, StateComponent component, ReadOnlySpan<byte> image)
    {
        foreach (StateMsr msr in StateMsrs.Of(component))
        {
            if (msr.AcceptsImage(cpu.Profile, msr.Read(image)))
            {
                image.Slice(msr.Offset, sizeof(ulong)).CopyTo(cpu.Registers.Bytes(component)[msr.Offset..]);
            }
        }
    }

    private static bool IsLoadable(ProcessorState cpu, StateComponent component, ReadOnlySpan<byte> image)
    {
        if (cpu.Profile.CetImageUnchecked && component is StateComponent.CetU or StateComponent.CetS)
        {
            return true;
        }

        int known = 0;
        foreach (StateMsr msr in StateMsrs.Of(component))
        {
            ulong value = msr.Read(image);
            if (!msr.AcceptsImage(cpu.Profile, value))
            {
                return false;
            }

            known = Math.Max(known, msr.Offset + sizeof(ulong));
        }

        // LBR's records follow its MSRs here and have no reserved bytes; a component without known MSRs is taken as it is.
        return component == StateComponent.Lbr || known == 0 || !image[known..].ContainsAnyExcept((byte)0);
    }
}
