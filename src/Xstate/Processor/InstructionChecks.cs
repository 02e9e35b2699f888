using Xstate.Architecture;
using static Xstate.Architecture.XsaveFormat;

namespace Xstate.Processor;

/// <summary>The checks that precede any access to memory, in the order in which the manuals and the processor make them.</summary>
internal static class InstructionChecks
{
    private const int XsaveAlignment = 64;
    private const int FxsaveAlignment = 16;

    /// <summary>XSAVE family (SDM Vol. 1, 13.7 to 13.12): #UD, #NM, #GP for CPL, #GP for the address. CR0.EM plays no role.</summary>
    /// <param name="cpu">The processor.</param>
    /// <param name="offered">Whether CPUID has the instruction.</param>
    /// <param name="restores">Whether it loads.</param>
    /// <param name="supervisor">Whether it is for CPL 0 only.</param>
    /// <param name="address">Linear address of the area.</param>
    public static Fault OfXsave(ProcessorState cpu, bool offered, bool restores, bool supervisor, ulong address)
    {
        if (!offered || (cpu.Cr4 & Cr4.OsXsave) == Cr4.None)
        {
            return Fault.InvalidOpcode;
        }

        if ((cpu.Cr0 & Cr0.TaskSwitched) != Cr0.None && !(restores && cpu.Profile.Has(ProcessorQuirks.XrstorIgnoresTaskSwitched)))
        {
            return Fault.DeviceNotAvailable;
        }

        if ((supervisor && cpu.Cpl > 0) || !IsCanonical(cpu, address))
        {
            return Fault.GeneralProtection;
        }

        return address % XsaveAlignment == 0 ? Fault.None
            : cpu.Profile.Has(ProcessorQuirks.XsaveAlignmentCheck) ? Misaligned(cpu, address)
            : Fault.GeneralProtection;
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

        return cpu.Profile.Has(ProcessorQuirks.FxsaveAlignmentCheck) ? Misaligned(cpu, address) : Fault.GeneralProtection;
    }

    /// <summary>The page fault of an access that runs past the accessible bytes, or none.</summary>
    public static Fault OfExtent(ProcessorState cpu, ulong address, int accessible, int needed, PageFaultErrors access) =>
        accessible >= needed ? Fault.None
            : PageFault(cpu, access, address + (ulong)(cpu.Profile.AreaProbedAtItsEnd ? needed - 1 : accessible));

    /// <summary>The page fault of a restore that cannot read the header, or none.</summary>
    public static Fault OfHeader(ProcessorState cpu, ulong address, int accessible) =>
        accessible >= ExtendedOffset ? Fault.None
            : PageFault(cpu, PageFaultErrors.None, address + (ulong)(cpu.Profile.AreaProbedAtItsEnd ? XcompBvOffset : accessible));

    /// <summary>
    /// Bytes of a standard-format area that an instruction touches. A component that IA32_XFD disables and that is not stored counts up to
    /// where it begins (measured on an Intel Xeon with AMX).
    /// </summary>
    public static int StandardExtent(XsaveLayout layout, StateComponentSet touched, StateComponentSet absent)
    {
        int extent = layout.StandardLengthFor(touched.Except(absent));
        foreach (StateComponent component in touched & absent)
        {
            layout.TryGetSlot(component, out XsaveSlot slot);
            extent = Math.Max(extent, slot.Offset);
        }

        return extent;
    }

    /// <summary>
    /// The same of a compacted area: up to the end of the last component that is touched, in the places that <paramref name="inImage"/>
    /// gives.
    /// </summary>
    public static int CompactedExtent(XsaveLayout layout, StateComponentSet inImage, StateComponentSet touched)
    {
        int extent = ExtendedOffset;
        foreach (XsaveSlot slot in layout.WalkCompacted(inImage))
        {
            extent = touched.Contains(slot.Component) ? slot.End : extent;
        }

        return extent;
    }

    /// <summary>XGETBV and XSETBV: neither looks at CR0.TS.</summary>
    public static Fault OfXcr(ProcessorState cpu) =>
        cpu.Profile.HasXsave && (cpu.Cr4 & Cr4.OsXsave) != Cr4.None ? Fault.None : Fault.InvalidOpcode;

    /// <summary>XSETBV: it also asks for CPL 0, after CR4.OSXSAVE or before.</summary>
    public static Fault OfXsetbv(ProcessorState cpu)
    {
        Fault privilege = cpu.Cpl > 0 ? Fault.GeneralProtection : Fault.None;
        Fault enabled = OfXcr(cpu);
        bool privilegeFirst = cpu.Profile.HasXsave && privilege.IsFault && cpu.Profile.Has(ProcessorQuirks.XsetbvPrivilegeFirst);
        return enabled.IsFault && !privilegeFirst ? enabled : privilege;
    }

    private static Fault PageFault(ProcessorState cpu, PageFaultErrors access, ulong address) =>
        Fault.PageFault(access | (cpu.Cpl == 3 ? PageFaultErrors.User : PageFaultErrors.None), address);

    // Both are permitted; those that prefer #AC do so where a dword would be misaligned.
    private static Fault Misaligned(ProcessorState cpu, ulong address) =>
        cpu.AlignmentCheck && address % sizeof(uint) != 0 ? Fault.AlignmentCheck : Fault.GeneralProtection;

    private static bool IsCanonical(ProcessorState cpu, ulong address) => !cpu.Is64BitMode || cpu.Profile.IsCanonical(address);
}
