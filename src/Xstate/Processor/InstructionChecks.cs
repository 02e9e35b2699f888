namespace Xstate.Processor;

/// <summary>The checks that precede any access to memory, in the order in which the manuals and the processor make them.</summary>
internal static class InstructionChecks
{
    private const int XsaveAlignment = 64;
    private const int FxsaveAlignment = 16;

    /// <summary>XSAVE family (SDM Vol. 1, 13.7 to 13.12): #UD, #NM, #GP for CPL, #GP for the address. CR0.EM plays no role.</summary>
    public static Fault OfXsave(ProcessorState cpu, bool offered, bool supervisor, ulong address)
    {
        if (!offered || (cpu.Cr4 & Cr4.OsXsave) == Cr4.None)
        {
            return Fault.InvalidOpcode;
        }

        if ((cpu.Cr0 & Cr0.TaskSwitched) != Cr0.None)
        {
            return Fault.DeviceNotAvailable;
        }

        return (supervisor && cpu.Cpl > 0) || address % XsaveAlignment != 0 || !IsCanonical(cpu, address) ? Fault.GeneralProtection : Fault.None;
    }

    /// <summary>FXSAVE and FXRSTOR (SDM Vol. 2A): they do respect CR0.EM, and need 16-byte alignment only.</summary>
    public static Fault OfFxsave(ProcessorState cpu, ulong address)
    {
        if (!cpu.Profile.HasFxsave)
        {
            return Fault.InvalidOpcode;
        }

        if ((cpu.Cr0 & (Cr0.TaskSwitched | Cr0.Emulation)) != Cr0.None)
        {
            return Fault.DeviceNotAvailable;
        }

        if (!IsCanonical(cpu, address))
        {
            return Fault.GeneralProtection;
        }

        if (address % FxsaveAlignment == 0)
        {
            return Fault.None;
        }

        bool alignmentFault = cpu.AlignmentCheck && address % 4 != 0 && cpu.Profile.Has(ProcessorQuirks.FxsaveAlignmentCheck);
        return alignmentFault ? Fault.AlignmentCheck : Fault.GeneralProtection;
    }

    /// <summary>The page fault of an access that runs past the accessible bytes, or none.</summary>
    public static Fault OfExtent(ProcessorState cpu, ulong address, int accessible, int needed, PageFaultErrors access) =>
        accessible >= needed
            ? Fault.None
            : Fault.PageFault(access | (cpu.Cpl == 3 ? PageFaultErrors.User : PageFaultErrors.None), address + (ulong)accessible);

    /// <summary>XGETBV and XSETBV: neither looks at CR0.TS.</summary>
    public static Fault OfXcr(ProcessorState cpu) =>
        cpu.Profile.HasXsave && (cpu.Cr4 & Cr4.OsXsave) != Cr4.None ? Fault.None : Fault.InvalidOpcode;

    private static bool IsCanonical(ProcessorState cpu, ulong address) => !cpu.Is64BitMode || cpu.Profile.IsCanonical(address);
}
