using System.Collections.Immutable;
using System.Globalization;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Artifacts.FeatureLists;

/// <summary>One processor as Linux and its tools describe it: who made it, which it is, and the names of its features.</summary>
internal sealed class NamedProcessor
{
    private string? _family;
    private string? _model;
    private string? _stepping;

    public string? Name { get; private set; }

    public string? Vendor { get; private set; }

    public string? Flags { get; private set; }

    /// <summary>Takes a field by the name that /proc/cpuinfo or lscpu gives it; false for one that says nothing here.</summary>
    public bool Take(string field, string value)
    {
        switch (field)
        {
            case "model name" or "Model name":
                Name = value;
                return true;
            case "vendor_id" or "Vendor ID":
                Vendor = value;
                return true;
            case "cpu family" or "CPU family":
                _family = value;
                return true;
            case "model" or "Model":
                _model = value;
                return true;
            case "stepping" or "Stepping":
                _stepping = value;
                return true;
            case "flags" or "Flags":
                Flags = value;
                return true;
            default:
                return false;
        }
    }

    /// <summary>The description; its flags have been taken.</summary>
    public CpuModel ToModel(ArtifactLimits limits, string origin) => new()
    {
        Name = Name ?? "processor",
        Vendor = Vendor,
        Processor = Vendor is not null && TryNumber(_family, out int family) && TryNumber(_model, out int model)
            ? new ProcessorModel(ProcessorModel.VendorOf(Vendor), family, model, TryNumber(_stepping, out int stepping) ? stepping : 0)
            : null,
        ListsFeatures = true,
        Features = (Flags ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries).Take(limits.MaxFeatures)
            .ToImmutableSortedSet(StringComparer.Ordinal),
        Provenance = new Provenance(FactSource.Artifact, origin),
    };

    private static bool TryNumber(string? text, out int value) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
}
