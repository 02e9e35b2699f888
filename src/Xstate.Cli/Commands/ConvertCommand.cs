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

/// <summary><c>xstate convert FILE --to FORMAT -o OUT</c>: the same content in another format, or at another processor's offsets, or a core with its layout noted.</summary>
internal static class ConvertCommand
{
    public static Command Create()
    {
        Argument<string> file = new("FILE") { Description = "A state, a CPUID dump or a host record, or - for standard input." };
        Option<string?> to = new("--to") { Description = $"What to write: {string.Join(", ", ArtifactConversion.Formats)}." };
        Option<string> output = OutputOption.CreateRequired("Where to write it.");
        Option<int?> vcpu = new("--vcpu", "--tid") { Description = "The virtual CPU or thread, for formats that hold one." };
        Option<string?> relocate = new("--relocate") { Description = "Move every component to the offsets of this processor (any CPUID artifact or host record)." };
        Option<bool> layoutNote = new("--add-layout-note") { Description = "Instead of --to: write an ELF core with the layout note (NT_X86_XSAVE_LAYOUT) that it lacks; --layout says it where the core does not." };
        Option<bool> force = new("--force") { Description = "Drop components that have no place there, and replace existing regular files." };
        CommonOptions options = new();
        Command command = new("convert", "Write a state, a CPUID dump or a host record in another format.") { file, to, output, vcpu, relocate, layoutNote, force };
        options.AddTo(command);
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(layoutNote))
            {
                if (parsed.GetValue(to) is not null || parsed.GetValue(vcpu) is not null || parsed.GetValue(relocate) is not null)
                {
                    throw new UsageException("--add-layout-note stands instead of --to, --tid and --relocate");
                }

                return AddLayoutNote(parsed.GetValue(file)!, parsed.GetValue(output)!, parsed.GetValue(force), parsed, options);
            }

