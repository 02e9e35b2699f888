using Xstate.Architecture;
using static Xstate.Architecture.XsaveFormat;

namespace Xstate.Processor;

/// <summary>
/// XRSTOR and XRSTORS (SDM Vol. 1, 13.8 and 13.12). Everything is validated before anything is loaded, so a fault leaves all registers as
/// they were (measured on AMD family 25; the SDM permits partial loads, and the quirk compacted-mxcsr-checked-late is one).
/// </summary>
internal static class RestoreInstruction
{
    private const int StandardReservedLength = 8;

    public static Fault Execute(ProcessorState cpu, bool supervisor, ReadOnlySpan<byte> memory, ulong address, ulong edxEax,
        XsaveOperand operand)
    {
        ProcessorProfile profile = cpu.Profile;
        Fault fault = InstructionChecks.OfXsave(cpu, supervisor ? profile.HasXsaves : profile.HasXsave, restores: true, supervisor,
            address);
        if (fault.IsFault)
        {
            return fault;
        }

        fault = InstructionChecks.OfHeader(cpu, address, memory.Length);
        if (fault.IsFault)
        {
            return fault;
        }

        XsaveArea area = new(memory);
        StateComponentSet enabled = supervisor ? cpu.Enabled : cpu.Xcr0;
        StateComponentSet rfbm = new StateComponentSet(edxEax) & enabled;
        bool compacted = area.IsCompacted && profile.HasXsavec;
        if (compacted ? !enabled.ContainsAll(new StateComponentSet(area.XcompBv & ~CompactedFlag)) : supervisor)
        {
            return Fault.GeneralProtection;
        }

        StateComponentSet loaded = rfbm & area.XstateBv;
        fault = InstructionChecks.OfExtent(cpu, address, memory.Length, Extent(profile, area, compacted, rfbm, loaded),
            PageFaultErrors.None);
        bool isBad = compacted ? IsBadCompactedHeader(area, profile) : IsBadStandardHeader(area, cpu.Xcr0);
        if (isBad && !(fault.IsFault && profile.AreaProbedAtItsEnd))
        {
            return Fault.GeneralProtection;
        }

        if (fault.IsFault)
        {
            return fault;
        }

        if (loaded.Overlaps(cpu.EffectiveXfd))
        {
            cpu.XfdErr = loaded & cpu.EffectiveXfd;
            return Fault.DeviceNotAvailable;
        }

        bool loadsMxcsr = compacted
            ? (profile.MxcsrInUseAsSse ? rfbm : loaded).Contains(StateComponent.Sse)
            : rfbm.Overlaps(profile.MxcsrCarriers);
        if (loadsMxcsr && (area.Mxcsr & ~profile.MxcsrMask) != 0 && !profile.MxcsrUnchecked)
        {
            if (profile.MxcsrCheckedAfterX87)
            {
                StateComponentSet x87 = StateComponentSet.Of(StateComponent.X87);
                Commit(cpu, area, compacted, rfbm & x87, loaded & x87, operand);
            }
            else if (compacted && profile.CompactedMxcsrCheckedLate)
            {
                StateComponentSet begun = rfbm.Except(loaded).Without(StateComponent.Pkru) | (loaded & StateComponentSet.Legacy);
                Commit(cpu, area, compacted, begun, loaded & StateComponentSet.Legacy, operand);
            }

            return Fault.GeneralProtection;
        }

        if (supervisor && !SupervisorImage.IsLoadable(cpu, area, rfbm, loaded))
        {
            return Fault.GeneralProtection;
        }

        Commit(cpu, area, compacted, rfbm, loaded, operand);
        SetMxcsr(cpu, area, compacted, rfbm, loadsMxcsr);
        Track(cpu, rfbm, address, compacted ? area.XcompBv : 0);
        return Fault.None;
    }

    private static int Extent(ProcessorProfile profile, XsaveArea area, bool compacted, StateComponentSet rfbm, StateComponentSet loaded) =>
        compacted
            ? InstructionChecks.CompactedExtent(
                profile.Layout, new StateComponentSet(area.XcompBv & ~CompactedFlag), profile.AreaProbedAtItsEnd ? rfbm : loaded)
            : profile.Layout.StandardLengthFor(profile.AreaAccessedPiecewise ? loaded : rfbm);

