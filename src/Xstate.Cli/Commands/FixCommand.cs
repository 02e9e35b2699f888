using System.Collections.Immutable;
using System.CommandLine;
using Xstate.Artifacts;
using Xstate.Artifacts.UndoFile;
using Xstate.Captures;
using Xstate.Cli.Input;
using Xstate.Cli.Output;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Reports;

namespace Xstate.Cli.Commands;

/// <summary><c>xstate fix FILE --on HOST -o OUT</c> repairs; <c>xstate fix OUT --undo</c> takes it back.</summary>
internal static class FixCommand
{
    private const string UndoSuffix = ".undo.json";

    public static Command Create()
    {
        Argument<string?> file = new("FILE") { Arity = ArgumentArity.ZeroOrOne, Description = "A state; with --undo, a repaired one." };
        Option<string?> on = new("--on") { Description = "The destination, as for check; without it, only damage that the file's own writer did is mended." };
        Option<string?> output = OutputOption.Create("Where to write the repaired state, in the format of FILE.");
        Option<string?> undo = new("--undo")
        {
            Description = "Give the original back, from the undo file (default: FILE.undo.json). With --on: where to write the undo file (default: OUT.undo.json; none with -o -).",
            Arity = ArgumentArity.ZeroOrOne,
        };
        Option<bool> force = new("--force") { Description = "Drop guest-visible state if that is what it takes, and replace existing regular files." };
        RestoreOptions restore = new();
        CommonOptions options = new();
        Command command = new("fix", "Repair a state so that it loads on a host, reversibly.") { file, on, output, undo, force };
        restore.AddTo(command);
        options.AddTo(command);
        command.SetAction(parsed =>
        {
            if (restore.ListsVmms(parsed))
            {
                return RestoreOptions.PrintVmms(parsed.GetValue(options.Json));
            }

            string path = parsed.GetValue(file) ?? throw new UsageException("fix needs FILE");
            bool replace = parsed.GetValue(force);
            string? destination = parsed.GetValue(output);
            if (parsed.GetResult(undo) is not null && parsed.GetValue(on) is null)
            {
                return Undo(path, parsed.GetValue(undo) ?? path + UndoSuffix, destination, replace);
            }

            if (destination is null)
            {
                throw new UsageException("fix needs -o OUT, and --on HOST unless the file itself is damaged");
            }

            if (destination == AtomicFile.StandardOutput && parsed.GetResult(undo) is not null && parsed.GetValue(undo) is null)
            {
                throw new UsageException("with -o - an undo file needs a name: --undo FILE");
            }

            Destination target = new(destination, parsed.GetValue(undo) ?? (destination == AtomicFile.StandardOutput ? null : destination + UndoSuffix), replace, OutputMode.Like(path));
            return Repair(path, parsed.GetValue(on), target, parsed, restore, options);
        });
        return command;
    }

    private static int Repair(string file, string? on, Destination target, ParseResult parsed, RestoreOptions restore, CommonOptions options)
    {
        target.Refuse();
        using OpenedArtifact opened = OpenedArtifact.Open(file, parsed.GetValue(options.Format));
        if (on is null)
        {
            return RepairDamage(opened, file, target, parsed.GetValue(options.Json));
        }

        Capture capture = ArtifactInput.WithContext(opened.Capture, parsed, options);
        LinuxHost host = HostArgument.Parse(on, restore.HostLayout(parsed, options), restore.CpuMap(parsed), restore.Kernel(parsed));
        RehearsalOptions rehearsal = restore.Read(parsed, capture) with { Force = target.Force };
        TargetOutcome outcome = RestoreRehearsal.Perform(capture, host, rehearsal);
        Capture? repaired = outcome.Verdict == Verdict.Same ? capture : outcome.Repaired;
        TargetOutcome? after = repaired is null ? null : RestoreRehearsal.Perform(repaired, host, rehearsal);
        if (repaired is not null)
        {
            // Without a change the bytes stay what they are; a file does not take in the context that only the command line gave.
            target.Write(opened, ReferenceEquals(repaired, capture) ? [] : opened.Encode(repaired));
        }

        string? written = repaired is null ? null : target.Output;
        string? undo = repaired is null ? null : target.Undo;
        if (parsed.GetValue(options.Json))
        {
            Standard.Write(stream => FixReport.WriteJson(stream, file, written, undo, outcome, after));
        }
        else
        {
            FixReport.WriteText(Standard.Out, written, undo, outcome, after);
            WarnOfCompression(opened);
        }

        return repaired is not null && outcome.Repairs.All(step => !step.LosesState) ? ExitCode.Fine : ExitCode.Findings;
    }

