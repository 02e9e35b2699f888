using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Captures;

namespace Xstate.Tests.Support;

/// <summary>The recorded hosts and captures that the repository ships.</summary>
public static class SampleHosts
{
    /// <summary>The names of all recorded hosts.</summary>
    public static string[] Names { get; } =
        [.. Directory.GetFiles(Repository.PathOf("samples", "hosts"), "*.json").Select(file => Path.GetFileNameWithoutExtension(file)!)
            .Order(StringComparer.Ordinal)];

    /// <summary>CPUID of a recorded host's processor.</summary>
    public static CpuidTable Cpuid(string name) => Open(name).Cpuid;

    /// <summary>The layout of that processor.</summary>
    public static XsaveLayout Layout(string name) => XsaveLayout.FromCpuid(Cpuid(name));

    /// <summary>The host samples/hosts/NAME.json.</summary>
    public static HostRecord Open(string name)
    {
        using FileStream stream = File.OpenRead(Repository.PathOf("samples", "hosts", $"{name}.json"));
        return Artifact.Open(stream).Host ?? throw new InvalidOperationException($"{name} is no host record");
    }

    /// <summary>The capture samples/captures/NAME.json.</summary>
    public static Capture OpenCapture(string name)
    {
        using FileStream stream = File.OpenRead(Repository.PathOf("samples", "captures", $"{name}.json"));
        return Artifact.Open(stream).Capture ?? throw new InvalidOperationException($"{name} is no capture");
    }
}
