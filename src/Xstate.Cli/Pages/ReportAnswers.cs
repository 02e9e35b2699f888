using System.Text.Json;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Cli.Commands;
using Xstate.Cli.Input;
using Xstate.Cli.Output;
using Xstate.Fleet;
using Xstate.Rehearsal;
using Xstate.Reports;

namespace Xstate.Cli.Pages;

/// <summary>
/// Collects the answers of a page: the same objects that <c>--json</c> prints. What is wrong with one of several inputs stands on the page
/// in place of its answer.
/// </summary>
internal sealed class ReportAnswers(GivenContext given, string? format, RehearsalOptions rehearsal, TargetHosts? hosts)
{
    private readonly List<ReportPart> _parts = [];
    private readonly List<UnreadInput> _unread = [];
    private readonly List<(string File, Capture Capture)> _captures = [];

    /// <summary>The answers, in their order.</summary>
    public IReadOnlyList<ReportPart> Parts => _parts;

    /// <summary>Inputs that could not be read.</summary>
    public IReadOnlyList<UnreadInput> Unread => _unread;

    /// <summary>The exit code: that of the worst input.</summary>
    public int Exit => _unread.Concat(hosts?.Unread ?? []).Aggregate(ExitCode.Fine, (worst, input) => ExitCode.Worse(worst, input.Exit));

    /// <summary>Adds kept answers.</summary>
    public void AddKept(IReadOnlyList<string> files)
    {
        foreach (string file in files)
        {
            Guard(file, files.Count > 1, () => _parts.AddRange(AnswerFile.Read(file)));
        }
    }

    /// <summary>Adds what explorations of world switches find.</summary>
    public void AddExplored(IReadOnlyList<string> protocols)
    {
        foreach (string protocol in protocols)
        {
            using MemoryStream bytes = new();
            ExploreReport.WriteJson(bytes, ExploreCommand.Explore(protocol));
            _parts.AddRange(AnswerFile.Parse(bytes.ToArray()));
        }
    }

    /// <summary>Adds what is in files and, with hosts, what becomes of them there.</summary>
    public void AddFiles(IReadOnlyList<string> files)
    {
        for (int i = 0; i < files.Count; i++)
        {
            string file = files[i];
            Session.Current.Progress?.Show($"{i} of {files.Count} files");
            Guard(file, files.Count > 1, () => AddFile(file));
        }
    }

    /// <summary>Adds the pool of the hosts, with the captures that were read.</summary>
    public void AddPool()
    {
        PoolBuilder builder = new(hosts!.All.Select(target => new PoolHost(target.Argument, target.Host)), rehearsal);
        foreach ((string file, Capture capture) in _captures)
        {
            builder.Add(file, capture);
        }

        Pool pool = builder.Build();
        PoolAnswer answer = new(pool, pool.Changes(null), null) { UnreadHosts = hosts.Unread };
        _parts.Add(Part("pool", json => PoolReport.WriteFields(json, answer)));
    }

    private void AddFile(string file)
    {
        Artifact artifact = ArtifactInput.Open(file, format);
        Capture? capture = artifact.Capture is { } bare ? given.ApplyTo(bare) : null;
        ReportPart shown = Part("show", ShowCommand.Answer(file, artifact, ShowOptions.Default, given).Json);
        _parts.Add(capture is null ? shown : shown with { GuestComponents = ComponentsOf(capture) });
        if (capture is not null)
        {
            _captures.Add((file, capture));
        }

        if (hosts is null || (capture is null && !CheckCommand.IsCheckable(artifact)))
        {
            return;
        }

        CheckedTarget[] targets = [.. CheckCommand.Rehearse(file, artifact, given, hosts, rehearsal)];
        _parts.Add(Part("check", json => CheckReport.WriteFields(json, file, targets, hosts.Unread)));
        foreach (CheckedTarget target in targets)
        {
            if (target.Outcome.Repaired is { } repaired)
            {
                _parts.Add(Part("show", json =>
                {
                    json.WriteString("file", file);
                    ShowReport.WriteFields(json, repaired, [], ShowOptions.Default);
                }) with
                { RepairedFor = target.Argument });
            }
        }
    }

    private static IReadOnlyList<string?> ComponentsOf(Capture capture) =>
        [.. capture.States.Select(state => state.GuestCpuid is { } cpuid
            ? (cpuid.Value.UserComponents | cpuid.Value.SupervisorComponents).ToString() : null)];

    // What is wrong with one of several is said of it; one alone fails as it does with every verb.
    private void Guard(string file, bool isOneOfSeveral, Action add)
    {
        try
        {
            add();
        }
        catch (MalformedArtifactException error) when (isOneOfSeveral && Session.Current.LeftOut.Takes(file, error))
        {
            // It is told at the end of the run.
        }
#pragma warning disable CA1031 // As in App: what is wrong becomes an exit code and one line.
        catch (Exception error) when (isOneOfSeveral)
#pragma warning restore CA1031
        {
            Failure failure = Failure.OfOne(error);
            _unread.Add(new UnreadInput(file, failure.Exit, failure.Message));
            _parts.Add(Part("show", json =>
            {
                json.WriteString("file", file);
                JsonAnswer.WriteError(json, failure.Exit, failure.Message);
            }));
        }
    }

    private static ReportPart Part(string verb, Action<Utf8JsonWriter> fields)
    {
        using MemoryStream bytes = new();
        JsonAnswer.WriteLine(bytes, verb, fields);
        using JsonDocument document = JsonDocument.Parse(bytes.ToArray());
        return new ReportPart(document.RootElement.Clone());
    }
}
