using System.Globalization;
using System.Text;
using Xstate.Fleet;
using Xstate.Rehearsal;

namespace Xstate.Reports;

/// <summary>
/// The classes of a pool for Kubernetes: labels of nodes, as Node Feature Discovery reads them from a file, and where KubeVirt may put the
/// guests of a class. The label is the class's fingerprint, which does not change with the pool.
/// </summary>
internal static class PoolLabels
{
    /// <summary>The label's name in a features file of Node Feature Discovery.</summary>
    public const string ClassLabel = "xstate-class";

    /// <summary>The label's name on a node that Node Feature Discovery has labelled.</summary>
    public const string NodeLabel = "feature.node.kubernetes.io/" + ClassLabel;

    private const int BestWeight = 100;
    private const int UnknownWeight = 50;

    /// <summary>The file for /etc/kubernetes/node-feature-discovery/features.d on the hosts of a class.</summary>
    public static string NodeFeatures(HostClass one)
    {
        ArgumentNullException.ThrowIfNull(one);
        return $"{ClassLabel}={one.Fingerprint}\nxstate-xcr0={one.Offer.Lower.Xcr0}\nxstate-xss={one.Offer.Lower.Xss}\n";
    }

    /// <summary>The labels of the nodes of a class, for clusters without Node Feature Discovery.</summary>
    public static string NodeMetadata(HostClass one)
    {
        ArgumentNullException.ThrowIfNull(one);
        StringBuilder yaml = new();
        foreach (PoolHost host in one.Hosts)
        {
            yaml.Append(CultureInfo.InvariantCulture,
                $"---\napiVersion: v1\nkind: Node\nmetadata:\n  name: {Quoted(host.Host.Record.Name)}\n  labels:\n    {NodeLabel}: "
                + $"\"{one.Fingerprint}\"\n");
        }

        return yaml.ToString();
    }

    /// <summary>
    /// Where the guests of a class may run, as part of a virtual machine's spec: nowhere where they are refused or dangerous, best where
    /// they find the same, then where that is not known.
    /// </summary>
    public static string Placement(Pool pool, GuestClass guest)
    {
        ArgumentNullException.ThrowIfNull(pool);
        ArgumentNullException.ThrowIfNull(guest);
        ILookup<Verdict, string> classes = pool.Classes.ToLookup(one => pool.Outcome(guest, one).Verdict, one => one.Fingerprint);
        string[] refused = [.. classes[Verdict.Refused].Concat(classes[Verdict.Dangerous]).Distinct()];
        StringBuilder yaml = new(
            "affinity:\n  nodeAffinity:\n    requiredDuringSchedulingIgnoredDuringExecution:\n      nodeSelectorTerms:\n      - "
            + "matchExpressions:\n");
        yaml.Append(CultureInfo.InvariantCulture, $"        - key: {NodeLabel}\n          operator: Exists\n");
        if (refused.Length > 0)
        {
            Add(yaml, "        ", "NotIn", refused);
        }

        (int Weight, string[] Classes)[] preferred = [.. new[] { (BestWeight, Verdict.Same),
            (UnknownWeight, Verdict.Unknown) }.Select(pair => (pair.Item1, classes[pair.Item2].Distinct().ToArray()))
                .Where(pair => pair.Item2.Length > 0)];
        if (preferred.Length > 0)
        {
            yaml.Append("    preferredDuringSchedulingIgnoredDuringExecution:\n");
        }

        foreach ((int weight, string[] best) in preferred)
        {
            yaml.Append(CultureInfo.InvariantCulture, $"    - weight: {weight}\n      preference:\n        matchExpressions:\n");
            Add(yaml, "        ", "In", best);
        }

        string[] same = [.. classes[Verdict.Same].Distinct()];
        return pool.Classes.Length > 1 && same.Length == 1 && classes.Sum(group => group.Count()) - refused.Length == 1
            ? $"nodeSelector:\n  {NodeLabel}: \"{same[0]}\"\n{yaml}" : yaml.ToString();
    }

    private static void Add(StringBuilder yaml, string indent, string verb, IEnumerable<string> values)
    {
        yaml.Append(CultureInfo.InvariantCulture, $"{indent}- key: {NodeLabel}\n{indent}  operator: {verb}\n{indent}  values:\n");
        foreach (string value in values)
        {
            yaml.Append(CultureInfo.InvariantCulture, $"{indent}  - \"{value}\"\n");
        }
    }

    // A string of JSON is one of YAML.
    private static string Quoted(string text) => $"\"{System.Text.Json.JsonEncodedText.Encode(text)}\"";
}
