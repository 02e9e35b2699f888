using System.Text.Json;
using k8s;
using k8s.Models;
using Xstate.Fleet;
using Xstate.Rehearsal;

namespace Xstate.Server;

/// <summary>
/// The calls of Kubernetes' scheduler extender (k8s.io/kube-scheduler/extender/v1): node names or whole nodes, as the scheduler sends them.
/// A pod or a node without a record is no reason to drop the node.
/// </summary>
internal sealed class SchedulerExtender
{
    /// <summary>KubeVirt's label on the pod of a virtual machine: its name.</summary>
    public const string VmLabel = "vm.kubevirt.io/name";

    // The scheduler's scale goes to 10.
    private const int BestScore = 10;
    private const int UnknownScore = 6;
    private const int RepairableScore = 4;
    private const int DiffersScore = 2;

    private readonly FleetIndex _fleet;

    /// <param name="fleet">What is answered from.</param>
    public SchedulerExtender(FleetIndex fleet)
    {
        _fleet = fleet;
    }

    /// <summary>Leaves out the nodes on which the guest is refused or in danger.</summary>
    /// <param name="arguments">ExtenderArgs.</param>
    /// <param name="json">Where ExtenderFilterResult goes.</param>
    public void Filter(JsonElement arguments, Utf8JsonWriter json)
    {
        GuestClass? guest = GuestOf(arguments);
        Dictionary<string, string> failed = [];
        json.WriteStartObject();
        if (TryFind(arguments, "NodeNames", JsonValueKind.Array, out JsonElement names))
        {
            json.WriteStartArray("NodeNames");
            foreach (JsonElement name in names.EnumerateArray())
            {
                if (Passes(guest, Text(name), failed))
                {
                    name.WriteTo(json);
                }
            }

            json.WriteEndArray();
        }
        else
        {
            json.WriteStartObject("Nodes");
            json.WriteString("kind", "NodeList");
            json.WriteString("apiVersion", "v1");
            json.WriteStartArray("items");
            foreach (JsonElement node in NodesOf(arguments))
            {
                // As it came, with members that no model here knows.
                if (Passes(guest, NameOf(node), failed))
                {
                    node.WriteTo(json);
                }
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteStartObject("FailedNodes");
        foreach ((string node, string why) in failed)
        {
            json.WriteString(node, why);
        }

        json.WriteEndObject();
        json.WriteString("Error", "");
        json.WriteEndObject();
    }

    /// <summary>Scores nodes: the same, then unknown, then repairable, then different.</summary>
    /// <param name="arguments">ExtenderArgs.</param>
    /// <param name="json">Where HostPriorityList goes.</param>
    public void Prioritize(JsonElement arguments, Utf8JsonWriter json)
    {
        GuestClass? guest = GuestOf(arguments);
        IEnumerable<string> nodes = TryFind(arguments, "NodeNames", JsonValueKind.Array, out JsonElement names)
            ? names.EnumerateArray().Select(Text)
            : NodesOf(arguments).Select(NameOf);
        json.WriteStartArray();
        foreach (string node in nodes)
        {
            json.WriteStartObject();
            json.WriteString("Host", node);
            json.WriteNumber("Score", ScoreOf(_fleet.Outcome(guest, node).Verdict));
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>What is better for a guest has more: the scheduler's scale, of which prioritize and the webhook take the order.</summary>
    public static int ScoreOf(Verdict verdict) => verdict switch
    {
        Verdict.Same => BestScore,
        Verdict.Unknown => UnknownScore,
        Verdict.Repairable => RepairableScore,
        Verdict.Differs => DiffersScore,
        _ => 0,
    };

    private bool Passes(GuestClass? guest, string node, Dictionary<string, string> failed)
    {
        MoveOutcome outcome = _fleet.Outcome(guest, node);
        if (outcome.Verdict is not (Verdict.Refused or Verdict.Dangerous))
        {
            return true;
        }

        failed[node] = $"xstate: {VerdictText.Of(outcome)}";
        return false;
    }

    private GuestClass? GuestOf(JsonElement arguments)
    {
        if (!TryFind(arguments, "Pod", JsonValueKind.Object, out JsonElement pod))
        {
            return null;
        }

        V1ObjectMeta? about = KubernetesJson.Deserialize<V1Pod>(pod.GetRawText()).Metadata;
        return about?.Labels is { } labels && labels.TryGetValue(VmLabel, out string? vm)
            ? _fleet.FindVm(about.NamespaceProperty, vm)?.Guest
            : null;
    }

    private static IEnumerable<JsonElement> NodesOf(JsonElement arguments) =>
        TryFind(arguments, "Nodes", JsonValueKind.Object, out JsonElement list)
        && TryFind(list, "items", JsonValueKind.Array, out JsonElement items)
            ? items.EnumerateArray()
            : throw new JsonException("neither NodeNames nor Nodes");

    private static string NameOf(JsonElement node) => Text(node.GetProperty("metadata").GetProperty("name"));

    private static string Text(JsonElement name) => name.GetString() ?? throw new JsonException("a node's name is null");

    // Go writes names as they are in its structures, and reads them whatever their case.
    private static bool TryFind(JsonElement json, string name, JsonValueKind kind, out JsonElement value)
    {
        foreach (JsonProperty member in json.EnumerateObject())
        {
            if (member.Name.Equals(name, StringComparison.OrdinalIgnoreCase) && member.Value.ValueKind == kind)
            {
                value = member.Value;
                return true;
            }
        }

        value = default;
        return false;
    }
}
