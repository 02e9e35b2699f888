using Xstate.Architecture;

namespace Xstate.Processor;

/// <summary>
/// The instructions that act on the state of the XSAVE feature set. Each takes the processor, its operands, and where it accesses memory
/// the bytes that are accessible from its operand on: a span that ends early is memory that ends there, and reaching beyond raises #PF. A
/// fault is returned, never thrown, and leaves everything as it was (but IA32_XFD_ERR, which is there to tell, and what
/// <see cref="ProcessorQuirks.CompactedMxcsrCheckedLate"/> says). None of them allocates.
/// </summary>
/// <threadsafety>Any thread, each with a processor and memory of its own.</threadsafety>
public static class Instructions
{
    /// <summary>Executes a decoded instruction on memory that is contiguous.</summary>
    /// <param name="cpu">The processor.</param>
    /// <param name="instruction">What <see cref="InstructionEncoding.Decode"/> found; what is not an instruction of this room is
    /// #UD.</param>
    /// <param name="memory">Accessible bytes at <paramref name="address"/>; unused by an instruction without a memory operand.</param>
    /// <param name="address">Linear address of the memory operand.</param>
    /// <param name="ecx">ECX.</param>
    /// <param name="edxEax">EDX:EAX, which XGETBV and RDPKRU replace (the upper halves of RDX and RAX become zero).</param>
    public static Fault Execute(ProcessorState cpu, InstructionEncoding instruction, Span<byte> memory, ulong address, uint ecx,
        ref ulong edxEax)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        return InstructionDispatch.Execute(cpu, instruction, memory, address, ecx, ref edxEax);
    }

    /// <summary>
    /// Executes a decoded instruction on a guest's memory, whose pages may lie anywhere. No page beyond what the instruction reaches is
    /// written, and none at all where it faults.
    /// </summary>
    /// <inheritdoc cref="Execute(ProcessorState, InstructionEncoding, Span{byte}, ulong, uint, ref ulong)"/>
    public static Fault Execute(ProcessorState cpu, InstructionEncoding instruction, IGuestMemory memory, ulong address, uint ecx,
        ref ulong edxEax)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        ArgumentNullException.ThrowIfNull(memory);
        return PagedInstruction.Execute(cpu, instruction, memory, address, ecx, ref edxEax);
    }

    /// <summary>XSAVE, or XSAVE64 with <see cref="XsaveOperand.Rex64"/>: stores every requested component, initial or not.</summary>
    /// <param name="cpu">The processor.</param>
    /// <param name="memory">Accessible bytes at <paramref name="address"/>.</param>
    /// <param name="address">Linear address of the area.</param>
    /// <param name="edxEax">The requested components; bits outside XCR0 are ignored.</param>
    /// <param name="operand">Whether the instruction has REX.W.</param>
    public static Fault Xsave(ProcessorState cpu, Span<byte> memory, ulong address, ulong edxEax, XsaveOperand operand = XsaveOperand.Rex64)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        return SaveInstruction.Execute(cpu, SaveInstruction.Kind.Xsave, memory, address, edxEax, operand);
    }

    /// <summary>XSAVEOPT: as XSAVE, but components that are not in use are not stored.</summary>
    /// <inheritdoc cref="Xsave"/>
    public static Fault Xsaveopt(ProcessorState cpu, Span<byte> memory, ulong address, ulong edxEax,
        XsaveOperand operand = XsaveOperand.Rex64)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        return SaveInstruction.Execute(cpu, SaveInstruction.Kind.Xsaveopt, memory, address, edxEax, operand);
    }

    /// <summary>
    /// XSAVEC: the compacted form. Header bytes 16 to 63 are not written, so an area that XRSTOR is to accept must start zeroed.
    /// </summary>
    /// <inheritdoc cref="Xsave"/>
    public static Fault Xsavec(ProcessorState cpu, Span<byte> memory, ulong address, ulong edxEax,
        XsaveOperand operand = XsaveOperand.Rex64)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        return SaveInstruction.Execute(cpu, SaveInstruction.Kind.Xsavec, memory, address, edxEax, operand);
    }

    /// <summary>XSAVES: the compacted form with the components of IA32_XSS; CPL 0 only.</summary>
    /// <inheritdoc cref="Xsave"/>
    public static Fault Xsaves(ProcessorState cpu, Span<byte> memory, ulong address, ulong edxEax,
        XsaveOperand operand = XsaveOperand.Rex64)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        return SaveInstruction.Execute(cpu, SaveInstruction.Kind.Xsaves, memory, address, edxEax, operand);
    }

    /// <summary>XRSTOR: loads requested components that the image has, initializes those that it has not.</summary>
    /// <inheritdoc cref="Xsave"/>
    public static Fault Xrstor(
        ProcessorState cpu, ReadOnlySpan<byte> memory, ulong address, ulong edxEax, XsaveOperand operand = XsaveOperand.Rex64)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        return RestoreInstruction.Execute(cpu, supervisor: false, memory, address, edxEax, operand);
    }

    /// <summary>XRSTORS: the compacted form with the components of IA32_XSS; CPL 0 only.</summary>
    /// <inheritdoc cref="Xsave"/>
    public static Fault Xrstors(
        ProcessorState cpu, ReadOnlySpan<byte> memory, ulong address, ulong edxEax, XsaveOperand operand = XsaveOperand.Rex64)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        return RestoreInstruction.Execute(cpu, supervisor: true, memory, address, edxEax, operand);
    }

    /// <summary>
    /// FXSAVE, or FXSAVE64 with <see cref="XsaveOperand.Rex64"/>. The area has 512 bytes, of which 0 to 415 are written (0 to 287 outside
    /// 64-bit mode).
    /// </summary>
    public static Fault Fxsave(ProcessorState cpu, Span<byte> memory, ulong address, XsaveOperand operand = XsaveOperand.Rex64)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        return FxsaveInstruction.Save(cpu, memory, address, operand);
    }

    /// <summary>FXRSTOR, or FXRSTOR64 with <see cref="XsaveOperand.Rex64"/>.</summary>
    public static Fault Fxrstor(ProcessorState cpu, ReadOnlySpan<byte> memory, ulong address, XsaveOperand operand = XsaveOperand.Rex64)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        return FxsaveInstruction.Restore(cpu, memory, address, operand);
    }

    /// <summary>
    /// XGETBV: XCR0 for ECX=0; for ECX=1 the enabled components in use, where MXCSR counts as part of SSE (SDM Vol. 1, 13.6).
    /// </summary>
    public static Fault Xgetbv(ProcessorState cpu, uint ecx, out ulong edxEax)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        edxEax = 0;
        Fault fault = InstructionChecks.OfXcr(cpu);
        if (fault.IsFault)
        {
            return fault;
        }

        if (ecx > 1 || (ecx == 1 && !cpu.Profile.HasXgetbv1))
        {
            return Fault.GeneralProtection;
        }

        edxEax = cpu.Xcr0.Bits;
        if (ecx == 1)
        {
            StateComponentSet inUse = cpu.XinuseOf(cpu.Xcr0).Except(cpu.EffectiveXfd);
            bool mxcsrInUse = cpu.Registers.Mxcsr != Mxcsr.Initial && !cpu.Profile.Has(ProcessorQuirks.XgetbvIgnoresMxcsr);
            edxEax = (mxcsrInUse ? inUse.With(StateComponent.Sse) & cpu.Xcr0 : inUse).Bits;
        }

        return Fault.None;
    }

    /// <summary>XSETBV. The registers of a component keep their values while its XCR0 bit is clear (SDM Vol. 1, 13.3).</summary>
    public static Fault Xsetbv(ProcessorState cpu, uint ecx, ulong edxEax)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        Fault fault = InstructionChecks.OfXsetbv(cpu);
        if (fault.IsFault)
        {
            return fault;
        }

        StateComponentSet value = new(edxEax);
        if (ecx != 0 || Xcr0Rules.FirstViolation(value, cpu.Profile.UserComponents) is not null)
        {
            return Fault.GeneralProtection;
        }

        cpu.Xcr0 = value;
        return Fault.None;
    }

    /// <summary>
    /// What XSETBV asks before it looks at its operands, and before a hypervisor sees it: #UD unless CR4.OSXSAVE is set, #GP above CPL 0.
    /// </summary>
    public static Fault CheckXsetbv(ProcessorState cpu)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        return InstructionChecks.OfXsetbv(cpu);
    }

    /// <summary>
    /// MOV to CR0 (SDM Vol. 2B): #GP for CPL above 0, a bit above 31, NW without CD, PG without PE, for leaving 64-bit mode, and for
    /// clearing WP while CR4.CET is set. A value that would change PE
    /// or PG without breaking a rule is not loaded: the modes on the way are not modelled here.
    /// </summary>
    /// <param name="cpu">The processor.</param>
    /// <param name="value">The value.</param>
    /// <param name="changesMode">Whether it was not loaded for that reason.</param>
    public static Fault MovToCr0(ProcessorState cpu, Cr0 value, out bool changesMode)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        bool Has(Cr0 bit) => (value & bit) != Cr0.None;
        bool bad = cpu.Cpl > 0 || Cr0Rules.FirstViolation((ulong)value) is not null
            || (cpu.Is64BitMode && !Has(Cr0.Paging))
            || (!Has(Cr0.WriteProtect) && (cpu.Cr4 & Cr4.ControlFlowEnforcement) != Cr4.None);
        changesMode = !bad && ((value ^ cpu.Cr0) & (Cr0.ProtectionEnable | Cr0.Paging)) != Cr0.None;
        if (!bad && !changesMode)
        {
            // Bits that do not exist are not stored; ET is always 1.
            cpu.Cr0 = value & Cr0.All | Cr0.ExtensionType;
        }

        return bad ? Fault.GeneralProtection : Fault.None;
    }

    /// <summary>RDPKRU: EAX becomes PKRU and EDX 0 (SDM Vol. 2B). CR0.TS, CPL and XCR0 play no role.</summary>
    public static Fault Rdpkru(ProcessorState cpu, uint ecx, out ulong edxEax)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        edxEax = 0;
        if ((cpu.Cr4 & Cr4.ProtectionKeys) == Cr4.None)
        {
            return Fault.InvalidOpcode;
        }

        if (ecx != 0)
        {
            return Fault.GeneralProtection;
        }

        edxEax = cpu.Registers.Pkru.Value;
        return Fault.None;
    }

    /// <summary>WRPKRU: PKRU becomes EAX; ECX and EDX must be 0.</summary>
    public static Fault Wrpkru(ProcessorState cpu, uint ecx, ulong edxEax)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        if ((cpu.Cr4 & Cr4.ProtectionKeys) == Cr4.None)
        {
            return Fault.InvalidOpcode;
        }

        if (ecx != 0 || edxEax >> 32 != 0)
        {
            return Fault.GeneralProtection;
        }

        cpu.Registers.Pkru = new Pkru((uint)edxEax);
        return Fault.None;
    }

    /// <summary>
    /// WRMSR of an MSR that belongs to this state; any other number is #GP, so ask <see cref="ModelSpecificRegisters.Contains"/> first
    /// where others exist.
    /// </summary>
    public static Fault Wrmsr(ProcessorState cpu, uint msr, ulong value)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        return cpu.Cpl > 0 ? Fault.GeneralProtection : ModelSpecificRegisters.Write(cpu, msr, value);
    }

    /// <summary>RDMSR of an MSR that belongs to this state.</summary>
    public static Fault Rdmsr(ProcessorState cpu, uint msr, out ulong value)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        value = 0;
        return cpu.Cpl > 0 ? Fault.GeneralProtection : ModelSpecificRegisters.Read(cpu, msr, out value);
    }

    /// <summary>
    /// MOV to CR4. #GP for CPL above 0, for a bit of this state that the processor does not have, and for CET without CR0.WP; bits of other
    /// features are accepted as they are.
    /// </summary>
    public static Fault MovToCr4(ProcessorState cpu, Cr4 value)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        ProcessorProfile profile = cpu.Profile;
        Cr4 reserved = (profile.HasXsave ? Cr4.None : Cr4.OsXsave)
            | (profile.HasProtectionKeys ? Cr4.None : Cr4.ProtectionKeys)
            | (profile.HasSupervisorKeys ? Cr4.None : Cr4.SupervisorKeys)
            | (profile.HasUserInterrupts ? Cr4.None : Cr4.UserInterrupts)
            | (profile.HasShadowStack || profile.HasBranchTracking ? Cr4.None : Cr4.ControlFlowEnforcement);
        bool cetWithoutWp = (value & Cr4.ControlFlowEnforcement) != Cr4.None && (cpu.Cr0 & Cr0.WriteProtect) == Cr0.None;
        if (cpu.Cpl > 0 || (value & reserved) != Cr4.None || cetWithoutWp)
        {
            return Fault.GeneralProtection;
        }

        cpu.Cr4 = value;
        return Fault.None;
    }

    /// <summary>
    /// What any instruction that uses the given components' registers must ask first: #NM, with IA32_XFD_ERR saying why, if IA32_XFD
    /// disables one of them (SDM Vol. 1,
    /// 13.14). LDTILECFG, STTILECFG and TILERELEASE do not use tile data in this sense and must not ask.
    /// </summary>
    public static Fault UseState(ProcessorState cpu, StateComponentSet components)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        StateComponentSet disabled = components & cpu.EffectiveXfd;
        if (disabled.IsEmpty)
        {
            return Fault.None;
        }

        cpu.XfdErr = disabled;
        return Fault.DeviceNotAvailable;
    }

    /// <summary>TILERELEASE: tile configuration and data become initial, whatever IA32_XFD says. #UD unless XCR0 enables both.</summary>
    public static Fault Tilerelease(ProcessorState cpu)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        Fault fault = TileInstructions.Check(cpu);
        if (!fault.IsFault)
        {
            cpu.Registers.Initialize(TileInstructions.State);
        }

        return fault;
    }
}