    // Only the first 24 bytes of the header are looked at: bytes 24 to 63 may hold anything (measured on AMD family 25, and the SDM).
    private static bool IsBadStandardHeader(XsaveArea area, StateComponentSet xcr0) =>
        !xcr0.ContainsAll(area.XstateBv) || area.XcompBv != 0 || area.ReservedHeader[..StandardReservedLength].ContainsAnyExcept((byte)0);

    private static bool IsBadCompactedHeader(XsaveArea area, ProcessorProfile profile) =>
        !new StateComponentSet(profile.XstateBv63Ignored ? area.XcompBv : area.XcompBv & ~CompactedFlag).ContainsAll(area.XstateBv)
        || area.ReservedHeader.ContainsAnyExcept((byte)0);

    private static void Commit(
        ProcessorState cpu, XsaveArea area, bool compacted, StateComponentSet rfbm, StateComponentSet loaded, XsaveOperand operand)
    {
        foreach (StateComponent component in rfbm.Except(loaded))
        {
            ComponentImage.Initialize(cpu, component);
            if (component == StateComponent.Avx && cpu.Profile.AvxInitialClearsZmmHi256)
            {
                ComponentImage.Initialize(cpu, StateComponent.ZmmHi256);
            }
        }

        if (loaded.Contains(StateComponent.X87))
        {
            X87Image.Load(cpu.Registers, cpu.Profile, area.Bytes, operand);
        }

        if (loaded.Contains(StateComponent.Sse))
        {
            ComponentImage.Load(cpu, StateComponent.Sse, area.Bytes[XmmOffset..XmmEnd]);
        }

        cpu.Registers.Touch(cpu.Is64BitMode ? loaded : loaded.Without(StateComponent.Hi16Zmm));
        if (compacted)
        {
            StateComponentSet places = cpu.Profile.CompactedPlacesByRfbm ? rfbm : new StateComponentSet(area.XcompBv & ~CompactedFlag);
            foreach (XsaveSlot slot in cpu.Profile.Layout.WalkCompacted(places))
            {
                if (loaded.Contains(slot.Component))
                {
                    LoadExtended(cpu, area, slot);
                }
            }

            return;
        }

        foreach (StateComponent component in loaded.Except(StateComponentSet.Legacy))
        {
            cpu.Profile.Layout.TryGetSlot(component, out XsaveSlot slot);
            LoadExtended(cpu, area, slot);
        }
    }

    private static void LoadExtended(ProcessorState cpu, XsaveArea area, XsaveSlot slot)
    {
        ReadOnlySpan<byte> bytes = area.Bytes.Slice(slot.Offset, slot.Size);
        switch (slot.Component)
        {
            case StateComponent.TileCfg when !TileConfiguration.IsSupported(bytes):
                // Where LDTILECFG would fault, XRSTOR initializes (SDM Vol. 1, 13.5.14).
                cpu.Registers.Initialize(StateComponentSet.Of(slot.Component));
                break;
            case StateComponent.Lbr:
                SupervisorImage.LoadLbr(cpu, bytes);
                break;
            case StateComponent.CetU or StateComponent.CetS when cpu.Profile.CetImageUnchecked:
                SupervisorImage.LoadAccepted(cpu, slot.Component, bytes);
                break;
            default:
                ComponentImage.Load(cpu, slot.Component, bytes);
                break;
        }
    }

    // Standard form: from memory whatever XSTATE_BV says. Compacted form: RFBM[1] alone, and then 1F80h unless the image has component 1
    // (SDM Vol. 1, 13.8.1 and 13.8.2).
    private static void SetMxcsr(ProcessorState cpu, XsaveArea area, bool compacted, StateComponentSet rfbm, bool fromMemory)
    {
        if (fromMemory)
        {
            cpu.Registers.Mxcsr = area.Mxcsr;
        }
        else if (compacted && rfbm.Contains(StateComponent.Sse))
        {
            cpu.Registers.Mxcsr = Mxcsr.Initial;
        }
    }

    private static void Track(ProcessorState cpu, StateComponentSet rfbm, ulong address, ulong xcompBv)
    {
        cpu.Registers.Modified = new StateComponentSet(ulong.MaxValue).Except(rfbm);
        cpu.LastRestore = new XrstorInfo(IsValid: true, cpu.Cpl, cpu.VmxNonRoot, address, xcompBv);
    }
}
