using System.Collections.Immutable;
using System.Globalization;
using System.Text.RegularExpressions;
using Xstate.Architecture;
using Xstate.Artifacts.Vcpus;
using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Artifacts.Criu;

/// <summary>
/// Reads the images that <c>criu dump</c> leaves in a directory as one capture: every core image under its thread's number, in the order of
/// pstree.img, and cpuinfo.img where one lies beside them. What is changed is written into the core image of its thread.
/// </summary>
internal static partial class CriuImages
{
    /// <summary>The format's name.</summary>
    public const string Format = "criu-images";

    private const string CpuinfoName = "cpuinfo.img";

    /// <summary>Whether names are those of a dump's files: at least one core image is among them.</summary>
    public static bool Recognizes(IEnumerable<string> names)
    {
        ArgumentNullException.ThrowIfNull(names);
        return names.Any(name => CoreName().IsMatch(name));
    }

    /// <summary>Reads the images.</summary>
    /// <param name="names">Names of the files, without a directory; those that are not used are not opened.</param>
    /// <param name="open">Opens one of them.</param>
    /// <param name="options">Limits.</param>
    /// <exception cref="MalformedArtifactException">There is no core image with registers among them, or one of them is not what it should
    /// be; its name is in what was found.</exception>
    public static Artifact Read(IEnumerable<string> names, Func<string, Stream> open, ArtifactOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(names);
        ArgumentNullException.ThrowIfNull(open);
        options ??= ArtifactOptions.Default;
        HashSet<string> files = [.. names];
        SortedSet<int> cores = CoresAmong(files, options.Limits);
        ImmutableArray<DumpedProcess> processes = files.Contains(ProcessTree.FileName)
            ? Opened(ProcessTree.FileName, open, options,
                source => ProcessTree.Read(source.Whole(options.Limits.MaxWholeFile).Span, options.Limits))
            : [];
        Fact<CpuidTable>? cpuid = files.Contains(CpuinfoName)
            ? new Fact<CpuidTable>(Opened(CpuinfoName, open, options, source => CriuCpuinfoReader.Read(source,
                options.Limits)).Cpuid!.Cpuid, FactSource.Artifact, $"{CpuinfoName} beside the cores")
            : null;
        ImmutableArray<Finding>.Builder findings = ImmutableArray.CreateBuilder<Finding>();
        Dictionary<int, CriuThread> threads = [];
        foreach (int id in Ordered(processes, cores, findings))
        {
            // The image of a dead process has no registers.
            if (Opened($"core-{id}.img", open, options, source => CriuCoreReader.ReadThread(source.Whole(options.Limits.MaxWholeFile).Span,
                id)) is { } thread)
            {
                threads.Add(id, thread);
                findings.AddRange(thread.Findings);
            }
        }

        if (threads.Count == 0)
        {
            throw new MalformedArtifactException(Format, 0, "no core image with registers", "core-N.img of at least one living thread");
        }

        Captures.Capture capture = new()
        {
            Format = Format,
            Kind = CaptureKind.Process,
            States = [.. threads.Values.Select(thread => thread.State with { GuestCpuid = cpuid })],
            Note = NoteOf(processes, threads),
        };
        return Artifact.Of(capture, Format, encoder: null, findings.ToImmutable());
    }

    private static SortedSet<int> CoresAmong(HashSet<string> files, ArtifactLimits limits)
    {
        SortedSet<int> cores = [];
        foreach (Match match in files.Select(name => CoreName().Match(name)).Where(match => match.Success))
        {
            if (!int.TryParse(match.Groups[1].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out int id)
                || cores.Count == limits.MaxStates)
            {
                throw new MalformedArtifactException(Format, 0, $"{match.Value} as image {cores.Count + 1}",
                    $"thread numbers up to {int.MaxValue}, and at most {limits.MaxStates} of them");
            }

            cores.Add(id);
        }

        return cores;
    }

    private static IEnumerable<int> Ordered(ImmutableArray<DumpedProcess> processes, SortedSet<int> cores,
        ImmutableArray<Finding>.Builder findings)
    {
        foreach (DumpedProcess process in processes)
        {
            foreach (int thread in process.Threads)
            {
                if (cores.Remove(thread))
                {
                    yield return thread;
                }
                else
                {
                    findings.Add(SnapshotFindings.Of(Rules.CoreImageMissing,
                        $"{ProcessTree.FileName} has thread {thread} of process {process.Id}, and there is no core-{thread}.img",
                        new FindingLocation(thread)));
                }
            }
        }

        foreach (int rest in cores)
        {
            yield return rest;
        }
    }

    // What is malformed is told with the file's name: an offset alone would not say where.
    private static T Opened<T>(string name, Func<string, Stream> open, ArtifactOptions options, Func<ArtifactSource, T> read)
    {
        using Stream file = open(name);
        try
        {
            using Stream content = ArtifactContent.Open(file, options);
            using ArtifactSource source = new(content, options);
            return read(source);
        }
        catch (MalformedArtifactException error)
        {
            throw new MalformedArtifactException(Format, error.Offset, $"{name}: {error.Found}", error.Expected);
        }
    }

    private static string NoteOf(ImmutableArray<DumpedProcess> processes, Dictionary<int, CriuThread> threads)
    {
        if (processes.IsEmpty)
        {
            return $"threads without {ProcessTree.FileName}, which names their processes";
        }

        return string.Join("; ", processes.Select(process =>
        {
            string? name = threads.TryGetValue(process.Id, out CriuThread? main) ? main.Name : null;
            int living = process.Threads.Count(threads.ContainsKey);
            return $"process {process.Id}{(name is null ? "" : $", {name}")}{(living == 0 ? ", dead" : "")}";
        }));
    }

    [GeneratedRegex(@"^core-(\d+)\.img$")]
    private static partial Regex CoreName();
}
