namespace Xstate.Processor;

/// <summary>Which instruction of a pair that differ in REX.W: it alone chooses the form of the x87 pointers, whatever the mode.</summary>
public enum XsaveOperand
{
    /// <summary>Without REX.W (XSAVE, FXSAVE, …): 32-bit FIP and FDP with their selectors.</summary>
    Legacy,

    /// <summary>With REX.W (XSAVE64, FXSAVE64, …): 64-bit FIP and FDP.</summary>
    Rex64,
}
