using System.Collections.Frozen;
using Xstate.Architecture;

namespace Xstate.Captures;

/// <summary>
/// Which state components a feature name of QEMU, libvirt or Linux stands for. The names are the manual's (<see cref="CpuidFeature.Name"/>) in lower case with hyphens or underscores; where the
/// three spell one differently, the spelling is listed here.
/// </summary>
public static class FeatureNames
{
    /// <summary>The feature without which no component can be enabled.</summary>
    public const string Xsave = "xsave";

    // Spelling elsewhere → the manual's.
    private static readonly (string Spelling, string Feature)[] OtherSpellings =
    [
        ("shstk", "CET_SS"), ("user_shstk", "CET_SS"), ("cet-ss", "CET_SS"), ("ibt", "CET_IBT"), ("cet-ibt", "CET_IBT"), ("apxf", "APX_F"), ("apx-f", "APX_F"), ("apx", "APX_F"),
        // Node Feature Discovery's.
        ("amxtile", "AMX_TILE"), ("cetss", "CET_SS"), ("cetibt", "CET_IBT"),
    ];

    private static readonly FrozenDictionary<string, StateComponentSet> Components = Index();

    /// <summary>The components that a feature brings; empty for the many features without state of their own.</summary>
    public static StateComponentSet ComponentsOf(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return Components.GetValueOrDefault(Normalize(name), StateComponentSet.Empty);
    }

    // QEMU and libvirt write amx-tile, Linux amx_tile, and libvirt keeps underscores in some older names.
    private static string Normalize(string name) => name.ToLowerInvariant().Replace('_', '-');

    private static FrozenDictionary<string, StateComponentSet> Index()
    {
        Dictionary<string, StateComponentSet> index = [];
        foreach (StateComponentInfo info in StateComponents.All)
        {
            foreach (CpuidFeature feature in info.Features)
            {
                Add(feature.Name, info.Bit);
                foreach ((string spelling, _) in OtherSpellings.Where(other => other.Feature == feature.Name))
                {
                    Add(spelling, info.Bit);
                }
            }
        }

        return index.ToFrozenDictionary();

        void Add(string name, StateComponentSet component)
        {
            string key = Normalize(name);
            index[key] = index.GetValueOrDefault(key, StateComponentSet.Empty) | component;
        }
    }
}
