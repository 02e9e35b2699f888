using System.Collections.Immutable;

namespace Xstate.Captures;

/// <summary>One register of a CPUID answer, or a model-specific register, whose bits a feature name stands for.</summary>
/// <param name="Leaf">CPUID leaf, or null for a model-specific register.</param>
/// <param name="Subleaf">CPUID sub-leaf, or 0.</param>
/// <param name="Register">The register's name, such as <c>ebx</c>, or the model-specific register's number.</param>
/// <param name="Bits">The bits.</param>
internal readonly record struct FeatureBits(uint? Leaf, uint Subleaf, string Register, ulong Bits);

/// <summary>What a feature name stands for.</summary>
/// <param name="Name">The name.</param>
/// <param name="Aliases">Other names of it.</param>
/// <param name="Bits">Its bits.</param>
internal sealed record FeatureDefinition(string Name, ImmutableArray<string> Aliases, ImmutableArray<FeatureBits> Bits);

/// <summary>CPU models of one artifact, and what else a file of such models holds.</summary>
internal sealed record CpuModelList
{
    /// <summary>The artifact format, such as <c>qmp-cpu</c>.</summary>
    public required string Format { get; init; }

    /// <summary>The models in the order of the artifact; none in a file that only defines features or names other files.</summary>
    public required ImmutableArray<CpuModel> Models { get; init; }

    /// <summary>
    /// The model that stands for the host or answer as a whole: the only one, or the one that the format singles out; null in a catalogue.
    /// </summary>
    public CpuModel? Main { get; init; }

    /// <summary>Who wrote it, as far as the artifact says.</summary>
    public string? Writer { get; init; }

    /// <summary>What the text that the models were found in has besides them; null for nothing.</summary>
    public SkippedText? Skipped { get; init; }

    /// <summary>Definitions of features.</summary>
    public ImmutableArray<FeatureDefinition> Definitions { get; init; } = [];

    /// <summary>Vendor names with the strings of CPUID leaf 0.</summary>
    public ImmutableArray<(string Name, string Text)> Vendors { get; init; } = [];

    /// <summary>Files that this one names as its parts.</summary>
    public ImmutableArray<string> Includes { get; init; } = [];
}
