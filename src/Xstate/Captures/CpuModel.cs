using System.Collections.Immutable;
using Xstate.Architecture;

namespace Xstate.Captures;

/// <summary>
/// A CPU model by the names of its features, as management software describes it. Names tell which state components there are, never where
/// they lie: sizes and offsets come from a CPUID table only.
/// </summary>
internal sealed record CpuModel
{
    /// <summary>The model's name, such as <c>SapphireRapids-v1</c> or <c>host-model</c>.</summary>
    public required string Name { get; init; }

    /// <summary>The vendor as the artifact writes it: <c>Intel</c> or <c>GenuineIntel</c>.</summary>
    public string? Vendor { get; init; }

    /// <summary>Which processor it is, where the artifact tells; that decides where components lie, which names do not.</summary>
    public ProcessorModel? Processor { get; init; }

    /// <summary>
    /// The model whose features come on top of those listed here and which the artifact does not describe; null when the list is complete
    /// or there is none.
    /// </summary>
    public string? Base { get; init; }

    /// <summary>Whether the artifact lists features at all. A list of names of models does not.</summary>
    public bool ListsFeatures { get; init; }

    /// <summary>Features that the model has.</summary>
    public ImmutableSortedSet<string> Features { get; init; } = ImmutableSortedSet.Create<string>(StringComparer.Ordinal);

    /// <summary>Features that the artifact says the model lacks.</summary>
    public ImmutableSortedSet<string> Absent { get; init; } = ImmutableSortedSet.Create<string>(StringComparer.Ordinal);

    /// <summary>
    /// Features that a guest of this model may have or not: optional ones, and those that were withdrawn from the model and stay with
    /// guests that have them.
    /// </summary>
    public ImmutableSortedSet<string> Optional { get; init; } = ImmutableSortedSet.Create<string>(StringComparer.Ordinal);

    /// <summary>Whether the host that was asked can run the model; null when nobody was asked.</summary>
    public bool? IsUsable { get; init; }

    /// <summary>Features of the model that the host that was asked cannot give.</summary>
    public ImmutableArray<string> Blockers { get; init; } = [];

    /// <summary>What was answered instead of a description.</summary>
    public string? Error { get; init; }

    /// <summary>Where the description came from.</summary>
    public required Provenance Provenance { get; init; }

    /// <summary>Whether XSAVE is ruled out, and every component with it.</summary>
    public bool LacksXsave => ListsFeatures && !Features.Contains(FeatureNames.Xsave)
        && (Base is null || Absent.Contains(FeatureNames.Xsave));

    /// <summary>
    /// Components that the names bring: x87 and SSE with <c>xsave</c>, the others with their own feature. Under a <see cref="Base"/>, those
    /// that are certain without knowing it.
    /// </summary>
    public Fact<StateComponentSet> Components
    {
        get
        {
            StateComponentSet named = LacksXsave ? StateComponentSet.Empty : Named(Features) | (Features.Contains(FeatureNames.Xsave)
                ? StateComponentSet.Legacy : StateComponentSet.Empty);
            ImmutableArray<string> names = [.. Features.Where(name => name == FeatureNames.Xsave
                || !(FeatureNames.ComponentsOf(name) & named).IsEmpty)];
            string detail = LacksXsave ? $"{Name} has no {FeatureNames.Xsave}" : $"features {string.Join(", ", names)} of {Name}";
            return new Fact<StateComponentSet>(named, FactSource.Inferred, detail);
        }
    }

    /// <summary>
    /// Components about which the names decide nothing: those of features that only the <see cref="Base"/> can tell, and optional ones.
    /// </summary>
    public StateComponentSet Undecided
    {
        get
        {
            if (LacksXsave)
            {
                return StateComponentSet.Empty;
            }

            StateComponentSet open = Named(Optional);
            if (Base is not null || !ListsFeatures)
            {
                open |= (StateComponents.UserComponents | StateComponents.SupervisorComponents).Except(Named(Absent));
            }

            return open.Except(Components.Value);
        }
    }

    /// <summary>
    /// Components whose feature is named although XSAVE, or a component that they build upon, is ruled out: no guest can enable them.
    /// </summary>
    public StateComponentSet Unusable
    {
        get
        {
            StateComponentSet named = Named(Features).Except(StateComponentSet.Legacy);
            if (LacksXsave)
            {
                return named;
            }

            StateComponentSet possible = Components.Value | Undecided;
            StateComponentSet unusable = StateComponentSet.Empty;
            foreach (StateComponent component in named)
            {
                StateComponentInfo info = StateComponents.Get(component);
                if (!possible.ContainsAll(info.Requires | info.Group))
                {
                    unusable |= info.Bit;
                }
            }

            return unusable;
        }
    }

    /// <summary>This model with the features of its base model put under its own, when the base is known after all.</summary>
    /// <exception cref="ArgumentException">The base has another name, or lists nothing itself.</exception>
    public CpuModel On(CpuModel baseModel)
    {
        ArgumentNullException.ThrowIfNull(baseModel);
        if (baseModel.Name != Base || !baseModel.ListsFeatures)
        {
            throw new ArgumentException($"{baseModel.Name} is not {Name}'s base {Base} with its features", nameof(baseModel));
        }

        return this with
        {
            Base = baseModel.Base,
            Vendor = Vendor ?? baseModel.Vendor,
            Features = baseModel.Features.Except(Absent).Union(Features),
            Absent = baseModel.Absent.Except(Features).Union(Absent),
            Optional = baseModel.Optional.Except(Features).Except(Absent).Union(Optional),
            Provenance = Provenance with { Detail = $"{Provenance.Detail}, on {baseModel.Name} of {baseModel.Provenance.Detail}" },
        };
    }

    private static StateComponentSet Named(ImmutableSortedSet<string> names)
    {
        StateComponentSet set = StateComponentSet.Empty;
        foreach (string name in names)
        {
            set |= FeatureNames.ComponentsOf(name);
        }

        return set;
    }
}
