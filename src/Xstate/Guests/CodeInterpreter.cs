using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Guests;

/// <summary>
/// The model's instructions one by one, on registers and memory of the caller's: no page tables, no delivery of faults, no hypervisor. It
/// is what a comparison with a processor executes.
/// </summary>
internal sealed class CodeInterpreter
{
    private readonly GuestMachine _machine;

    /// <summary>An interpreter of 64-bit code.</summary>
    /// <param name="cpu">The processor, with its extended state; its mode decides.</param>
    /// <param name="decoder">Reads the code.</param>
    /// <param name="memory">The memory.</param>
    /// <param name="address">Where the memory begins.</param>
    public CodeInterpreter(ProcessorState cpu, IGuestDecoder decoder, byte[] memory, ulong address)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        ArgumentNullException.ThrowIfNull(decoder);
        ArgumentNullException.ThrowIfNull(memory);
        _machine = new GuestMachine(cpu, new Nothing(cpu), decoder, new GuestMemory(cpu, memory, address));
    }

    /// <summary>RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15.</summary>
    public Span<ulong> Registers => _machine.General;

    /// <summary>RIP.</summary>
    public ulong Rip
    {
        get => _machine.Rip;
        set => _machine.Rip = value;
    }

    /// <summary>RFLAGS.</summary>
    public ulong Flags
    {
        get => _machine.Flags;
        set => _machine.Flags = value;
    }

    /// <summary>Executes the instruction at <see cref="Rip"/>. One that faults has changed nothing.</summary>
    /// <param name="notModelled">What the model does not know, or null.</param>
    public Fault Step(out string? notModelled)
    {
        Fault fault = _machine.StepOnce(out GuestStop? stop);
        notModelled = stop?.What ?? stop?.Kind.ToString();
        return fault;
    }

    // Nothing intercepts.
    private sealed class Nothing(ProcessorState cpu) : IGuestPlatform
    {
        private static Intercepted Unknown => new(Fault.None, IsModelled: false);

        public CpuidRegisters Cpuid(uint leaf, uint subleaf) => cpu.Cpuid(leaf, subleaf);

        public Intercepted Xsetbv(ulong rax, ulong rcx, ulong rdx) => new(Instructions.Xsetbv(cpu, (uint)rcx, (uint)rax | rdx << 32));

        public Intercepted Rdmsr(uint index, out ulong value)
        {
            value = 0;
            return Unknown;
        }

        public Intercepted Wrmsr(uint index, ulong value) => Unknown;

        public Intercepted WriteCr4(ulong value, ulong cr3) => new(Instructions.MovToCr4(cpu, (Cr4)value));
    }
}
