using System.Collections.Immutable;
using System.CommandLine;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.CpuidRaw;
using Xstate.Artifacts.ElfCore;
using Xstate.Artifacts.KvmCpuid2;
using Xstate.Captures;
using Xstate.Cli.Input;
using Xstate.Cli.Output;
using Xstate.Findings;
using Xstate.Reports;
using Xstate.Transforms;

namespace Xstate.Cli.Commands;

/// <summary>
/// <c>xstate convert FILE… --to FORMAT -o OUT</c>: the same content in another format, or at another processor's offsets, or a core with
/// its layout noted.
/// </summary>
internal static class ConvertCommand
{
    public static Command Create()
    {
        Option<string?> to = new("--to") { Description = $"What to write: {string.Join(", ", ArtifactConversion.Formats)}." };
        Option<string> output = OutputOption.CreateRequired("Where to write it; of several, the directory in which each is FILE.FORMAT.");
        Option<int?> vcpu = new("--vcpu", "--tid") { Description = "The virtual CPU or thread, for formats that hold one." };
        Option<string?> relocate = new(
            "--relocate")
        { Description = "Move every component to the offsets of this processor (any CPUID artifact or host record)." };
        Option<bool> layoutNote =
            new("--add-layout-note")
            {
                Description = "Instead of --to: write an ELF core with the layout note (NT_X86_XSAVE_LAYOUT) that "
                + "it lacks; --layout says it where the core does not."
            };
        Option<bool> force = new(
            "--force")
        { Description = "Drop components that have no place there, and replace existing regular files." };
        CommonOptions options = new();
        BatchOptions batch = new("States, CPUID dumps or host records, or - for standard input.", options.Json);
        Command command = new("convert", "Write states, CPUID dumps or host records in another format.");
        batch.AddTo(command);
        foreach (Option option in new Option[] { to, output, vcpu, relocate, layoutNote, force })
        {
            command.Add(option);
        }

        options.AddTo(command);
        command.SetAction(parsed =>
        {
            List<string> files = batch.Files(parsed);
            if (files.Count == 0)
            {
                throw new UsageException("convert needs FILE");
            }

            string destination = parsed.GetValue(output)!;
            bool replace = parsed.GetValue(force);
            string? read = parsed.GetValue(options.Format);
            Batch answers = new("convert", files, batch.Form(parsed))
            {
                Columns = [("FROM", 14), ("TO", 14), ("OUTPUT", 40), ("WHY", 0)],
                VerdictColumn = 2
            };
            if (parsed.GetValue(layoutNote))
            {
                if (parsed.GetValue(to) is not null || parsed.GetValue(vcpu) is not null || parsed.GetValue(relocate) is not null)
                {
                    throw new UsageException("--add-layout-note stands instead of --to, --tid and --relocate");
                }

                XsaveLayout? layout = parsed.GetValue(options.Layout) is { } writer
                    ? XsaveLayout.FromCpuid(ArtifactInput.OpenCpuid(writer)) : null;
                Func<string, string> cores = OutputNames.For(files, destination, OutputNames.Uncompressed);
                return answers.Run(file => AddLayoutNote(file, read, cores(file), layout, replace));
            }

            string format = parsed.GetValue(to)
                ?? throw new UsageException($"convert needs --to: {string.Join(", ", ArtifactConversion.Formats)}");
            XsaveLayout? moved = parsed.GetValue(relocate) is { } path ? XsaveLayout.FromCpuid(ArtifactInput.OpenCpuid(path)) : null;
            Choices choices = new(format, parsed.GetValue(vcpu), moved, replace, GivenContext.Read(parsed, options),
                parsed.GetValue(options.CpuTemplate) is not null);
            Func<string, string> outputs = OutputNames.For(files, destination, name => $"{OutputNames.Uncompressed(name)}.{format}");
            return answers.Run(file =>
            {
                AtomicFile.Refuse(outputs(file), replace);
                using OpenedArtifact opened = OpenedArtifact.Open(file, read);
                return Answer(opened, file, outputs(file), choices);
            });
        });
        return command;
    }

    private static FileAnswer AddLayoutNote(string file, string? format, string output, XsaveLayout? layout, bool force)
    {
        AtomicFile.Refuse(output, force);
        using OpenedArtifact opened = OpenedArtifact.Open(file, format);
        if (opened.Artifact.Format != ElfCoreReader.Format)
        {
            throw new UsageException($"{file} is {opened.Artifact.Format}; --add-layout-note is for {ElfCoreReader.Format}");
        }

        long length = 0;
        try
        {
            ImmutableArray<ArtifactPatch> patches = ElfCoreEditing.AddLayoutNote(opened.Content, layout, ArtifactInput.Options(format));
            AtomicFile.Write(
                output,
                stream =>
                {
                    PatchedCopy.Write(opened.Content, patches, stream, opened.Stored);
                    length = stream.Length;
                },
                force,
                OutputMode.Like(file));
        }
        catch (NotSupportedException error)
        {
            throw new UsageException($"{file}: {error.Message}");
        }

        return ToFileAnswer(new ConvertAnswer(file, ElfCoreReader.Format, ElfCoreReader.Format, output, length, [],
            [])
        { Kind = CaptureKind.Process });
    }

