using System.Collections.Immutable;
using Xstate.Architecture;

namespace Xstate.Captures;

/// <summary>What a template does to one register of one CPUID answer.</summary>
/// <param name="Leaf">The leaf.</param>
/// <param name="Subleaf">The sub-leaf.</param>
/// <param name="Flags">KVM's flags of the entry: bit 0 says that the sub-leaf matters.</param>
/// <param name="Register">The register.</param>
/// <param name="Decided">Bits that the template decides; the others stay.</param>
/// <param name="Value">Their value; zero outside <paramref name="Decided"/>.</param>
internal readonly record struct CpuidModifier(uint Leaf, uint Subleaf, uint Flags, CpuidRegister Register, uint Decided, uint Value)
{
    /// <summary>The register afterwards.</summary>
    public uint ApplyTo(uint before) => (before & ~Decided) | Value;

    /// <summary><c>0xd.0.eax</c>.</summary>
    public string Place => $"{CpuidLeaves.PlaceOf(Leaf, Subleaf)}.{Register.ToString().ToLowerInvariant()}";
}

/// <summary>What a template does to one model-specific register.</summary>
/// <param name="Index">The register.</param>
/// <param name="Decided">Bits that the template decides.</param>
/// <param name="Value">Their value.</param>
internal readonly record struct MsrModifier(uint Index, ulong Decided, ulong Value);

/// <summary>
/// A CPU template: bit maps over CPUID and model-specific registers that a monitor applies before it creates virtual CPUs.
/// </summary>
/// <param name="Format">The artifact format.</param>
/// <param name="Cpuid">Changes of CPUID.</param>
/// <param name="Msrs">Changes of model-specific registers.</param>
/// <param name="KvmCapabilities">Capabilities of KVM to require, or with <c>!</c> in front not to require.</param>
internal sealed record CpuTemplate(string Format, ImmutableArray<CpuidModifier> Cpuid, ImmutableArray<MsrModifier> Msrs,
    ImmutableArray<string> KvmCapabilities);
