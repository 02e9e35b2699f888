using System.Collections.Immutable;

namespace Xstate.Architecture;

/// <summary>A flag or field of a control register.</summary>
/// <param name="Name">Its name in lower case: <c>im</c>, <c>rc</c>, <c>key3</c>.</param>
/// <param name="Shift">Its lowest bit.</param>
/// <param name="Width">Bits.</param>
/// <param name="Values">Names of its values, from 0 on; empty for a flag and for a field that is a number.</param>
internal sealed record RegisterField(string Name, int Shift, int Width, ImmutableArray<string> Values)
{
    /// <summary>Whether it is a single bit.</summary>
    public bool IsFlag => Width == 1;

    /// <summary>Its bits in the register.</summary>
    public ulong Mask => ((1UL << Width) - 1) << Shift;

    /// <summary>Its value in a register.</summary>
    public ulong In(ulong register) => (register & Mask) >> Shift;

    /// <summary>The name of a value of a field, or the value as a number.</summary>
    public string Describe(ulong value) => (int)value < Values.Length ? Values[(int)value] : $"{value}";
}
