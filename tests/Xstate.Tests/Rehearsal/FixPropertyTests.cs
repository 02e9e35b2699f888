using System.Collections.Immutable;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Tests.Support;

namespace Xstate.Tests.Rehearsal;

/// <summary>
/// Whenever a repair without force was written to a file, repairing that file with the same options finds nothing, and what becomes of it
/// is what was announced. A seeded share of all samples, hosts, kernels and VMMs; with XSTATE_TEST_SCALE of 100 or more every one.
/// </summary>
public class FixPropertyTests(ITestOutputHelper output)
{
    private static readonly string[] Hosts =
    [
        "amd-genoa", "amd-milan", "amd-rome", "amd-turin", "intel-alderlake", "intel-cascadelake", "intel-haswell", "intel-icelake",
        "intel-sapphire-rapids", "intel-skylake-sp", "qemu-tcg-max",
    ];

    private static readonly string[] Kernels = ["linux-5.10", "linux-5.16", "linux-6.1.40", "linux-6.8", "linux-6.12", "linux-6.18",
        "linux-7.2", "6.1.0-13-amd64"];

    private static readonly string[] Captures = ["compacted", "hidden-avx512", "intel-for-amd", "leaked-pkru", "live-avx512", "stale-pkru",
        "xfd-tiles"];

    [Fact]
    public void A_repaired_sample_is_repaired_and_becomes_what_was_announced() =>
        Explore([.. Captures.Select(name => new Sample(name,
            File.ReadAllBytes(Repository.PathOf("samples", "captures", $"{name}.json"))))], 250);

    [Fact]
    public void A_repaired_snapshot_of_a_VMM_is_repaired_and_becomes_what_was_announced()
    {
        string[] files =
        [
            .. Directory.GetFiles(Repository.Shared("data", "cloud-hypervisor"), "*.json.gz"),
            .. Directory.GetFiles(Repository.Shared("data", "firecracker"), "*.vmstate"),
            .. Directory.GetFiles(Repository.Shared("data", "qemu"), "*.mig.gz"),
            .. Directory.GetFiles(Repository.Shared("data", "libvirt"), "*.save.gz"),
            .. Directory.GetFiles(Repository.Shared("data", "kvm"), "*kvm_xsave.bin", SearchOption.AllDirectories),
        ];
        Explore([.. files.Select(file => new Sample(Path.GetFileName(file), Unpacked(file)))], 120);
    }

    private void Explore(ImmutableArray<Sample> samples, int share)
    {
        SplitMix64 random = new(0xF1F1);
        int written = 0;
        int cases = 0;
        foreach (Case chosen in Repository.Scale >= 100 ? All(samples) : Seeded(samples, (int)(share * Repository.Scale), random))
        {
            cases++;
            written += Holds(chosen) ? 1 : 0;
        }

        output.WriteLine($"{cases} cases, {written} repairs written");
        Assert.True(written >= 5, $"{written} repairs of {cases}");
    }

    private static IEnumerable<Case> All(ImmutableArray<Sample> samples) =>
        from sample in samples
        from host in Hosts
        from kernel in Kernels
        from vmm in Restorers.All
        select new Case(sample, host, kernel, vmm, null);

    private static IEnumerable<Case> Seeded(ImmutableArray<Sample> samples, int count, SplitMix64 random)
    {
        for (int i = 0; i < count; i++)
        {
            Sample sample = samples[random.Below(samples.Length)];
            uint? key = random.OneIn(4) ? 4u << random.Below(20) : null;
            yield return new Case(sample, random.Pick(Hosts), random.Pick(Kernels), Restorers.All[random.Below(Restorers.All.Length)], key);
        }
    }

    // Whether a file was written.
    private static bool Holds(Case chosen)
    {
        using MemoryStream content = new(chosen.Sample.Bytes);
        Artifact artifact = Artifact.Open(content);
        Capture capture = artifact.Capture!;
        LinuxHost host = new(SampleHosts.Open(chosen.Host), Read(chosen.Kernel));
        RehearsalOptions options = new() { Vmm = chosen.Vmm, PreviousPkru = chosen.Key };
        TargetOutcome outcome = RestoreRehearsal.Perform(capture, host, options);
        if (outcome.Verdict == Verdict.Same || outcome.Repaired is not { } repaired)
        {
            return false;
        }

        Assert.True(outcome.Repairs.Length > 0 && outcome.Repairs.All(step => !step.LosesState),
            $"{chosen}: a repair that loses state, without force");
        TargetOutcome announced = RestoreRehearsal.Perform(repaired, host, options);
        MemoryStream file = new();
        PatchedCopy.Write(content, artifact.Encode(repaired, content), file);
        file.Position = 0;
        TargetOutcome again = RestoreRehearsal.Perform(Artifact.Open(file).Capture!, host, options);
        Assert.True(again.Repaired is null && again.Verdict != Verdict.Repairable,
            $"{chosen}: fix of what fix wrote finds {string.Join("; ", again.Repairs.Select(step => step.Message))}");
        Assert.True(Summary(announced) == Summary(again),
            $"{chosen}: announced {Summary(announced)}, and check of the file says {Summary(again)}");

        Assert.True(outcome.Verdict != Verdict.Repairable || outcome.DiffersAfterRepair == (again.Verdict != Verdict.Same),
            $"{chosen}: after the repair {(outcome.DiffersAfterRepair ? "something" : "nothing")} was to differ; {Summary(again)}");

        // What fix writes loads, or lacks what no repair of the state can give.
        Assert.True(again.Verdict == Verdict.Same || Errors(again).All(rule => rule == Rules.PromisedInstructionsLacking.Id),
            $"{chosen}: {Summary(again)}");
        return true;
    }

    private static string Summary(TargetOutcome outcome) =>
        $"{outcome.Verdict} {outcome.RefusedCall} {outcome.Errno} [{string.Join(',', Errors(outcome))}] {outcome.Differences.Length} "
        + "registers";

    private static IEnumerable<string> Errors(TargetOutcome outcome) =>
        outcome.Findings.Where(finding => finding.Severity == Severity.Error).Select(finding => finding.Rule.Id).Distinct()
        .Order(StringComparer.Ordinal);

    private static byte[] Unpacked(string file)
    {
        using Stream stored = File.OpenRead(file);
        using Stream content = ArtifactContent.Open(stored, new ArtifactOptions());
        using MemoryStream bytes = new();
        content.CopyTo(bytes);
        return bytes.ToArray();
    }

    private static KernelBehavior Read(string name)
    {
        Assert.True(Xstate.Hypervisors.Kernels.KernelNames.TryRead(name, Xstate.Hypervisors.Kernels.KernelEvidence.None,
            out KernelBehavior? kernel, out string error), error);
        return kernel;
    }

    private sealed record Sample(string Name, byte[] Bytes);

    private sealed record Case(Sample Sample, string Host, string Kernel, Restorer Vmm, uint? Key)
    {
        public override string ToString() =>
            $"{Sample.Name} on {Host}@{Kernel} by {Vmm.Id}{(Key is null ? "" : $" with PKRU 0x{Key:x} before")}";
    }
}
