using System.Collections.Immutable;
using System.CommandLine;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.CpuidRaw;
using Xstate.Artifacts.KvmCpuid2;
using Xstate.Captures;
using Xstate.Cli.Input;
using Xstate.Cli.Output;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kernels;
using Xstate.Lint;
using Xstate.Linux.Kvm;
using Xstate.Reports;

namespace Xstate.Cli.Commands;

/// <summary><c>xstate lint FILE…</c>: does a CPUID contradict itself, and which guest breaks over it.</summary>
internal static class LintCommand
{
    private const string Linux = "linux";

    private static readonly (string Name, LintView View)[] Views =
        [.. new[] { LintView.BareMetal, LintView.Guest, LintView.Kvm, LintView.Tdx,
            LintView.Snp }.Select(view => (LintReport.NameOf(view), view))];

    private static readonly (string Name, LintGuest Guest)[] Guests =
    [
        ("any", LintGuest.Any), (Linux, LintGuest.Linux), ("windows", LintGuest.Windows), ("freebsd", LintGuest.FreeBsd),
            ("openbsd", LintGuest.OpenBsd), ("xen", LintGuest.Xen),
    ];

    // An object of its own, so that a file of that name is another one.
    private static readonly string SupportedName = new("kvm");

    public static Command Create()
    {
        Option<string> guest =
            new("--guest")
            {
                Description = "Whose checks count as errors: any, linux (linux-6.12), windows, freebsd, openbsd, xen.",
                DefaultValueFactory = _ => "any"
            };
        Option<string?> view =
            new("--view")
            {
                Description = $"What the CPUID is: {string.Join(", ", Views.Select(view => view.Name))}. Without it the "
                + "format decides."
            };
        Option<bool> kvm = new("--kvm") { Description = "Look at what this machine's KVM supports." };
        Option<string?> host =
            new("--host") { Description = "CPUID of the processor that runs the guest (any CPUID artifact or host record)." };
        Option<string?> xfam = new("--xfam") { Description = "XFAM of a trust domain, as a mask." };
        Option<string?> xcr0 = new("--xcr0") { Description = "XCR0 when the CPUID was read, as a mask." };
        Option<string?> xss = new("--xss") { Description = "IA32_XSS when the CPUID was read, as a mask." };
        Option<bool> fix = new("--fix") { Description = "Write the CPUID without its contradictions to -o, and list what was changed." };
        Option<string?> output = OutputOption.Create("Where --fix writes.");
        Option<bool> force = new("--force") { Description = "Replace an existing regular file." };
        Option<bool> json = new("--json") { Description = "Print the stable JSON answer instead of text." };
        Option<bool> sarif = new("--sarif") { Description = "Print SARIF 2.1.0 for code hosts instead of text." };
        Option<string?> format = new("--format") { Description = "Read FILE as this format instead of recognising it." };
        BatchOptions batch = new("CPUID dumps, host records, captures with a guest's CPUID, 'local', or - for standard input.", json);
        Command command = new("lint", "Find where a CPUID contradicts itself, and say which guest breaks over it.");
        batch.AddTo(command);
        foreach (Option option in new Option[] { guest, view, kvm, host, xfam, xcr0, xss, fix, output, force, json, sarif, format })
        {
            command.Add(option);
        }

        command.SetAction(parsed =>
        {
            LintContext context = new()
            {
                View = parsed.GetValue(view) is { } name ? ParseView(name) : LintView.None,
                Guest = ParseGuest(parsed.GetValue(guest)!),
                LinuxRelease = ParseRelease(parsed.GetValue(guest)!),
                Host = parsed.GetValue(host) is { } path ? ArtifactInput.OpenCpuid(path) : null,
                Xfam = Set(parsed, xfam),
                Xcr0 = Set(parsed, xcr0),
                Xss = Set(parsed, xss),
            };
            List<string> files = batch.Files(parsed);
            if (parsed.GetValue(kvm))
            {
                files.Add(SupportedName);
            }

            if (files.Count == 0)
            {
                throw new UsageException("lint needs a FILE, 'local' or --kvm");
            }

            LintAnswer Answer(string file) => LintCommand.Answer(file,
                Open(file, parsed.GetValue(format), isOption: parsed.GetValue(kvm) && ReferenceEquals(file, SupportedName)), context);
            if (parsed.GetValue(fix))
            {
                return files is [var only]
                    ? new Batch("lint", files, batch.Form(parsed)) { Columns = [] }.Run(_ =>
                        ToFileAnswer(Fix(Answer(only), parsed.GetValue(output), parsed.GetValue(force))))
                    : throw new UsageException("--fix takes one FILE");
            }

            return parsed.GetValue(sarif)
                ? TellSarif(files, Answer)
                : new Batch("lint", files, batch.Form(parsed))
                {
                    Columns = [("TABLE", 9), ("VIEW", 10), ("ERRORS", 6), ("WARNINGS", 8),
                    ("RULES", 0)],
                    VerdictColumn = 2
                }.Run(file => ToFileAnswer(Answer(file)));
        });
        return command;
    }

    private static Artifact Open(string file, string? format, bool isOption) =>
        isOption ? Supported()
        : file == "local" ? OfHost(LocalHost.Record("local", probe: false) with { SupportedCpuid = null }) : ArtifactInput.Open(file,
            format);

