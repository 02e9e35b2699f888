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
        Option<string?> on = new("--on") { Description = "The destination, as for check." };
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
        if (on is null || output is null)
        {
            throw new UsageException("fix needs --on HOST and -o OUT");
        }

        string undoPath = output + UndoSuffix;
        AtomicFile.Refuse(output, force);
        AtomicFile.Refuse(undoPath, force);
        byte[] original = ReadAll(file);
        Capture bare = ReadCapture(original, file, parsed.GetValue(options.Format));
        Capture capture = ArtifactInput.WithContext(bare, parsed, options);
        LinuxHost host = HostArgument.Parse(on);
        RehearsalOptions rehearsal = restore.Read(parsed) with { Force = force };
        TargetOutcome outcome = RestoreRehearsal.Perform(capture, host, rehearsal);
        Capture? repaired = outcome.Verdict == Verdict.Same ? capture : outcome.Repaired;
        TargetOutcome? after = repaired is null ? null : RestoreRehearsal.Perform(repaired, host, rehearsal);
        if (repaired is not null)
        {
            byte[] bytes = Encode(repaired, capture, bare, original);
            AtomicFile.Write(undoPath, UndoFileWriter.Write(UndoRecord.Create(original, bytes)), force);
            AtomicFile.Write(output, bytes, force);
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
        }

        return repaired is not null && outcome.Repairs.All(step => !step.LosesState) ? ExitCode.Fine : ExitCode.Findings;
    }

    // Without a change the bytes stay what they are; a raw image does not take in the context that only the command line gave.
    private static byte[] Encode(Capture repaired, Capture given, Capture bare, byte[] original)
    {
        if (ReferenceEquals(repaired, given))
        {
            return original;
        }

        string format = CaptureWriter.Formats.Contains(bare.Format) ? bare.Format : throw new UsageException($"{bare.Format} cannot be written yet");
        return CaptureWriter.Write(repaired, format);
    }

    private static int Undo(string file, string undoPath, string? output, bool force)
    {
        byte[] repaired = ReadAll(file);
        UndoRecord record = UndoFileReader.Read(File.ReadAllBytes(undoPath), ArtifactLimits.Default);
        byte[] original = record.Apply(repaired);
        if (output is null)
        {
            throw new UsageException("fix --undo needs -o ORIGINAL");
        }

        AtomicFile.Write(output, original, force);
        Console.Out.WriteLine($"wrote {output}: the original, {original.Length} bytes, SHA-256 verified");
        return ExitCode.Fine;
    }

    private static byte[] ReadAll(string path)
    {
        using Stream stream = ArtifactInput.OpenStream(path);
        return WholeFile.Read(stream, ArtifactLimits.Default.MaxWholeFile).ToArray();
    }

    private static Capture ReadCapture(byte[] bytes, string file, string? format)
    {
        using MemoryStream stream = new(bytes, writable: false);
        Artifact artifact = ArtifactInput.Open(stream, format);
        return artifact.Capture ?? throw new UsageException($"{file} is {artifact.Format}, which holds no extended state");
    }
}
