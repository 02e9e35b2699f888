using System.Globalization;
using Xstate.Architecture;

namespace Xstate.Lint;

/// <summary>A field of a CPUID table: leaf, sub-leaf, register and bits.</summary>
/// <param name="Leaf">EAX on input.</param>
/// <param name="Subleaf">ECX on input.</param>
/// <param name="Register">The register, or null for the whole answer.</param>
/// <param name="HighBit">The field's highest bit.</param>
/// <param name="LowBit">The field's lowest bit.</param>
internal readonly record struct LintPlace(uint Leaf, uint Subleaf, CpuidRegister? Register = null, int HighBit = 31, int LowBit = 0)
{
    /// <summary>The bit of a feature.</summary>
    internal static LintPlace Of(CpuidFeature feature)
    {
        ArgumentNullException.ThrowIfNull(feature);
        return new LintPlace(feature.Leaf, feature.Subleaf, feature.Register, feature.Bit, feature.Bit);
    }

    /// <summary>A component's bit in leaf 0xD.0 (user) or 0xD.1 (supervisor).</summary>
    /// <param name="bit">Number of the component.</param>
    /// <param name="supervisor">Whether the bit of 0xD.1 is meant.</param>
    public static LintPlace OfComponent(int bit, bool supervisor = false)
    {
        CpuidRegister low = supervisor ? CpuidRegister.Ecx : CpuidRegister.Eax;
        return new LintPlace(CpuidTable.XsaveLeaf, supervisor ? 1u : 0u, bit < 32 ? low : CpuidRegister.Edx, bit & 31, bit & 31);
    }

    /// <summary>A register of a component's sub-leaf of leaf 0xD.</summary>
    public static LintPlace OfSubleaf(int component, CpuidRegister? register = null, int high = 31, int low = 0) =>
        new(CpuidTable.XsaveLeaf, (uint)component, register, high, low);

    /// <summary><c>0xd.0x0.eax</c>: the sub-leaf in hex with its prefix, so that 0x11 is never read as 11.</summary>
    public string Field => Register is { } register
        ? string.Create(CultureInfo.InvariantCulture, $"0x{Leaf:x}.0x{Subleaf:x}.{register.ToString().ToLowerInvariant()}")
        : string.Create(CultureInfo.InvariantCulture, $"0x{Leaf:x}.0x{Subleaf:x}");

    /// <summary><c>9</c> or <c>7:5</c>; null where the whole register is meant.</summary>
    public string? Bits => Register is null || (HighBit == 31 && LowBit == 0)
        ? null
        : HighBit == LowBit ? string.Create(CultureInfo.InvariantCulture, $"{HighBit}") : string.Create(CultureInfo.InvariantCulture,
            $"{HighBit}:{LowBit}");

    /// <summary><c>0xd.0x0.eax[9]</c>.</summary>
    public override string ToString() => Bits is { } bits ? $"{Field}[{bits}]" : Field;
}
