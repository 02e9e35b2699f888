using Xstate.Architecture;
using Xstate.Artifacts.Text;

namespace Xstate.Artifacts.PastedDumps;

/// <summary>The four registers of an answer, as programs print them.</summary>
internal static class AnswerFields
{
    // Every program prints all digits. Fewer are a line that was cut, and the rest of its number stands in the next one.
    private const int Digits = 8;

    /// <summary>Four numbers of eight hexadecimal digits to the end of the line, each with its own text before it.</summary>
    public static bool TryRead(ref FieldCursor fields, ReadOnlySpan<byte> eax, ReadOnlySpan<byte> ebx, ReadOnlySpan<byte> ecx,
        ReadOnlySpan<byte> edx, out CpuidRegisters registers)
    {
        registers = default;
        if (!fields.TryHexAfter(eax, out uint a, Digits) || !fields.TryHexAfter(ebx, out uint b, Digits)
            || !fields.TryHexAfter(ecx, out uint c, Digits) || !fields.TryHexAfter(edx, out uint d, Digits))
        {
            return false;
        }

        fields.SkipBlanks();
        registers = new CpuidRegisters(a, b, c, d);
        return fields.AtEnd;
    }
}
