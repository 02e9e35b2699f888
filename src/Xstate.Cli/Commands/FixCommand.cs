using System.Collections.Immutable;
using System.CommandLine;
using Xstate.Artifacts;
using Xstate.Artifacts.UndoFile;
using Xstate.Captures;
using Xstate.Cli.Input;
using Xstate.Cli.Output;
using Xstate.Findings;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Reports;

namespace Xstate.Cli.Commands;

/// <summary><c>xstate fix FILE… --on HOST -o OUT</c> repairs; <c>xstate fix OUT --undo</c> takes it back.</summary>
internal static class FixCommand
{
    private const string UndoSuffix = ".undo.json";

    public static Command Create()
    {
        Option<string?> on = new(
            "--on")
        { Description = "The destination, as for check; without it, only damage that the file's own writer did is mended." };
        Option<string?> output = OutputOption.Create(
            "Where to write the repaired state, in the format of FILE; of several, the directory in which each has its own name.");
        Option<string?> undo = new("--undo")
        {
            Description = "Give the original back, from the undo file (default: FILE.undo.json). With --on: where to write the undo file "
                + "(default: OUT.undo.json; none with -o -).",
            Arity = ArgumentArity.ZeroOrOne,
        };
        Option<bool> force = new(
            "--force")
        { Description = "Drop guest-visible state if that is what it takes, and replace existing regular files." };
        RestoreOptions restore = new();
        CommonOptions options = new();
        BatchOptions batch = new("States; with --undo, a repaired one.", options.Json);
        Command command = new("fix", "Repair states so that they load on a host, reversibly.");
        batch.AddTo(command);
        command.Add(on);
        command.Add(output);
        command.Add(undo);
        command.Add(force);
        restore.AddTo(command);
        options.AddTo(command);
        command.SetAction(parsed =>
        {
            if (restore.ListsVmms(parsed))
            {
                return RestoreOptions.PrintVmms(parsed.GetValue(options.Json));
            }

            List<string> files = batch.Files(parsed);
            if (files.Count == 0)
            {
                throw new UsageException("fix needs FILE");
            }

            bool replace = parsed.GetValue(force);
            string? destination = parsed.GetValue(output);
            if (parsed.GetResult(undo) is not null && parsed.GetValue(on) is null)
            {
                return files is [var path] ? Undo(path, parsed.GetValue(undo) ?? path + UndoSuffix, destination,
                    replace) : throw new UsageException("--undo takes one FILE");
            }

            if (destination is null)
            {
                throw new UsageException("fix needs -o OUT, and --on HOST unless the file itself is damaged");
            }

            string? undoFile = parsed.GetValue(undo);
            if (destination == AtomicFile.StandardOutput && parsed.GetResult(undo) is not null && undoFile is null)
            {
                throw new UsageException("with -o - an undo file needs a name: --undo FILE");
            }

            if (undoFile is not null && files.Count > 1)
            {
                throw new UsageException("--undo names one file; of several FILEs each has its own OUT.undo.json");
            }

            Repair? repair = parsed.GetValue(on) is not { } host ? null : new Repair(
                HostArgument.Parse(host, restore.HostLayout(parsed, options), restore.CpuMap(parsed), restore.Kernel(parsed)),
                restore.Read(parsed) with { Force = replace },
                GivenContext.Read(parsed, options));
            string? format = parsed.GetValue(options.Format);
            Func<string, string> outputs = OutputNames.For(files, destination, OutputNames.Uncompressed);
            return new Batch("fix", files, batch.Form(parsed))
            {
                Columns = [("BEFORE", 10), ("AFTER", 9), ("OUTPUT", 40),
                ("WHY", 0)]
            }.Run(file =>
            {
                string written = outputs(file);
                Destination target = new(written, undoFile ?? (written == AtomicFile.StandardOutput ? null : written + UndoSuffix),
                    replace, OutputMode.Like(file));
                return Answer(file, format, target, repair);
            });
        });
        return command;
    }

    private static FileAnswer Answer(string file, string? format, Destination target, Repair? repair)
    {
        target.Refuse();
        using OpenedArtifact opened = OpenedArtifact.Open(file, format);
        opened.RequireFile();
        if (repair is null)
        {
            return RepairDamage(opened, file, target);
        }

        Capture capture = repair.Given.ApplyTo(opened.Capture);
        TargetOutcome outcome = RestoreRehearsal.Perform(capture, repair.Host, repair.Options);
        Capture? repaired = outcome.Verdict == Verdict.Same ? capture : outcome.Repaired;
        TargetOutcome? after = repaired is null ? null : RestoreRehearsal.Perform(repaired, repair.Host, repair.Options);
        if (repaired is not null)
        {
            // Without a change the bytes stay what they are; a file does not take in the context that only the command line gave.
            target.Write(opened, opened.Encode(ReferenceEquals(repaired, capture) ? opened.Capture : repaired));
        }

        string? written = repaired is null ? null : target.Output;
        string? undo = repaired is null ? null : target.Undo;
        string? wrapping = opened.Wrapping;
        return new FileAnswer(repaired is not null && outcome.Repairs.All(step => !step.LosesState) ? ExitCode.Fine : ExitCode.Findings)
        {
            Json = json => FixReport.WriteFields(json, file, written, undo, outcome, after),
            Text = output =>
            {
                FixReport.WriteText(output, written, undo, outcome, after);
                WarnOfWrapping(output, wrapping);
            },
            Rows = [FixReport.RowOf(written, outcome, after)],
        };
    }

    // What a writer did to its own file can be mended without knowing where it goes.
    private static FileAnswer RepairDamage(OpenedArtifact opened, string file, Destination target)
    {
        Capture repaired = opened.Artifact.Repaired
            ?? throw new UsageException($"fix needs --on HOST: {file} shows no damage that can be mended without one");
        target.Write(opened, opened.Encode(repaired));
        ImmutableArray<Finding> findings = opened.Artifact.Findings;
        string? wrapping = opened.Wrapping;
        return new FileAnswer(ExitCode.Fine)
        {
            Json = json => FixReport.WriteDamageFields(json, file, target.Output, target.Undo, findings),
            Text = output =>
            {
                FixReport.WriteDamageText(output, target.Output, target.Undo, findings, repaired.Kind);
                WarnOfWrapping(output, wrapping);
            },
            Rows = [FixReport.RowOf(target.Output, findings)],
        };
    }

    private static void WarnOfWrapping(TextWriter output, string? wrapping)
    {
        if (wrapping is not null)
        {
            output.WriteLine($"what was written is not {wrapping}, as the input is");
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

    // How states are repaired: for which host, and with what is given.
    private sealed record Repair(LinuxHost Host, RehearsalOptions Options, GivenContext Given);

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

            using OutputFile undo = OutputFile.Create(Undo, Force, OutputMode.Secret);
            opened.WriteUndo(repaired.Stream, undo.Stream);
            AtomicFile.CommitBoth(undo, repaired);
        }
    }
}
