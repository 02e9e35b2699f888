using Xstate.Artifacts;
using Xstate.Captures;

namespace Xstate.Tests.Support;

/// <summary>The recorded hosts and captures that the repository ships.</summary>
public static class SampleHosts
{
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