    private static FileAnswer Answer(OpenedArtifact opened, string file, string output, Choices choices)
    {
        Conversion conversion;
        try
        {
            conversion = opened.Artifact switch
            {
                { Capture: not null } => Convert(opened, choices),
                { Cpuid: { } dump } => new Conversion(ArtifactConversion.Write(Templated(dump, choices),
                    Path.GetFileNameWithoutExtension(file), choices.Format), [], []),
                { Host: { } host } => new Conversion(ArtifactConversion.Write(Templated(host, choices), choices.Format), [], []),
                _ => throw new UsageException($"{file} is {opened.Artifact.Format}, which holds nothing to convert"),
            };
        }
        catch (NotSupportedException error)
        {
            throw new UsageException($"{file}: {error.Message}");
        }

        bool written = conversion.Obstacles.Count == 0 || choices.Force;
        if (written)
        {
            AtomicFile.Write(output, conversion.Bytes, choices.Force, opened.Artifact.Capture is null
                ? OutputMode.Public : OutputMode.Like(file));
        }

        return ToFileAnswer(new ConvertAnswer(file, opened.Artifact.Format, choices.Format, written ? output : null,
            conversion.Bytes.Length, conversion.Steps, conversion.Obstacles)
        {
            Kind = opened.Artifact.Capture?.Kind ?? default,
        });
    }

    private static FileAnswer ToFileAnswer(ConvertAnswer answer) => new(answer.Obstacles.Count == 0 ? ExitCode.Fine : ExitCode.Findings)
    {
        Json = json => ConvertReport.WriteFields(json, answer),
        Text = output => ConvertReport.WriteText(output, answer),
        Rows = [ConvertReport.RowOf(answer)],
    };

    // A template decides what guests see. That is their CPUID, and no record of the processor below.
    private static HostRecord Templated(HostRecord host, Choices choices) =>
        IsTemplated(choices) ? host with { Cpuid = choices.Given.ApplyTo(host.SupportedCpuid ?? host.Cpuid) } : host;

    private static CpuidDump Templated(CpuidDump dump, Choices choices) =>
        IsTemplated(choices)
            ? CpuidDump.Create(dump.Format,
                [.. dump.Processors.Select(processor => processor with { Cpuid = choices.Given.ApplyTo(processor.Cpuid) })], dump.Remarks)
            : dump;

    private static bool IsTemplated(Choices choices) =>
        choices.HasTemplate
        && (choices.Format is KvmCpuid2Reader.Format or CpuidRawReader.Format
            ? true
            : throw new UsageException(
            $"--cpu-template gives the CPUID of a guest, which {KvmCpuid2Reader.Format} and {CpuidRawReader.Format} hold; "
            + $"{choices.Format} would say it of the processor"));

    private static Conversion Convert(OpenedArtifact opened, Choices choices)
    {
        string format = choices.Format;
        XsaveLayout? layout = choices.Relocate;
        Capture capture = choices.Given.ApplyTo(opened.Capture);
        if (choices.Vcpu is { } id)
        {
            CapturedState state = capture.States.FirstOrDefault(state => state.Id == id)
                ?? throw new UsageException(
                $"there is no virtual CPU or thread {id}; there are "
                + $"{string.Join(", ", capture.States.Take(16).Select(state => state.Id))}");
            capture = capture with { States = [state] };
        }

        List<RepairStep> steps = [];
        List<Finding> obstacles = [];

        // A raw image cannot say that some of its zeros are none.
        foreach (CapturedState state in capture.States.Where(state => format == ArtifactConversion.RawImage && !state.Lost.IsEmpty))
        {
            string bytes = string.Join(", ", state.Lost.Select(range => $"{range.Offset} to {range.End - 1}"));
            obstacles.Add(new Finding(Rules.LostBeforeRepair, Severity.Warning,
                $"bytes {bytes} are lost, and {format} would hold zeros for them")
            { Where = new FindingLocation(state.Id) });
        }

        // The raw image is what a kernel takes: standard format. Other formats keep the area as it is unless it shall move.
        if (layout is not null || format == ArtifactConversion.RawImage)
        {
            (Capture complete, _, ImmutableArray<Finding> guesses) = KnownCapture.Of(capture);
            bool moves = layout is not null || complete.States.Any(state => state.ReadArea().IsCompacted);
            if (moves && guesses.FirstOrDefault() is { } guess)
            {
                throw new UsageException($"{guess.Message}; {guess.Mend}");
            }

            List<CapturedState> states = [];
            foreach (CapturedState state in moves ? complete.States : capture.States)
            {
                Transformed<CapturedState> transformed = moves
                    ? CaptureTransforms.ToStandard(state, layout) : new Transformed<CapturedState>(state, [], []);
                states.Add(transformed.Value);
                steps.AddRange(transformed.Steps);
                obstacles.AddRange(transformed.Obstacles);
            }

            capture = capture with { States = [.. states] };
        }

        return new Conversion(ArtifactConversion.Write(capture, format), steps, obstacles);
    }

    private sealed record Choices(string Format, int? Vcpu, XsaveLayout? Relocate, bool Force, GivenContext Given, bool HasTemplate);

    private sealed record Conversion(byte[] Bytes, IReadOnlyList<RepairStep> Steps, IReadOnlyList<Finding> Obstacles);
}
