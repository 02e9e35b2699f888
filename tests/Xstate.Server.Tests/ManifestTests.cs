using System.Text.RegularExpressions;
using k8s;
using k8s.Models;
using Xstate.Tests.Support;

namespace Xstate.Server.Tests;

/// <summary>The manifests of <c>deploy</c>, read strictly with KubernetesClient's models.</summary>
public class ManifestTests
{
    private static readonly Dictionary<string, Type> Kinds = new()
    {
        ["v1/PersistentVolumeClaim"] = typeof(V1PersistentVolumeClaim),
        ["apps/v1/DaemonSet"] = typeof(V1DaemonSet),
        ["batch/v1/Job"] = typeof(V1Job),
    };

    public static TheoryData<string> Files { get; } =
        [.. Directory.GetFiles(Path.Combine(Repository.Root, "deploy/kubernetes"), "*.yaml").Select(file => Path.GetFileName(file))];

    [Theory]
    [MemberData(nameof(Files))]
    public void Each_manifest_is_of_its_model_and_runs_without_privileges(string file)
    {
        string text = File.ReadAllText(Path.Combine(Repository.Root, "deploy/kubernetes", file));
        List<object> objects = KubernetesYaml.LoadAllFromString(text, Kinds, strict: true);
        Assert.NotEmpty(objects);
        foreach (V1PodSpec pod in objects.Select(PodOf).OfType<V1PodSpec>())
        {
            Assert.True(pod.SecurityContext.RunAsNonRoot);
            V1Container[] containers = [.. pod.Containers, .. pod.InitContainers ?? []];
            Assert.All(containers, container =>
            {
                Assert.False(container.SecurityContext.AllowPrivilegeEscalation);
                Assert.True(container.SecurityContext.ReadOnlyRootFilesystem);
                Assert.Equal(["ALL"], container.SecurityContext.Capabilities.Drop);
                Assert.True(container.Resources.Limits.ContainsKey("memory"));
                Assert.All(container.VolumeMounts ?? [], mount => Assert.Contains(pod.Volumes, volume => volume.Name == mount.Name));
            });
        }
    }

    [Fact]
    public void The_job_has_as_many_pods_as_shards()
    {
        string text = File.ReadAllText(Path.Combine(Repository.Root, "deploy/kubernetes/pool-shards.yaml"));
        V1Job job = KubernetesYaml.Deserialize<V1Job>(text, strict: true);
        Assert.Equal("Indexed", job.Spec.CompletionMode);
        Assert.Contains(
            $"--shard \"$JOB_COMPLETION_INDEX/{job.Spec.Completions}\"",
            job.Spec.Template.Spec.Containers[0].Args[0], StringComparison.Ordinal);
        Assert.Single(Regex.Matches(text, $"/{job.Spec.Completions}\"", RegexOptions.None, TimeSpan.FromSeconds(1)));
    }

    private static V1PodSpec? PodOf(object one) => one switch
    {
        V1DaemonSet set => set.Spec.Template.Spec,
        V1Job job => job.Spec.Template.Spec,
        _ => null,
    };
}
