namespace Xstate.Processor;

/// <summary>
/// What a processor was seen to do when it was asked. A hypervisor can hide features and widths in CPUID, but not from the instructions
/// that CPUID describes: where the two differ, this is what executes. A null was not measured, and CPUID decides.
/// </summary>
internal sealed record MeasuredProcessor
{
    /// <summary>Nothing measured.</summary>
    public static MeasuredProcessor None { get; } = new();

    /// <summary>XSAVEOPT executes.</summary>
    public bool? HasXsaveopt { get; init; }

    /// <summary>XSAVEC executes.</summary>
    public bool? HasXsavec { get; init; }

    /// <summary>XSAVES and XRSTORS execute: at CPL 3 they raise #GP and not #UD.</summary>
    public bool? HasXsaves { get; init; }

    /// <summary>Width of a linear address, as the x87 pointers keep it.</summary>
    public int? LinearAddressBits { get; init; }
}