            string format = parsed.GetValue(to) ?? throw new UsageException($"convert needs --to: {string.Join(", ", ArtifactConversion.Formats)}");
            using OpenedArtifact opened = OpenedArtifact.Open(parsed.GetValue(file)!, parsed.GetValue(options.Format));
            return Run(opened, parsed.GetValue(file)!, format, parsed, new Choices(parsed.GetValue(output)!, parsed.GetValue(vcpu), parsed.GetValue(relocate), parsed.GetValue(force)), options);
        });
        return command;
    }

    private static int AddLayoutNote(string file, string output, bool force, ParseResult parsed, CommonOptions options)
    {
        AtomicFile.Refuse(output, force);
        using OpenedArtifact opened = OpenedArtifact.Open(file, parsed.GetValue(options.Format));
        if (opened.Artifact.Format != ElfCoreReader.Format)
        {
            throw new UsageException($"{file} is {opened.Artifact.Format}; --add-layout-note is for {ElfCoreReader.Format}");
        }

        XsaveLayout? layout = parsed.GetValue(options.Layout) is { } writer ? XsaveLayout.FromCpuid(ArtifactInput.OpenCpuid(writer)) : null;
        long length = 0;
        try
        {
            ImmutableArray<ArtifactPatch> patches = ElfCoreEditing.AddLayoutNote(opened.Content, layout, ArtifactInput.Options(parsed.GetValue(options.Format)));
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

        Tell(new ConvertAnswer(file, ElfCoreReader.Format, ElfCoreReader.Format, output, length, [], []) { Kind = CaptureKind.Process }, parsed, options);
        return ExitCode.Fine;
    }

    private static int Run(OpenedArtifact opened, string file, string format, ParseResult parsed, Choices choices, CommonOptions options)
    {
        AtomicFile.Refuse(choices.Output, choices.Force);
        Conversion conversion;
        try
        {
            conversion = opened.Artifact switch
            {
                { Capture: not null } => Convert(opened, format, parsed, choices, options),
                { Cpuid: { } dump } => new Conversion(ArtifactConversion.Write(Templated(dump, format, parsed, options), Path.GetFileNameWithoutExtension(file), format), [], []),
                { Host: { } host } => new Conversion(ArtifactConversion.Write(Templated(host, format, parsed, options), format), [], []),
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
            AtomicFile.Write(choices.Output, conversion.Bytes, choices.Force, opened.Artifact.Capture is null ? OutputMode.Public : OutputMode.Like(file));
        }

        ConvertAnswer answer = new(file, opened.Artifact.Format, format, written ? choices.Output : null, conversion.Bytes.Length, conversion.Steps, conversion.Obstacles) { Kind = opened.Artifact.Capture?.Kind ?? default };
        Tell(answer, parsed, options);
        return conversion.Obstacles.Count == 0 ? ExitCode.Fine : ExitCode.Findings;
    }

    // A template decides what guests see. That is their CPUID, and no record of the processor below.
    private static HostRecord Templated(HostRecord host, string format, ParseResult parsed, CommonOptions options) =>
        IsTemplated(format, parsed, options) ? host with { Cpuid = ArtifactInput.WithTemplate(host.SupportedCpuid ?? host.Cpuid, parsed, options) } : host;

    private static CpuidDump Templated(CpuidDump dump, string format, ParseResult parsed, CommonOptions options) =>
        IsTemplated(format, parsed, options)
            ? CpuidDump.Create(dump.Format, [.. dump.Processors.Select(processor => processor with { Cpuid = ArtifactInput.WithTemplate(processor.Cpuid, parsed, options) })], dump.Remarks)
            : dump;

    private static bool IsTemplated(string format, ParseResult parsed, CommonOptions options) =>
        parsed.GetValue(options.CpuTemplate) is not null
        && (format is KvmCpuid2Reader.Format or CpuidRawReader.Format
            ? true
            : throw new UsageException($"--cpu-template gives the CPUID of a guest, which {KvmCpuid2Reader.Format} and {CpuidRawReader.Format} hold; {format} would say it of the processor"));

    private static void Tell(ConvertAnswer answer, ParseResult parsed, CommonOptions options)
    {
        if (parsed.GetValue(options.Json))
        {
            Standard.Write(stream => ConvertReport.WriteJson(stream, answer));
        }
        else
        {
            ConvertReport.WriteText(Standard.Out, answer);
        }
    }

    private static Conversion Convert(OpenedArtifact opened, string format, ParseResult parsed, Choices choices, CommonOptions options)
    {
        Capture capture = ArtifactInput.WithContext(opened.Capture, parsed, options);
        if (choices.Vcpu is { } id)
        {
            CapturedState state = capture.States.FirstOrDefault(state => state.Id == id)
                ?? throw new UsageException($"there is no virtual CPU or thread {id}; there are {string.Join(", ", capture.States.Take(16).Select(state => state.Id))}");
            capture = capture with { States = [state] };
        }

        XsaveLayout? layout = choices.Relocate is { } path ? XsaveLayout.FromCpuid(ArtifactInput.OpenCpuid(path)) : null;
        List<RepairStep> steps = [];
        List<Finding> obstacles = [];

        // A raw image cannot say that some of its zeros are none.
        foreach (CapturedState state in capture.States.Where(state => format == ArtifactConversion.RawImage && !state.Lost.IsEmpty))
        {
            string bytes = string.Join(", ", state.Lost.Select(range => $"{range.Offset} to {range.End - 1}"));
            obstacles.Add(new Finding(Rules.LostBeforeRepair, Severity.Warning, $"bytes {bytes} are lost, and {format} would hold zeros for them") { Where = new FindingLocation(state.Id) });
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
                Transformed<CapturedState> transformed = moves ? CaptureTransforms.ToStandard(state, layout) : new Transformed<CapturedState>(state, [], []);
                states.Add(transformed.Value);
                steps.AddRange(transformed.Steps);
                obstacles.AddRange(transformed.Obstacles);
            }

            capture = capture with { States = [.. states] };
        }

        return new Conversion(ArtifactConversion.Write(capture, format), steps, obstacles);
    }

    private sealed record Choices(string Output, int? Vcpu, string? Relocate, bool Force);

    private sealed record Conversion(byte[] Bytes, IReadOnlyList<RepairStep> Steps, IReadOnlyList<Finding> Obstacles);
}
