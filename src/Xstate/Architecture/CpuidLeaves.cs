namespace Xstate.Architecture;

/// <summary>
/// Which CPUID leaves answer by sub-leaf (ECX on input), and how their sub-leaves are numbered (SDM Vol. 2A, CPUID; APM Vol. 3, appendix
/// E).
/// </summary>
internal static class CpuidLeaves
{
    /// <summary>Whether the answer depends on ECX. Recorded answers of all other leaves hold for every ECX.</summary>
    public static bool HasSubleaves(uint leaf) => leaf switch
    {
        0x4 or 0x7 or 0xB or 0xD or 0xF or 0x10 or 0x12 or 0x14 or 0x17 or 0x18 or 0x1B or 0x1D or 0x1E or 0x1F or 0x20 or 0x23 or 0x24
            or 0x29 => true,
        0x8000_001D or 0x8000_0020 or 0x8000_0026 => true,
        _ => false,
    };

    /// <summary>
    /// Whether the sub-leaves in use run from 0 without holes, so that answers listed in order can be numbered. Leaf 0xD is not among them:
    /// its sub-leaves are component numbers, and dump programs leave out the empty ones.
    /// </summary>
    public static bool SubleavesAreContiguous(uint leaf) => leaf is 0x4 or 0x7 or 0xB or 0x14 or 0x18 or 0x1F or 0x8000_001D or 0x8000_0026;

    /// <summary>
    /// The place of an answer for people, <c>0xd.1</c> or <c>0xd.0x11</c>: from ten on with the prefix, because 11 read as a decimal number
    /// is another component than 0x11.
    /// </summary>
    public static string PlaceOf(uint leaf, uint subleaf) =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"0x{leaf:x}.{(subleaf < 10 ? "" : "0x")}{subleaf:x}");
}