    private static Artifact Supported()
    {
        if (!OperatingSystem.IsLinux())
        {
            throw new UsageException("--kvm asks Linux's /dev/kvm");
        }

        // Where it cannot be opened, this says why.
        using KvmDevice device = KvmDevice.Open();
        CpuidTable supported = LocalHost.Record("local", probe: false).SupportedCpuid
            ?? throw new UsageException("KVM here tells no CPUID that it supports");
        return Artifact.FromCpuid(CpuidDump.Create(KvmCpuid2Reader.Format, [new CpuidProcessor("KVM_GET_SUPPORTED_CPUID", supported)], []));
    }

    private static Artifact OfHost(HostRecord host) =>
        Artifact.FromCpuid(CpuidDump.Create("local", [new CpuidProcessor(host.Name, host.Cpuid)], []));

    private static LintAnswer Answer(string file, Artifact artifact, LintContext context)
    {
        ImmutableArray<LintTarget> targets = LintTarget.Of(artifact, context);
        return targets.IsEmpty
            ? throw new UsageException($"{file} is {artifact.Format}, which holds no CPUID")
            : new LintAnswer(file, artifact.Format,
                [.. targets.Select(target => new LintResult(target, CpuidLint.Check(target.Dump, target.Context)))]);
    }

    private static LintAnswer Fix(LintAnswer answer, string? output, bool force)
    {
        LintTarget target = answer.Results[0].Target;
        string path = output ?? throw new UsageException("--fix needs -o OUT");
        AtomicFile.Refuse(path, force);
        MendedCpuid mended = CpuidMend.Mend(target.Dump.Cpuid, target.Context);
        string format = answer.Format == KvmCpuid2Reader.Format ? KvmCpuid2Reader.Format : CpuidRawReader.Format;
        CpuidDump dump = CpuidDump.Create(format, [new CpuidProcessor("CPU 0", mended.Cpuid)], []);
        byte[] bytes = ArtifactConversion.Write(dump, Path.GetFileNameWithoutExtension(answer.File), format);
        AtomicFile.Write(path, bytes, force, OutputMode.Public);
        return answer with { Mended = mended, Output = path, Results = [new LintResult(target, mended.Remaining)] };
    }

    private static FileAnswer ToFileAnswer(LintAnswer answer) => new(answer.HasError ? ExitCode.Findings : ExitCode.Fine)
    {
        Json = json => LintReport.WriteFields(json, answer),
        Text = output =>
        {
            LintReport.WriteText(output, [answer]);
            if (answer.Mended is null && answer.Results.SelectMany(result => result.Findings)
                .FirstOrDefault(finding => finding.Severity == Severity.Error) is { } first)
            {
                NextCommand.Suggest(output, "rules", first.Rule.Id);
            }
        },
        Rows = [.. LintReport.RowsOf(answer)],
    };

    // One document, with the rules of all files before their results; what is wrong with a file is said on standard error.
    private static int TellSarif(List<string> files, Func<string, LintAnswer> answer)
    {
        List<LintAnswer> answers = [];
        int exit = ExitCode.Fine;
        foreach (string file in files)
        {
            try
            {
                answers.Add(answer(file));
                exit = ExitCode.Worse(exit, answers[^1].HasError ? ExitCode.Findings : ExitCode.Fine);
            }
            catch (MalformedArtifactException error) when (files.Count > 1 && Session.Current.LeftOut.Takes(file, error))
            {
                // It is told at the end of the run.
            }
#pragma warning disable CA1031 // As in App: what is wrong becomes an exit code and one line.
            catch (Exception error) when (files.Count > 1)
#pragma warning restore CA1031
            {
                Failure failure = Failure.OfOne(error);
                exit = ExitCode.Worse(exit, failure.Exit);
                Standard.Error.WriteLine($"xstate: {file}: {failure.Message}");
            }
        }

        Standard.Write(stream => LintReport.WriteSarif(stream, answers));
        return exit;
    }

    private static LintView ParseView(string name) => Array.Find(Views, view => view.Name == name) is { Name: not null } found
        ? found.View
        : throw new UsageException($"--view takes {string.Join(", ", Views.Select(view => view.Name))}, not {name}");

    private static LintGuest ParseGuest(string name) =>
        Array.Find(Guests, guest => guest.Name == (IsRelease(name) ? Linux : name)) is { Name: not null } found
        ? found.Guest
        : throw new UsageException(
        $"--guest takes {string.Join(", ", Guests.Select(guest => guest.Name))} and a release such as linux-6.12, not "
        + $"{Quotation.Cut(name)}");

    // linux-6.12 names a release: the checks that count are Linux's, as that release does them.
    private static KernelRelease? ParseRelease(string name) => !IsRelease(name) ? null
        : KernelNames.TryRead(name, KernelEvidence.None, out KernelBehavior? kernel, out string error) && kernel.Release is { } release
            ? release
            : throw new UsageException($"--guest {Quotation.Cut(name)} names no release of Linux{(error.Length > 0 ? $": {error}" : "")}");

    private static bool IsRelease(string name) => name.StartsWith($"{Linux}-", StringComparison.Ordinal);

    private static Architecture.StateComponentSet? Set(ParseResult parsed, Option<string?> option) =>
        parsed.GetValue(option) is { } text ? CommonOptions.ParseSet(text, option.Name) : null;
}
