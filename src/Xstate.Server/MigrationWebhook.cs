using System.Text.Json;
using Xstate.Fleet;
using Xstate.Rehearsal;

namespace Xstate.Server;

/// <summary>
/// A validating admission webhook (admission.k8s.io/v1) for KubeVirt's VirtualMachineInstanceMigration: it denies a migration for which
/// every other node with a record would refuse the guest or endanger it. What is not known passes with a warning.
/// </summary>
internal sealed class MigrationWebhook
{
    private const int Forbidden = 403;
    private const string HostName = "kubernetes.io/hostname";

    private readonly FleetIndex _fleet;

    /// <param name="fleet">What is answered from.</param>
    public MigrationWebhook(FleetIndex fleet)
    {
        _fleet = fleet;
    }

    /// <summary>Answers a review.</summary>
    /// <param name="review">AdmissionReview with a request.</param>
    /// <param name="json">Where AdmissionReview with the response goes.</param>
    /// <returns>Whether the migration is allowed.</returns>
    public bool Review(JsonElement review, Utf8JsonWriter json)
    {
        JsonElement request = review.GetProperty("request");
        (bool allowed, string? why) = Judge(request);
        json.WriteStartObject();
        json.WriteString("apiVersion", "admission.k8s.io/v1");
        json.WriteString("kind", "AdmissionReview");
        json.WriteStartObject("response");
        json.WriteString("uid", request.GetProperty("uid").GetString());
        json.WriteBoolean("allowed", allowed);
        if (!allowed)
        {
            // KubernetesClient 21.0.8 reads V1Status and does not write it.
            json.WriteStartObject("status");
            json.WriteString("status", "Failure");
            json.WriteString("message", why);
            json.WriteString("reason", "Forbidden");
            json.WriteNumber("code", Forbidden);
            json.WriteEndObject();
        }
        else if (why is not null)
        {
            json.WriteStartArray("warnings");
            json.WriteStringValue(why);
            json.WriteEndArray();
        }

        json.WriteEndObject();
        json.WriteEndObject();
        return allowed;
    }

    private (bool Allowed, string? Why) Judge(JsonElement request)
    {
        if (!request.TryGetProperty("object", out JsonElement migration) || migration.ValueKind != JsonValueKind.Object
            || !migration.TryGetProperty("spec", out JsonElement spec) || !spec.TryGetProperty("vmiName", out JsonElement named))
        {
            return (true, null);
        }

        string? space = request.TryGetProperty("namespace", out JsonElement given) ? given.GetString() : null;
        string? vm = named.GetString();
        if (_fleet.FindVm(space, vm) is not var (guest, home))
        {
            return (true, $"xstate: there is no record of {vm}, so whether another node takes it is unknown");
        }

        string? wanted = spec.TryGetProperty("addedNodeSelector", out JsonElement selector) && selector.ValueKind == JsonValueKind.Object
            && selector.TryGetProperty(HostName, out JsonElement node) ? node.GetString() : null;
        MoveOutcome[] outcomes = wanted is null ? [.. _fleet.Elsewhere(guest, home)] : [_fleet.Outcome(guest, wanted)];
        string where = wanted is null ? "every other node with a record" : $"node {wanted}";
        if (outcomes.Length == 0)
        {
            return (true, $"xstate: there is no record of another node, so whether one takes {vm} is unknown");
        }

        MoveOutcome best = outcomes.OrderByDescending(outcome => SchedulerExtender.ScoreOf(outcome.Verdict))
            .ThenBy(outcome => outcome.Verdict).First();
        return best.Verdict switch
        {
            Verdict.Same => (true, null),
            Verdict.Refused or Verdict.Dangerous => (false, $"xstate: {vm} on {where}: {VerdictText.Of(best)}"),
            _ => (true, $"xstate: {vm} on {where}: {VerdictText.Of(best)} at best"),
        };
    }
}