    // What a writer did to its own file can be mended without knowing where it goes.
    private static int RepairDamage(OpenedArtifact opened, string file, Destination target, bool json)
    {
        Capture repaired = opened.Artifact.Repaired
            ?? throw new UsageException($"fix needs --on HOST: {file} shows no damage that can be mended without one");
        target.Write(opened, opened.Encode(repaired));
        if (json)
        {
            Standard.Write(stream => FixReport.WriteDamageJson(stream, file, target.Output, target.Undo, opened.Artifact.Findings));
        }
        else
        {
            FixReport.WriteDamageText(Standard.Out, target.Output, target.Undo, opened.Artifact.Findings, repaired.Kind);
            WarnOfCompression(opened);
        }

        return ExitCode.Fine;
    }

    private static void WarnOfCompression(OpenedArtifact opened)
    {
        if (opened.Compression is { } compression)
        {
            Standard.Out.WriteLine($"what was written is not compressed; the input is ({compression})");
        }
    }

    private static int Undo(string file, string undoPath, string? output, bool force)
    {
        if (output is null)
        {
            throw new UsageException("fix --undo needs -o ORIGINAL");
        }

        AtomicFile.Refuse(output, force);
        UndoRecord record = ReadUndo(undoPath);
        using Stream input = ArtifactInput.OpenStream(file);
        using Stream repaired = ArtifactContent.Open(input, ArtifactInput.Options(null));
        AtomicFile.Write(output, original => record.Apply(repaired, original), force, OutputMode.Like(file));
        Standard.Out.WriteLine($"wrote {output}: the original, {record.OriginalLength} bytes, SHA-256 verified");
        return ExitCode.Fine;
    }

    private static UndoRecord ReadUndo(string path)
    {
        using Stream file = ArtifactInput.OpenStream(path);
        return UndoFileReader.Read(WholeFile.Read(file, Session.Current.Limits.MaxWholeFile).Span, Session.Current.Limits);
    }

    // Where a repaired state goes, and what leads back from it.
    private sealed record Destination(string Output, string? Undo, bool Force, OutputMode Mode)
    {
        public void Refuse()
        {
            AtomicFile.Refuse(Output, Force);
            if (Undo is null)
            {
                return;
            }

            AtomicFile.Refuse(Undo, Force);
            if (Undo == AtomicFile.StandardOutput || Path.GetFullPath(Undo) == Path.GetFullPath(Output))
            {
                throw new UsageException("--undo takes a file of its own");
            }
        }

        public void Write(OpenedArtifact opened, ImmutableArray<ArtifactPatch> patches)
        {
            // The inputs are known by now.
            Refuse();
            using OutputFile repaired = OutputFile.Create(Output, Force, Mode);
            PatchedCopy.Write(opened.Content, patches, repaired.Stream, opened.Stored);
            if (Undo is null)
            {
                repaired.Complete();
                repaired.Commit();
                return;
            }

            opened.Content.Position = 0;
            repaired.Stream.Position = 0;
            using OutputFile undo = OutputFile.Create(Undo, Force, OutputMode.Secret);
            undo.Stream.Write(UndoFileWriter.Write(UndoRecord.Create(opened.Content, repaired.Stream)));
            AtomicFile.CommitBoth(undo, repaired);
        }
    }
}
