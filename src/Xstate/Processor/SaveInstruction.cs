using Xstate.Architecture;
using static Xstate.Architecture.XsaveFormat;

namespace Xstate.Processor;

/// <summary>XSAVE, XSAVEOPT, XSAVEC and XSAVES (SDM Vol. 1, 13.7 and 13.9 to 13.11).</summary>
internal static class SaveInstruction
{
    private const int RtitCtlOffset = 0;
    private const int UinvOffset = 20;

    public enum Kind
    {
        Xsave,
        Xsaveopt,
        Xsavec,
        Xsaves,
    }

    public static Fault Execute(ProcessorState cpu, Kind kind, Span<byte> memory, ulong address, ulong edxEax, XsaveOperand operand)
    {
        ProcessorProfile profile = cpu.Profile;
        bool offered = kind switch
        {
            Kind.Xsave => profile.HasXsave,
            Kind.Xsaveopt => profile.HasXsaveopt,
            Kind.Xsavec => profile.HasXsavec,
            _ => profile.HasXsaves,
        };
        Fault fault = InstructionChecks.OfXsave(cpu, offered, restores: false, kind == Kind.Xsaves, address);
        if (fault.IsFault)
        {
            return fault;
        }

        fault = InstructionChecks.OfExtent(cpu, address, memory.Length, ExtentOf(cpu, kind, edxEax), PageFaultErrors.Write);
        if (fault.IsFault)
        {
            return fault;
        }

        StateComponentSet rfbm = Requested(cpu, kind, edxEax);
        bool compacted = IsCompacted(kind);
        StateComponentSet inUse = cpu.XinuseOf(rfbm).Except(cpu.EffectiveXfd);
        if (compacted || profile.MxcsrInUseAsSse)
        {
            inUse = WithMxcsr(cpu, rfbm, inUse);
        }

        if (compacted)
        {
            SaveCompacted(cpu, kind, memory, address, rfbm, inUse, operand);
        }
        else
        {
            SaveStandard(cpu, kind, memory, address, rfbm, inUse, operand);
        }

        return Fault.None;
    }

    /// <summary>Bytes of the area that the instruction writes or may write.</summary>
    public static int ExtentOf(ProcessorState cpu, Kind kind, ulong edxEax)
    {
        StateComponentSet rfbm = Requested(cpu, kind, edxEax);
        StateComponentSet absent = kind == Kind.Xsave ? StateComponentSet.Empty : rfbm & cpu.EffectiveXfd;
        return IsCompacted(kind) ? InstructionChecks.CompactedExtent(cpu.Profile.Layout, rfbm, rfbm.Except(absent))
            : InstructionChecks.StandardExtent(cpu.Profile.Layout, rfbm, absent);
    }

    // RFBM.
    private static StateComponentSet Requested(ProcessorState cpu, Kind kind, ulong edxEax) =>
        new StateComponentSet(edxEax) & (kind == Kind.Xsaves ? cpu.Enabled : cpu.Xcr0);

    private static bool IsCompacted(Kind kind) => kind is Kind.Xsavec or Kind.Xsaves;

    private static void SaveStandard(
        ProcessorState cpu, Kind kind, Span<byte> memory, ulong address, StateComponentSet rfbm, StateComponentSet inUse,
        XsaveOperand operand)
    {
        StateComponentSet stored = kind == Kind.Xsaveopt ? inUse.Except(UnmodifiedSince(cpu, address, 0)) : rfbm;
        StoreLegacy(cpu, stored, memory, operand);
        foreach (StateComponent component in stored.Except(StateComponentSet.Legacy))
        {
            cpu.Profile.Layout.TryGetSlot(component, out XsaveSlot slot);
            Span<byte> place = memory.Slice(slot.Offset, slot.Size);
            if (cpu.EffectiveXfd.Contains(component))
            {
                ComponentImage.StoreInitial(place, slot.Size);
            }
            else
            {
                ComponentImage.Store(cpu, component, place);
            }
        }

        // MXCSR goes with RFBM[1] or RFBM[2] and is never optimised away (SDM Vol. 1, 13.7 and 13.9).
        if (rfbm.Overlaps(cpu.Profile.MxcsrCarriers))
        {
            StoreMxcsr(cpu, memory);
        }

        // Read-modify-write, unlike the compacted saves; XCOMP_BV is neither read nor written.
        XsaveAreaWriter image = new(memory);
        image.WriteXstateBv(image.Area.XstateBv.Except(rfbm) | inUse);
    }

