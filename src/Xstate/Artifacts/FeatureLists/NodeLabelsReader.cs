using System.Buffers;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Xstate.Architecture;
using Xstate.Artifacts.Text;
using Xstate.Captures;

namespace Xstate.Artifacts.FeatureLists;

/// <summary>
/// Reads the labels of one Kubernetes node, as <c>kubectl get node NAME -o yaml</c>, its JSON, or a list of them: KubeVirt's
/// <c>cpu-feature.node.kubevirt.io/pku</c>, which are what libvirt's host-model has there, or Node Feature Discovery's
/// <c>feature.node.kubernetes.io/cpu-cpuid.AVX512F</c>, which are what the processor has.
/// </summary>
internal static class NodeLabelsReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "node-labels";

    private static readonly SearchValues<byte> AfterName = SearchValues.Create("\"':= \t,"u8);
    private static readonly SearchValues<byte> AfterValue = SearchValues.Create("\"' \t,}"u8);

    private static ReadOnlySpan<byte> KubeVirtFeature => "cpu-feature.node.kubevirt.io/"u8;

    private static ReadOnlySpan<byte> DiscoveredFeature => "feature.node.kubernetes.io/cpu-cpuid."u8;

    private static ReadOnlySpan<byte> DiscoveredModel => "feature.node.kubernetes.io/cpu-model."u8;

    internal static bool Recognizes(ReadOnlySpan<byte> head) => head.IndexOf(KubeVirtFeature) >= 0 || head.IndexOf(DiscoveredFeature) >= 0;

    /// <summary>Reads the text.</summary>
    /// <exception cref="MalformedArtifactException">A label is there with two values, which are labels of several nodes, or a limit is
    /// exceeded.</exception>
    public static CpuModelList Read(ReadOnlySpan<byte> text, ArtifactLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        Labels kubeVirt = new("host-model", "labels of KubeVirt");
        Labels discovered = new("node", "labels of Node Feature Discovery");
        LineCursor lines = new(text, Format, limits);
        while (lines.MoveNext())
        {
            // JSON without line breaks has all labels in one line.
            ReadOnlySpan<byte> rest = lines.Line;
            while (TryNext(ref rest, out ReadOnlySpan<byte> kind, out string name, out string value))
            {
                Labels labels = kind.SequenceEqual(KubeVirtFeature) ? kubeVirt : discovered;
                if (kind.SequenceEqual(DiscoveredModel))
                {
                    labels.Facts[name] = value;
                }
                else if (!labels.Add(name, value, limits))
                {
                    throw lines.Malformed("the labels of one node, each label once");
                }
            }
        }

        ImmutableArray<CpuModel> models = [.. new[] { discovered, kubeVirt }.Where(labels => !labels.IsEmpty)
            .Select(labels => labels.ToModel())];
        return models.IsEmpty
            ? throw new MalformedArtifactException(Format, 0, "no label of a CPU feature",
                "cpu-feature.node.kubevirt.io/… or feature.node.kubernetes.io/cpu-cpuid.…")
            : new CpuModelList { Format = Format, Models = models, Main = models[0], Writer = "Kubernetes" };
    }

    private static bool TryNext(ref ReadOnlySpan<byte> rest, out ReadOnlySpan<byte> kind, out string name, out string value)
    {
        kind = default;
        (name, value) = ("", "");
        int at = -1;
        ReadOnlySpan<byte> found = default;
        First(rest, KubeVirtFeature, ref at, ref found);
        First(rest, DiscoveredFeature, ref at, ref found);
        First(rest, DiscoveredModel, ref at, ref found);
        if (at < 0)
        {
            return false;
        }

        kind = found;
        rest = rest[(at + kind.Length)..];
        int end = rest.IndexOfAny(AfterName);
        name = Encoding.UTF8.GetString(end < 0 ? rest : rest[..end]);
        rest = end < 0 ? default : rest[end..];
        ReadOnlySpan<byte> behind = rest.TrimStart("\"':= \t"u8);
        int length = behind.IndexOfAny(AfterValue);
        value = Encoding.UTF8.GetString(length < 0 ? behind : behind[..length]);
        return true;

        static void First(ReadOnlySpan<byte> text, ReadOnlySpan<byte> kind, ref int at, ref ReadOnlySpan<byte> found)
        {
            int here = text.IndexOf(kind);
            if (here >= 0 && (at < 0 || here < at))
            {
                at = here;
                found = kind;
            }
        }
    }

    private sealed class Labels(string name, string origin)
    {
        private readonly Dictionary<string, bool> _features = new(StringComparer.Ordinal);

        public Dictionary<string, string> Facts { get; } = new(StringComparer.Ordinal);

        public bool IsEmpty => _features.Count == 0;

        public bool Add(string feature, string value, ArtifactLimits limits) =>
            _features.Count < limits.MaxFeatures && _features.TryAdd(feature, !value.Equals("false", StringComparison.OrdinalIgnoreCase));

        public CpuModel ToModel() => new()
        {
            Name = name,
            Vendor = Facts.GetValueOrDefault("vendor_id"),
            Processor = ReadProcessor(),
            ListsFeatures = true,
            Features = Of(true),
            Absent = Of(false),
            Provenance = new Provenance(FactSource.Artifact, origin),
        };

        private ImmutableSortedSet<string> Of(bool present) =>
            _features.Where(feature => feature.Value == present).Select(feature => feature.Key.ToLowerInvariant())
            .ToImmutableSortedSet(StringComparer.Ordinal);

        private ProcessorModel? ReadProcessor()
        {
            string? text = Facts.GetValueOrDefault("vendor_id");
            ProcessorVendor vendor = text switch
            {
                "Intel" => ProcessorVendor.Intel,
                "AMD" => ProcessorVendor.Amd,
                null =>
                ProcessorVendor.Unknown,
                _ => ProcessorModel.VendorOf(text)
            };
            return vendor != ProcessorVendor.Unknown && Number("family") is { } family && Number("id") is { } model
                ? new ProcessorModel(vendor, family, model, 0) : null;
        }

        private int? Number(string fact) =>
            int.TryParse(Facts.GetValueOrDefault(fact), NumberStyles.None, CultureInfo.InvariantCulture, out int value) ? value : null;
    }
}
