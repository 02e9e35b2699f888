using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Tests.Support;

namespace Xstate.Tests.Architecture;

/// <summary>CPUID of real processors, from the records that ship with the repository.</summary>
internal static class SampleHosts
{
    public static string[] Names { get; } =
        [.. Directory.GetFiles(Repository.PathOf("samples", "hosts"), "*.json").Select(file => Path.GetFileNameWithoutExtension(file)!)
            .Order(StringComparer.Ordinal)];

    public static CpuidTable Cpuid(string name)
    {
        using FileStream stream = File.OpenRead(Repository.PathOf("samples", "hosts", name + ".json"));
        return Artifact.Open(stream).Host!.Cpuid;
    }

    public static XsaveLayout Layout(string name) => XsaveLayout.FromCpuid(Cpuid(name));
}