    private static void SaveCompacted(
        ProcessorState cpu, Kind kind, Span<byte> memory, ulong address, StateComponentSet rfbm, StateComponentSet inUse,
        XsaveOperand operand)
    {
        StateComponentSet xstateBv = inUse;
        ulong xcompBv = CompactedFlag | rfbm.Bits;
        StateComponentSet stored = kind == Kind.Xsaves ? xstateBv.Except(UnmodifiedSince(cpu, address, xcompBv)) : xstateBv;
        StoreLegacy(cpu, stored, memory, operand);
        if ((cpu.Profile.MxcsrInUseAsSse ? rfbm : stored).Contains(StateComponent.Sse))
        {
            StoreMxcsr(cpu, memory);
        }

        // Places follow RFBM whether or not a component is stored (SDM Vol. 1, 13.4.3).
        int misplaced = !cpu.Profile.CompactedPlacesByRfbm ? 0 : (rfbm.Contains(StateComponent.Sse) ? XmmEnd : XmmOffset) - ExtendedOffset;
        foreach (XsaveSlot slot in cpu.Profile.Layout.WalkCompacted(rfbm))
        {
            if (stored.Contains(slot.Component))
            {
                ComponentImage.Store(cpu, slot.Component, memory.Slice(slot.Offset + misplaced, slot.Size));
            }
        }

        new XsaveAreaWriter(memory).WriteXstateBv(xstateBv).WriteXcompBv(xcompBv);
        StopWhatWasSaved(cpu, rfbm);
    }

    // The compacted forms have no other place for MXCSR than component 1 (SDM Vol. 1, 13.10).
    private static StateComponentSet WithMxcsr(ProcessorState cpu, StateComponentSet rfbm, StateComponentSet inUse) =>
        rfbm.Contains(StateComponent.Sse) && cpu.Registers.Mxcsr != Mxcsr.Initial ? inUse.With(StateComponent.Sse) : inUse;

    private static void StoreLegacy(ProcessorState cpu, StateComponentSet stored, Span<byte> memory, XsaveOperand operand)
    {
        if (stored.Contains(StateComponent.X87))
        {
            X87Image.Store(cpu.Registers, cpu.Profile, memory, operand);
        }

        if (stored.Contains(StateComponent.Sse))
        {
            ComponentImage.Store(cpu, StateComponent.Sse, memory[XmmOffset..XmmEnd]);
        }
    }

    private static void StoreMxcsr(ProcessorState cpu, Span<byte> memory)
    {
        LegacyRegion.WriteMxcsr(memory, cpu.Registers.Mxcsr);
        LegacyRegion.WriteMxcsrMask(memory, cpu.Profile.MxcsrMask);
    }

    // XRSTOR_INFO must match in every field: same privilege, same address, same form (SDM Vol. 1, 13.9 and 13.11).
    private static StateComponentSet UnmodifiedSince(ProcessorState cpu, ulong address, ulong xcompBv)
    {
        XrstorInfo now = new(IsValid: true, cpu.Cpl, cpu.VmxNonRoot, address, xcompBv);
        return cpu.Profile.ModifiedOptimization && cpu.LastRestore == now
            ? new StateComponentSet(ulong.MaxValue).Except(cpu.Registers.Modified)
            : StateComponentSet.Empty;
    }

    // XSAVES turns tracing off (13.5.6) and hides the user-interrupt vector (13.5.11) once they are saved.
    private static void StopWhatWasSaved(ProcessorState cpu, StateComponentSet rfbm)
    {
        if (rfbm.Contains(StateComponent.Pt) && cpu.Registers.Read(StateComponent.Pt)[RtitCtlOffset] % 2 != 0)
        {
            cpu.Registers.Write(StateComponent.Pt)[RtitCtlOffset] &= 0xFE;
        }

        if (rfbm.Contains(StateComponent.Uintr) && cpu.Registers.Read(StateComponent.Uintr)[UinvOffset] != 0)
        {
            cpu.Registers.Write(StateComponent.Uintr)[UinvOffset] = 0;
        }
    }
}
