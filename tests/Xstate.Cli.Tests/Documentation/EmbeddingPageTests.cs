using System.Text.RegularExpressions;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Linux;
using Xstate.Rehearsal;
using Xstate.Tests.Support;
using Capture = Xstate.Captures.Capture;

namespace Xstate.Cli.Tests.Documentation;

/// <summary>What docs/embedding.md promises to authors of other programs.</summary>
public sealed partial class EmbeddingPageTests
{
    private const int Rounds = 8;

    private static readonly string[] Kernels = ["5.16", "6.1.40", "6.12"];

    [Fact]
    public void Every_type_that_the_page_names_is_public()
    {
        Type[] known = [typeof(Artifact), typeof(LinuxException), typeof(ArgumentException)];
        IEnumerable<Type> exported = known.SelectMany(type => type.Assembly.GetExportedTypes());
        HashSet<string> types = [.. exported.Select(type => type.Name)];
        string page = File.ReadAllText(Repository.PathOf("docs", "embedding.md"));
        string[] named = [.. Code().Matches(page).Select(match => match.Groups["type"].Value).Distinct()];
        Assert.True(named.Length > 15, $"{named.Length}");
        Assert.Empty(named.Except(types));
    }

    [Fact]
    public void Records_are_shared_between_threads()
    {
        Capture[] captures = [.. Samples("captures").Select(path => Open(path).Capture!)];
        IEnumerable<HostRecord> records = Samples("hosts").Select(path => Open(path).Host!);
        LinuxHost[] hosts = [.. records.SelectMany(record => Kernels.Select(name => new LinuxHost(record, Kernel(name))))];
        (Capture Capture, LinuxHost Host)[] pairs = [.. captures.SelectMany(capture => hosts.Select(host => (capture, host)))];
        string[] alone = [.. pairs.Select(Rehearse)];
        Assert.True(alone.Distinct(StringComparer.Ordinal).Count() > 20, "the rehearsals have one answer");

        string[] together = new string[pairs.Length * Rounds];
        ParallelOptions threads = new() { MaxDegreeOfParallelism = Rounds };
        Parallel.For(0, together.Length, threads, i => together[i] = Rehearse(pairs[i % pairs.Length]));

        Assert.All(together, (answer, i) => Assert.Equal(alone[i % alone.Length], answer));
    }

    private static string Rehearse((Capture Capture, LinuxHost Host) pair)
    {
        TargetOutcome outcome = RestoreRehearsal.Perform(pair.Capture, pair.Host);
        return $"{outcome.Verdict} {string.Join('\n', outcome.Findings.Select(finding => $"{finding.Rule.Id} {finding.Message}"))}";
    }

    private static KernelBehavior Kernel(string name)
    {
        Assert.True(KernelBehavior.TryParse(name, out KernelBehavior? kernel, out string error), error);
        return kernel;
    }

    private static Artifact Open(string path)
    {
        using FileStream file = File.OpenRead(path);
        return Artifact.Open(file);
    }

    private static string[] Samples(string folder) => Directory.GetFiles(Repository.PathOf("samples", folder), "*.json");

    [GeneratedRegex(@"`(?!Xstate)(?<type>[A-Z][A-Za-z]+)(\.[A-Z][A-Za-z]+)?`", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Code();
}
