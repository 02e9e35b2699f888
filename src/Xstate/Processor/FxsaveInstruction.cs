using Xstate.Architecture;
using static Xstate.Architecture.XsaveFormat;

namespace Xstate.Processor;

/// <summary>FXSAVE and FXRSTOR (SDM Vol. 2A; APM Vol. 2, 11.4.4 for EFER.FFXSR).</summary>
internal static class FxsaveInstruction
{
    public static Fault Save(ProcessorState cpu, Span<byte> memory, ulong address, XsaveOperand operand)
    {
        Fault fault = InstructionChecks.OfFxsave(cpu, address);
        fault = fault.IsFault ? fault : InstructionChecks.OfExtent(cpu, address, memory.Length, LegacyLength, PageFaultErrors.Write);
        if (fault.IsFault)
        {
            return fault;
        }

        X87Image.Store(cpu.Registers, cpu.Profile, memory, operand);
        if ((cpu.Cr4 & Cr4.OsFxsr) != Cr4.None)
        {
            LegacyRegion.WriteMxcsr(memory, cpu.Registers.Mxcsr);
            LegacyRegion.WriteMxcsrMask(memory, cpu.Profile.MxcsrMask);
            if (!cpu.FastFxsave)
            {
                ComponentImage.Store(cpu, StateComponent.Sse, memory[XmmOffset..XmmEnd]);
            }
        }

        return Fault.None;
    }

    public static Fault Restore(ProcessorState cpu, ReadOnlySpan<byte> memory, ulong address, XsaveOperand operand)
    {
        Fault fault = InstructionChecks.OfFxsave(cpu, address);
        fault = fault.IsFault ? fault : InstructionChecks.OfExtent(cpu, address, memory.Length, LegacyLength, PageFaultErrors.None);
        if (fault.IsFault)
        {
            return fault;
        }

        bool loadsSse = (cpu.Cr4 & Cr4.OsFxsr) != Cr4.None;
        uint mxcsr = LegacyRegion.ReadMxcsr(memory);
        if (loadsSse && (mxcsr & ~cpu.Profile.MxcsrMask) != 0 && !cpu.Profile.MxcsrUnchecked)
        {
            return Fault.GeneralProtection;
        }

        X87Image.Load(cpu.Registers, cpu.Profile, memory, operand);
        cpu.Registers.Touch(StateComponentSet.Of(StateComponent.X87));
        if (loadsSse)
        {
            cpu.Registers.Mxcsr = mxcsr;
            if (!cpu.FastFxsave)
            {
                ComponentImage.Load(cpu, StateComponent.Sse, memory[XmmOffset..XmmEnd]);
                cpu.Registers.Touch(StateComponentSet.Of(StateComponent.Sse));
            }
        }

        // The tracking of the last XRSTOR is dropped, even for components that FXRSTOR does not reach (measured on AMD family 25).
        cpu.LastRestore = default;
        return Fault.None;
    }
}
