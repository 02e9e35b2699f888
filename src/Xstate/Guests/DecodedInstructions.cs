namespace Xstate.Guests;

/// <summary>
/// The instructions that guest code was decoded to. Loops make up nearly all that guests execute, and a decoded instruction is an
/// object of many bytes: each is made once while its code stays as it is.
/// </summary>
internal sealed class DecodedInstructions(IGuestDecoder decoder)
{
    private const int Slots = 1024;

    // Most guests of tests and scenarios end before anything repeats.
    private const int FirstKept = 64;

    private Slot[]? _slots;
    private int _decoded;

    /// <summary>The instruction at the start of some bytes.</summary>
    /// <param name="code">Bytes from the instruction on; at least one.</param>
    /// <param name="address">Address of the first byte.</param>
    /// <param name="mode">The mode that the processor is in, the same in every call.</param>
    public GuestInstruction Decode(ReadOnlyMemory<byte> code, ulong address, GuestMode mode)
    {
        if (_slots is null)
        {
            if (_decoded++ < FirstKept)
            {
                return decoder.Decode(code, address, mode);
            }

            _slots = new Slot[Slots];
        }

        ref Slot slot = ref _slots[address % Slots];
        if (slot.Instruction is { } known && slot.Address == address
            && (known.IsValid ? code.Span.StartsWith(slot.Code) : code.Span.SequenceEqual(slot.Code)))
        {
            return known;
        }

        // A copy: the guest may write over its own code. What is not valid may become so with more bytes behind it.
        GuestInstruction decoded = decoder.Decode(code, address, mode);
        slot = new Slot(decoded, address, (decoded.IsValid ? code.Span[..decoded.Length] : code.Span).ToArray());
        return decoded;
    }

    private readonly record struct Slot(GuestInstruction? Instruction, ulong Address, byte[] Code);
}
