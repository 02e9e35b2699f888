using System.Collections.Immutable;
using System.CommandLine;
using System.Runtime.Versioning;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Cli.Input;
using Xstate.Cli.Output;
using Xstate.Linux;
using Xstate.Rehearsal;
using Xstate.Reports;
using Xstate.Transforms;

namespace Xstate.Cli.Commands;

/// <summary>
/// <c>xstate set FILE|--pid N REGISTER=VALUE…</c>: gives registers values, in the file's own format or in a thread of a running process.
/// </summary>
internal static class SetCommand
{
    public static Command Create()
    {
        Argument<string> file =
            new("FILE") { Description = "A state, - for standard input, or --pid N for a thread of a running process." };
        Argument<string[]> registers =
            new("REGISTER=VALUE")
            {
                Description = "pkru=0x4, mxcsr=0x1f80, zmm3=<128 digits>, k1=0xff, ssp=0x…; st0=3.14, "
                + "mxcsr=+ftz,-dm,rc:down, pkru=key1:ro, zmm5.f32=1,2,…, zmm5.f32[3]=1.5, zmm5.f32[*]=0; show lists the "
                + "names.",
                Arity = ArgumentArity.OneOrMore
            };
        Option<int?> vcpu = new("--vcpu", "--tid") { Description = "The virtual CPU or thread; needed when there are several." };
        Option<string?> output = OutputOption.Create("Where to write the changed state, in the format of FILE.");
        Option<bool> inPlace = new("--in-place") { Description = "Change FILE itself: only the bytes of the registers change." };
        Option<bool> force = new(
            "--force")
        { Description = "Replace an existing regular file, or give a running thread a PKRU that closes key 0." };
        CommonOptions options = new();
        Command command = new("set", "Give registers of a state values.") { file, registers, vcpu, output, inPlace, force };
        options.AddTo(command);
        command.SetAction(parsed =>
        {
            string path = parsed.GetValue(file)!;
            string? destination = parsed.GetValue(output);
            if (LiveArgument.Find(path) is { } process)
            {
                return destination is null && !parsed.GetValue(inPlace)
                    ? SetLive(process, Parse(parsed.GetValue(registers)!), parsed.GetValue(vcpu), parsed.GetValue(force),
                        parsed.GetValue(options.Json))
                    : throw new UsageException("a running process is changed itself: -o and --in-place are for files");
            }

            if (destination is null != parsed.GetValue(inPlace))
            {
                throw new UsageException("set needs -o OUT or --in-place, and not both");
            }

            if (destination is not null)
            {
                AtomicFile.Refuse(destination, parsed.GetValue(force));
            }

            ImmutableArray<RegisterEdit> edits = Parse(parsed.GetValue(registers)!);
            using OpenedArtifact opened = OpenedArtifact.Open(path, parsed.GetValue(options.Format));
            EditedCapture edited = Edit(opened, GivenContext.Read(parsed, options), parsed.GetValue(vcpu), edits);
            Write(opened, edited.Capture, path, destination, parsed.GetValue(force));
            SetAnswer answer = new(path, opened.Artifact.Format, destination ?? path, edited.Steps, edited.Findings)
            {
                Kind = opened.Capture.Kind
            };
            if (parsed.GetValue(options.Json))
            {
                Standard.Write(stream => SetReport.WriteJson(stream, answer));
            }
            else
            {
                SetReport.WriteText(Standard.Out, answer);
                if (destination is not null)
                {
                    NextCommand.Suggest(Standard.Out, "diff", path, destination);
                }
            }

            return ExitCode.Fine;
        });
        return command;
    }

    private static int SetLive(LiveProcess process, ImmutableArray<RegisterEdit> edits, int? thread, bool force, bool asJson)
    {
        if (!OperatingSystem.IsLinux())
        {
            throw new UsageException("a running process is changed with Linux's ptrace");
        }

        // The attach alone interrupts a sleep: the thread would be dead before the warning is read.
        if (!force && edits.LastOrDefault(edit => edit.Register == "pkru") is { ClosesKey0: true } pkru)
        {
            throw new UsageException(
                $"PKRU {pkru.Text} closes key 0, which nearly all memory of a process has: the thread would take SIGSEGV at once; "
                + "--force writes it nevertheless");
        }

        WriteOutcome outcome = Write(process, edits, thread);
        SetAnswer answer = SetAnswer.Of(process.Id, outcome);
        if (asJson)
        {
            Standard.Write(stream => SetReport.WriteJson(stream, answer));
        }
        else
        {
            SetReport.WriteText(Standard.Out, answer);
        }

        return outcome.Refused is { } request ? throw new LinuxException($"{request} of {outcome.Thread}", outcome.Errno)
            : outcome.Registers.All(register => register.IsTaken) ? ExitCode.Fine : ExitCode.Findings;
    }

    [SupportedOSPlatform("linux")]
    private static WriteOutcome Write(LiveProcess process, ImmutableArray<RegisterEdit> edits, int? thread)
    {
        try
        {
            return process.Set(edits, thread);
        }
        catch (RegisterEditException error)
        {
            throw new UsageException(error.Message);
        }
    }

    private static ImmutableArray<RegisterEdit> Parse(IEnumerable<string> registers)
    {
        try
        {
            return [.. registers.Select(RegisterEdit.Parse)];
        }
        catch (RegisterEditException error)
        {
            throw new UsageException(error.Message);
        }
    }

    private static EditedCapture Edit(OpenedArtifact opened, GivenContext given, int? id, ImmutableArray<RegisterEdit> edits)
    {
        if (id is null && opened.Capture.States.Length > 1)
        {
            throw new UsageException(
                $"there are {opened.Capture.States.Length} states; choose one with --vcpu or --tid: "
                + $"{string.Join(", ", opened.Capture.States.Take(16).Select(state => state.Id))}");
        }

        try
        {
            return EditedCapture.Set(opened.Capture, given.ApplyTo(opened.Capture), id, edits);
        }
        catch (RegisterEditException error)
        {
            throw new UsageException(error.Message);
        }
    }

    private static void Write(OpenedArtifact opened, Capture changed, string path, string? output, bool force)
    {
        ImmutableArray<ArtifactPatch> patches = opened.Encode(changed);
        if (output is not null)
        {
            AtomicFile.Write(output, stream => PatchedCopy.Write(opened.Content, patches, stream, opened.Stored), force,
                OutputMode.Like(path));
        }
        else if (opened.Wrapping is { } wrapping)
        {
            throw new UsageException($"{path} is {wrapping}; write the changed state elsewhere with -o OUT");
        }
        else if (path == "-")
        {
            throw new UsageException("standard input cannot be changed in place; use -o OUT");
        }
        else if (patches.All(patch => patch.Found.Length == patch.Replacement.Length))
        {
            AtomicFile.PatchInPlace(path, patches);
        }
        else
        {
            AtomicFile.ReplaceInput(path, stream => PatchedCopy.Write(opened.Content, patches, stream, opened.Stored));
        }
    }
}
