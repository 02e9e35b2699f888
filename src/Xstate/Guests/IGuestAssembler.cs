namespace Xstate.Guests;

/// <summary>
/// Turns instructions in Intel syntax into machine code. The library has none of its own: whoever runs scenarios brings one.
/// </summary>
internal interface IGuestAssembler
{
    /// <summary>
    /// Assembles lines of code. Instructions are separated by line ends or <c>;</c>, labels end in <c>:</c>, and <c>#</c> begins a comment.
    /// </summary>
    /// <param name="source">The code.</param>
    /// <param name="mode">The mode that it is for.</param>
    /// <param name="address">Where its first byte will lie.</param>
    /// <exception cref="GuestCodeException">An instruction that does not exist in this mode, or that cannot be read.</exception>
    byte[] Assemble(string source, GuestMode mode, ulong address);
}

/// <summary>Turns machine code into instructions: what the model needs to execute any.</summary>
internal interface IGuestDecoder
{
    /// <summary>
    /// The instruction at the start of some bytes. Bytes that are no instruction give one that is not
    /// <see cref="GuestInstruction.IsValid"/>.
    /// </summary>
    /// <param name="code">Bytes from the instruction on; at least one.</param>
    /// <param name="address">Address of the first byte.</param>
    /// <param name="mode">The mode that the processor is in.</param>
    GuestInstruction Decode(ReadOnlyMemory<byte> code, ulong address, GuestMode mode);
}

/// <summary>Guest code that cannot be assembled.</summary>
internal sealed class GuestCodeException : FormatException
{
    /// <summary>An error in one instruction.</summary>
    /// <param name="instruction">Its text.</param>
    /// <param name="problem">What is wrong with it.</param>
    public GuestCodeException(string instruction, string problem)
        : base($"'{Quotation.Cut(instruction)}': {Quotation.Cut(problem, Quotation.MaxProse)}")
    {
        Instruction = instruction;
    }

    /// <summary>The text of the instruction.</summary>
    public string Instruction { get; }
}
