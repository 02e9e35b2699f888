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
        Argument<string> file = new("FILE") { Description = "A state; with --undo, a repaired one." };
        Option<string?> on = new("--on") { Description = "The destination, as for check; without it, only damage that the file's own writer did is mended." };
        Option<string?> output = new("--output", "-o") { Description = "Where to write the repaired state, in the format of FILE." };
        Option<string?> undo = new("--undo") { Description = "Give the original back, from the undo file (default: FILE.undo.json).", Arity = ArgumentArity.ZeroOrOne };
        Option<bool> force = new("--force") { Description = "Drop guest-visible state if that is what it takes, and replace existing files." };
        RestoreOptions restore = new();
        CommonOptions options = new();
        Command command = new("fix", "Repair a state so that it loads on a host, reversibly.") { file, on, output, undo, force };
        restore.AddTo(command);
        options.AddTo(command);
        command.SetAction(parsed =>
        {
            string path = parsed.GetValue(file)!;
            bool replace = parsed.GetValue(force);
            return parsed.GetResult(undo) is null
                ? Repair(path, parsed.GetValue(on), parsed.GetValue(output), replace, parsed, restore, options)
                : Undo(path, parsed.GetValue(undo) ?? path + UndoSuffix, parsed.GetValue(output), replace);
        });
        return command;
    }

    private static int Repair(string file, string? on, string? output, bool force, ParseResult parsed, RestoreOptions restore, CommonOptions options)
    {
        if (output is null)
        {
            throw new UsageException("fix needs -o OUT, and --on HOST unless the file itself is damaged");
        }

        string undoPath = output + UndoSuffix;
        AtomicFile.Refuse(output, force);
        AtomicFile.Refuse(undoPath, force);
        using OpenedArtifact opened = OpenedArtifact.Open(file, parsed.GetValue(options.Format));
        if (on is null)
        {
            return RepairDamage(opened, file, output, undoPath, force, parsed.GetValue(options.Json));
        }

        Capture capture = ArtifactInput.WithContext(opened.Capture, parsed, options);
        LinuxHost host = HostArgument.Parse(on, restore.HostLayout(parsed, options), restore.CpuMap(parsed));
        RehearsalOptions rehearsal = restore.Read(parsed, capture) with { Force = force };
        TargetOutcome outcome = RestoreRehearsal.Perform(capture, host, rehearsal);
        Capture? repaired = outcome.Verdict == Verdict.Same ? capture : outcome.Repaired;
        TargetOutcome? after = repaired is null ? null : RestoreRehearsal.Perform(repaired, host, rehearsal);
        if (repaired is not null)
        {
            // Without a change the bytes stay what they are; a file does not take in the context that only the command line gave.
            Write(opened, ReferenceEquals(repaired, capture) ? [] : opened.Encode(repaired), output, undoPath, force);
        }

        string? written = repaired is null ? null : output;
        string? undo = repaired is null ? null : undoPath;
        if (parsed.GetValue(options.Json))
        {
            Standard.Write(stream => FixReport.WriteJson(stream, file, written, undo, outcome, after));
        }
        else
        {
            FixReport.WriteText(Console.Out, written, undo, outcome, after);
            WarnOfCompression(opened);
        }

        return repaired is not null && outcome.Repairs.All(step => !step.LosesState) ? ExitCode.Fine : ExitCode.Findings;
    }

    // What a writer did to its own file can be mended without knowing where it goes.
    private static int RepairDamage(OpenedArtifact opened, string file, string output, string undoPath, bool force, bool json)
    {
        Capture repaired = opened.Artifact.Repaired
            ?? throw new UsageException($"fix needs --on HOST: {file} shows no damage that can be mended without one");
        Write(opened, opened.Encode(repaired), output, undoPath, force);
        if (json)
        {
            Standard.Write(stream => FixReport.WriteDamageJson(stream, file, output, undoPath, opened.Artifact.Findings));
        }
        else
        {
            FixReport.WriteDamageText(Console.Out, output, undoPath, opened.Artifact.Findings, repaired.Kind);
            WarnOfCompression(opened);
        }

        return ExitCode.Fine;
    }

    private static void Write(OpenedArtifact opened, ImmutableArray<ArtifactPatch> patches, string output, string undoPath, bool force) =>
        AtomicFile.Write(
            output,
            repaired =>
            {
                PatchedCopy.Write(opened.Content, patches, repaired, opened.Stored);
                opened.Content.Position = 0;
                repaired.Position = 0;
                AtomicFile.Write(undoPath, UndoFileWriter.Write(UndoRecord.Create(opened.Content, repaired)), force);
            },
            force);

    private static void WarnOfCompression(OpenedArtifact opened)
    {
        if (opened.Compression is { } compression)
        {
            Console.Out.WriteLine($"what was written is not compressed; the input is ({compression})");
        }
    }

    private static int Undo(string file, string undoPath, string? output, bool force)
    {
        if (output is null)
        {
            throw new UsageException("fix --undo needs -o ORIGINAL");
        }

        UndoRecord record = UndoFileReader.Read(File.ReadAllBytes(undoPath), ArtifactLimits.Default);
        using Stream input = ArtifactInput.OpenStream(file);
        using Stream repaired = ArtifactContent.Open(input);
        AtomicFile.Write(output, original => record.Apply(repaired, original), force);
        Console.Out.WriteLine($"wrote {output}: the original, {record.OriginalLength} bytes, SHA-256 verified");
        return ExitCode.Fine;
    }
}
