namespace Xstate.Architecture;

/// <summary>AMD's erratum 1386: XSAVES of family 17h may store stale XMM registers, until microcode mends it.</summary>
internal static class Erratum1386
{
    /// <summary>Whether a processor is of the family that has it.</summary>
    public static bool Concerns(ProcessorModel processor) => processor is { IsAmdLike: true, Family: 0x17 };

    /// <summary>
    /// Whether a processor's microcode has the fix: the revisions from which on Linux trusts XSAVES again (6.10). Of models that are not
    /// listed no fix is known.
    /// </summary>
    public static bool IsFixed(ProcessorModel processor, uint? microcode) => microcode is { } revision
        && (processor.Model, processor.Stepping) switch
        {
            (0x31, 0) => revision >= 0x0830_1052,
            (0x01, 2) => revision >= 0x0800_126E,
            _ => false,
        };

    /// <summary>Whether any microcode mends it.</summary>
    public static bool CanBeFixed(ProcessorModel processor) => Concerns(processor) && IsFixed(processor, uint.MaxValue);
}
