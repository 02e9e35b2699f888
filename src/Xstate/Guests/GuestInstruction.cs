using System.Collections.Immutable;

namespace Xstate.Guests;

/// <summary>What kind of register.</summary>
internal enum GuestRegisterClass
{
    /// <summary>No register.</summary>
    None,

    /// <summary>A general register, or its low part.</summary>
    General,

    /// <summary>AH, CH, DH or BH, with the index of its whole register.</summary>
    HighByte,

    /// <summary>CS, DS, ES, FS, GS, SS.</summary>
    Segment,

    /// <summary>A control register.</summary>
    Control,

    /// <summary>XMM, YMM or ZMM, told apart by size.</summary>
    Vector,

    /// <summary>ST0 to ST7.</summary>
    X87,

    /// <summary>k0 to k7.</summary>
    Opmask,

    /// <summary>BND0 to BND3.</summary>
    Bound,

    /// <summary>TMM0 to TMM7.</summary>
    Tile,

    /// <summary>Any other.</summary>
    Other,
}

/// <summary>A register.</summary>
/// <param name="Class">Its kind.</param>
/// <param name="Index">Its number in encodings.</param>
/// <param name="Size">Bytes.</param>
internal readonly record struct GuestRegister(GuestRegisterClass Class, int Index, int Size);

/// <summary>What kind of operand.</summary>
internal enum GuestOperandKind
{
    /// <summary>A register.</summary>
    Register,

    /// <summary>A constant, sign-extended as the instruction does it.</summary>
    Immediate,

    /// <summary>Memory.</summary>
    Memory,

    /// <summary>The target of a jump.</summary>
    Target,
}

/// <summary>An operand.</summary>
/// <param name="Kind">Its kind.</param>
internal readonly record struct GuestOperand(GuestOperandKind Kind)
{
    /// <summary>Bytes; 0 for memory whose size the instruction does not say.</summary>
    public int Size { get; init; }

    /// <summary>The register.</summary>
    public GuestRegister Register { get; init; }

    /// <summary>The constant, the jump's target or the displacement of memory.</summary>
    public ulong Value { get; init; }

    /// <summary>Base register of memory.</summary>
    public GuestRegister Base { get; init; }

    /// <summary>Index register of memory.</summary>
    public GuestRegister IndexedBy { get; init; }

    /// <summary>What the index is multiplied by.</summary>
    public int Scale { get; init; }

    /// <summary>Bytes of the address: 2, 4 or 8.</summary>
    public int AddressSize { get; init; }

    /// <summary>Whether it lies on the stack (segment SS), whose addresses raise #SS where others raise #GP.</summary>
    public bool IsOnStack { get; init; }

    /// <summary>Whether FS or GS is added; its base is not modelled.</summary>
    public bool HasOtherSegment { get; init; }
}

/// <summary>A decoded instruction.</summary>
/// <param name="Mnemonic">Lower case, as the manual has it: <c>xsave64</c>, <c>jne</c>. Empty for bytes that are no instruction.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Operands">The operands in the manual's order, those that are not written included.</param>
/// <param name="Format">Makes <see cref="Text"/>, which only messages need.</param>
internal sealed record GuestInstruction(string Mnemonic, int Length, ImmutableArray<GuestOperand> Operands, Func<string> Format)
{
    /// <summary>Whether the bytes are an instruction.</summary>
    public bool IsValid => Mnemonic.Length > 0;

    /// <summary>The instruction for people.</summary>
    public string Text => Format();

    /// <summary>Which instruction it is, for those that are executed.</summary>
    public GuestOperation Operation { get; } = GuestOperations.Of(Mnemonic).Operation;

    /// <summary>
    /// The condition of <see cref="GuestOperation.Jcc"/>, <see cref="GuestOperation.Setcc"/> and <see cref="GuestOperation.Cmovcc"/>.
    /// </summary>
    public GuestCondition Condition { get; } = GuestOperations.Of(Mnemonic).Condition;

    /// <summary>Whether a REP, REPE or REPNE prefix repeats it.</summary>
    public bool IsRepeated { get; init; }

    /// <summary>Whether it is encoded with VEX.</summary>
    public bool IsVex { get; init; }

    /// <summary>Whether it is encoded with EVEX.</summary>
    public bool IsEvex { get; init; }

    /// <summary>Whether a mask register, zeroing, broadcast or embedded rounding is part of it.</summary>
    public bool IsMasked { get; init; }
}
