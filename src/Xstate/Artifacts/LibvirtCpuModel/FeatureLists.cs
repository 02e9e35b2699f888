using System.Collections.Immutable;
using Xstate.Artifacts.Xml;

namespace Xstate.Artifacts.LibvirtCpuModel;

/// <summary>Names of features of one model as they are read, with a ceiling for all of them together.</summary>
internal sealed class FeatureLists(ArtifactLimits limits)
{
    private int _count;

    public ImmutableSortedSet<string>.Builder Features { get; } = ImmutableSortedSet.CreateBuilder<string>(StringComparer.Ordinal);

    public ImmutableSortedSet<string>.Builder Absent { get; } = ImmutableSortedSet.CreateBuilder<string>(StringComparer.Ordinal);

    public ImmutableSortedSet<string>.Builder Optional { get; } = ImmutableSortedSet.CreateBuilder<string>(StringComparer.Ordinal);

    /// <summary>Adds the <c>name</c> of the element at the cursor to one of the lists.</summary>
    public void Add(ImmutableSortedSet<string>.Builder list, XmlCursor xml)
    {
        string name = xml.Require("name");
        if (++_count > limits.MaxFeatures)
        {
            throw xml.Malformed("one more feature", $"at most {limits.MaxFeatures} of one model");
        }

        bool elsewhere = (Features.Contains(name) && list != Features) || (Absent.Contains(name) && list != Absent)
            || (Optional.Contains(name) && list != Optional);
        if (elsewhere)
        {
            throw xml.Malformed($"the feature {Quotation.Of(name)} again, with another policy", "one policy for a feature");
        }

        list.Add(name);
    }
}
