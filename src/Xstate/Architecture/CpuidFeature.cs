namespace Xstate.Architecture;

/// <summary>One CPUID feature bit, by leaf, sub-leaf, register and bit number.</summary>
/// <param name="Name">The manual's name, such as <c>PKU</c>.</param>
/// <param name="Leaf">CPUID leaf (EAX).</param>
/// <param name="Subleaf">CPUID sub-leaf (ECX).</param>
/// <param name="Register">The register that holds the bit.</param>
/// <param name="Bit">Bit number, 0 to 31.</param>
internal sealed record CpuidFeature(string Name, uint Leaf, uint Subleaf, CpuidRegister Register, int Bit)
{
    /// <summary>Whether a CPUID table has the bit set; a missing leaf counts as zero, as on the processor.</summary>
    public bool IsIn(CpuidTable cpuid) => IsIn(cpuid.Read(Leaf, Subleaf));

    /// <summary>Whether the answer of the feature's own leaf and sub-leaf has the bit set.</summary>
    public bool IsIn(CpuidRegisters answer) => (answer[Register] >> Bit & 1) != 0;

    /// <summary>The answer of the feature's own leaf and sub-leaf with the bit set or clear.</summary>
    public CpuidRegisters SetIn(CpuidRegisters answer, bool present) =>
        answer.With(Register, present ? answer[Register] | 1u << Bit : answer[Register] & ~(1u << Bit));

    /// <summary>Its row in <see cref="CpuidFeatures.All"/>; -1 for a feature that is not of the catalogue.</summary>
    internal int Row { get; init; } = -1;

    /// <summary>What a program loses with the bit.</summary>
    public FeatureEffect Effect { get; init; }

    /// <summary>
    /// Whether programs choose their code by it when they start: it grants instructions that run at CPL 3 and are not ignored where the
    /// feature is missing. State that the operating system enables is told by its component.
    /// </summary>
    public bool IsChosenByPrograms => Effect == FeatureEffect.Instructions && !CpuidFeatures.ForKernelsOrHints.Contains(Name);

    /// <summary>The notation of the manuals, <c>CPUID.7.0:ECX[3]</c>.</summary>
    public override string ToString() => $"CPUID.{Leaf:X}.{Subleaf:X}:{Register.ToString().ToUpperInvariant()}[{Bit}] {Name}";
}
