namespace Xstate.Processor;

/// <summary>
/// The linear memory of a guest, as an emulator lends it to instructions: in pieces that are contiguous in the emulator, such as pages.
/// Translation, permissions, protection keys and dirty bits are the emulator's.
/// </summary>
/// <threadsafety>Called by the thread that executes the instruction, and by no other.</threadsafety>
public interface IGuestMemory
{
    /// <summary>The memory at an address, in place.</summary>
    /// <param name="address">Linear address.</param>
    /// <param name="write">Whether the instruction writes there; else it reads.</param>
    /// <returns>
    /// One byte or more from the address on, usually up to the end of its page; empty where the access faults. It is used before the next
    /// call alone.
    /// </returns>
    Span<byte> Access(ulong address, bool write);
}
