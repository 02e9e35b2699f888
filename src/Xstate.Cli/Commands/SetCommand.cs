using System.Collections.Immutable;
using System.CommandLine;
using System.Runtime.Versioning;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Cli.Input;
using Xstate.Cli.Output;
using Xstate.Findings;
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
            Transformed<CapturedState> changed = Apply(opened, parsed.GetValue(vcpu), edits, parsed, options,
                out ImmutableArray<Finding> findings);
            Write(opened, changed.Value, path, destination, parsed.GetValue(force));
            ImmutableArray<Finding> told = [.. findings, .. DefaultKey.Check(opened.Capture with { States = [changed.Value] })];
            SetAnswer answer = new(path, opened.Artifact.Format, destination ?? path, changed.Steps, told) { Kind = opened.Capture.Kind };
            if (parsed.GetValue(options.Json))
            {
                Standard.Write(stream => SetReport.WriteJson(stream, answer));
            }
            else
            {
                SetReport.WriteText(Standard.Out, answer);
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

    private static Transformed<CapturedState> Apply(
        OpenedArtifact opened, int? id, ImmutableArray<RegisterEdit> edits, ParseResult parsed, CommonOptions options,
        out ImmutableArray<Finding> findings)
    {
        (Capture complete, _, ImmutableArray<Finding> guesses) = KnownCapture.Of(GivenContext.Read(parsed, options)
            .ApplyTo(opened.Capture));
        CapturedState state = (id, complete.States) switch
        {
            (null, [var only]) => only,
            (null, var states) =>
                throw new UsageException(
                $"there are {states.Length} states; choose one with --vcpu or --tid: "
                + $"{string.Join(", ", states.Take(16).Select(s => s.Id))}"),
            ({ } wanted, var states) => states.FirstOrDefault(s => s.Id == wanted)
                ?? throw new UsageException(
                $"there is no virtual CPU or thread {wanted}; there are {string.Join(", ", states.Take(16).Select(s => s.Id))}"),
        };
        if (complete.Kind != CaptureKind.Process && edits.FirstOrDefault(edit => edit.Components.IsEmpty) is { } outside)
        {
            // A virtual CPU has SSP and four MSRs that SSP is loaded from; a thread has one pointer.
            throw new UsageException($"{outside.Register} is the shadow-stack pointer of a thread; this is a virtual machine");
        }

        findings = [.. guesses.Where(guess => guess.Where.Vcpu == state.Id)];
        try
        {
            return RegisterEdit.Apply(state, edits);
        }
        catch (RegisterEditException error)
        {
            throw new UsageException(error.Message);
        }
    }

    private static bool IsSame(ImmutableArray<ArtifactPatch> one, ImmutableArray<ArtifactPatch> other) =>
        one.Length == other.Length
        && one.Zip(other).All(pair => pair.First.Offset == pair.Second.Offset
            && pair.First.Replacement.Span.SequenceEqual(pair.Second.Replacement.Span));

    private static void Write(OpenedArtifact opened, CapturedState changed, string path, string? output, bool force)
    {
        // Only the area, what was lost in it and MSRs change: a layout that was inferred or given is not written into the file.
        Capture capture = opened.Capture;
        int index = capture.States.ToList().FindIndex(state => state.Id == changed.Id);
        CapturedState edited = capture.States[index] with { Area = changed.Area, Lost = changed.Lost };
        ImmutableArray<ArtifactPatch> patches = opened.Encode(capture with { States = capture.States.SetItem(index, edited) });
        if (!changed.Msrs.SequenceEqual(edited.Msrs))
        {
            CapturedState whole = edited with { Msrs = changed.Msrs };
            ImmutableArray<ArtifactPatch> withMsrs = opened.Encode(capture with { States = capture.States.SetItem(index, whole) });
            patches = !IsSame(patches, withMsrs) ? withMsrs
                : throw new UsageException($"{path}: the registers of a {capture.Format} that lie outside the area are not written");
        }

        if (output is not null)
        {
            AtomicFile.Write(output, stream => PatchedCopy.Write(opened.Content, patches, stream, opened.Stored), force,
                OutputMode.Like(path));
        }
        else if (opened.Compression is { } compression)
        {
            throw new UsageException($"{path} is compressed ({compression}); write the changed state elsewhere with -o OUT");
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
