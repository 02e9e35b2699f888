using System.Text.Json;
using k8s;
using k8s.Models;

namespace Xstate.Server.Tests;

/// <summary>Requests as Kubernetes sends them, built of KubernetesClient's models.</summary>
internal static class Requests
{
    /// <summary>ExtenderArgs of a scheduler with nodeCacheCapable.</summary>
    public static string WithNames(string vm, IEnumerable<string> names) =>
        $"{{\"Pod\":{Pod(vm)},\"Nodes\":null,\"NodeNames\":{JsonSerializer.Serialize(names)}}}";

    /// <summary>ExtenderArgs with whole nodes, each with a member that no model knows.</summary>
    public static string WithNodes(string vm, IEnumerable<string> names)
    {
        IEnumerable<string> nodes = names.Select(name => KubernetesJson.Serialize(new V1Node
        {
            ApiVersion = "v1",
            Kind = "Node",
            Metadata = new V1ObjectMeta { Name = name, Labels = new Dictionary<string, string> { ["kubernetes.io/hostname"] = name } },
            Status = new V1NodeStatus { Capacity = new Dictionary<string, ResourceQuantity> { ["cpu"] = new ResourceQuantity("96") } },
        })).Select(node => $"{node[..^1]},\"ofTomorrow\":{{\"a\":[1]}}}}");
        return $"{{\"Pod\":{Pod(vm)},\"Nodes\":{{\"metadata\":{{}},\"items\":[{string.Join(',', nodes)}]}},\"NodeNames\":null}}";
    }

    /// <summary>AdmissionReview of a new VirtualMachineInstanceMigration.</summary>
    public static string Migration(string vm, string? node = null)
    {
        string selector = node is null ? "" : $",\"addedNodeSelector\":{{\"kubernetes.io/hostname\":\"{node}\"}}";
        return $$"""
            {"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"705ab4f5-6393-11e8-b7cc-42010a800002",
             "kind":{"group":"kubevirt.io","version":"v1","kind":"VirtualMachineInstanceMigration"},"operation":"CREATE","namespace":"web",
             "object":{"apiVersion":"kubevirt.io/v1","kind":"VirtualMachineInstanceMigration",
              "metadata":{"generateName":"m-","namespace":"web"},
              "spec":{"vmiName":"{{vm}}"{{selector}} } },"oldObject":null,"dryRun":false} }
            """;
    }

    private static string Pod(string vm) => KubernetesJson.Serialize(new V1Pod
    {
        Metadata = new V1ObjectMeta
        {
            Name = $"virt-launcher-{vm}-abcde",
            NamespaceProperty = "web",
            Labels = new Dictionary<string, string> { ["vm.kubevirt.io/name"] = vm, ["kubevirt.io"] = "virt-launcher" },
        },
        Spec = new V1PodSpec { Containers = [new V1Container { Name = "compute" }] },
    });
}
