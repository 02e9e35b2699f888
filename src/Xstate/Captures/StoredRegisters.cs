using Xstate.Architecture;

namespace Xstate.Captures;

/// <summary>What executed the guest's instructions.</summary>
public enum Accelerator
{
    /// <summary>The processor, under Linux KVM.</summary>
    Kvm,

    /// <summary>QEMU's own translator.</summary>
    Tcg,
}

/// <summary>In which order the eight x87 registers are stored.</summary>
internal enum X87Order
{
    /// <summary>ST(0) first, as in an XSAVE area.</summary>
    StackTop,

    /// <summary>Physical register R0 first, wherever the top of the stack is.</summary>
    Physical,
}

/// <summary>
/// What an artifact says that stores registers by name and has no XSAVE area: the area beside it was built from the registers and tells
/// what the guest had; this tells what a load makes of it.
/// </summary>
/// <param name="XstateBv">XSTATE_BV as stored beside the registers. A monitor on KVM puts it into the header of the image that it builds,
/// whatever the registers hold.</param>
/// <param name="X87Order">The order of the x87 registers. A load takes its own accelerator's order for granted.</param>
/// <param name="Writer">What ran the guest when it was saved.</param>
internal sealed record StoredRegisters(Fact<StateComponentSet> XstateBv, Fact<X87Order> X87Order, Fact<Accelerator> Writer)
{
    /// <summary>Whether the artifact has a device that exists only under KVM, so that nothing else loads it.</summary>
    public bool NeedsKvm { get; init; }
}
