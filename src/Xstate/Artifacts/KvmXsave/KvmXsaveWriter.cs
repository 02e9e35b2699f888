using Xstate.Captures;

namespace Xstate.Artifacts.KvmXsave;

/// <summary>Writes struct kvm_xsave.</summary>
internal static class KvmXsaveWriter
{
    /// <summary>
    /// The area of one virtual CPU, padded with zeros to 4096 bytes and whole 32-bit words; for one that was read, the same bytes.
    /// </summary>
    public static byte[] Write(CapturedState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        int wholeWords = (state.Area.Length + sizeof(uint) - 1) & -sizeof(uint);
        byte[] bytes = new byte[Math.Max(wholeWords, KvmXsaveReader.MinLength)];
        state.Area.Span.CopyTo(bytes);
        return bytes;
    }
}
