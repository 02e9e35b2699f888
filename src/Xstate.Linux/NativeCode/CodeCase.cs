namespace Xstate.Linux.NativeCode;

/// <summary>A few instructions for a comparison, and what their operands need to lie in memory that exists.</summary>
/// <param name="Text">The instructions.</param>
/// <param name="Code">Their bytes.</param>
internal sealed record CodeCase(string Text, byte[] Code)
{
    /// <summary>The name under which it is counted.</summary>
    public string Kind { get; init; } = "";

    /// <summary>The flags that the manual leaves undefined.</summary>
    public ulong UndefinedFlags { get; init; }

    /// <summary>The base register of its memory, or -1.</summary>
    public int Base { get; init; } = -1;

    /// <summary>The index register, or -1.</summary>
    public int Index { get; init; } = -1;

    /// <summary>What the index is multiplied by.</summary>
    public int Scale { get; init; } = 1;

    /// <summary>The displacement.</summary>
    public int Displacement { get; init; }

    /// <summary>Whether address registers count with 32 bits.</summary>
    public bool Has32BitAddress { get; init; }

    /// <summary>What the address must be a multiple of; most cases that break it would only fault.</summary>
    public int Alignment { get; init; } = 1;

    /// <summary>Whether RSI, RDI and RCX are the operands of a string instruction.</summary>
    public bool IsString { get; init; }

    /// <summary>Whether CL is a count, and RCX best a small number.</summary>
    public bool CountsWithCl { get; init; }
}
