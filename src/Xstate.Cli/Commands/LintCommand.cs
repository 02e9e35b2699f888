using System.Collections.Immutable;
using System.CommandLine;
using Xstate.Artifacts;
using Xstate.Artifacts.CpuidRaw;
using Xstate.Artifacts.KvmCpuid2;
using Xstate.Captures;
using Xstate.Cli.Input;
using Xstate.Cli.Output;
using Xstate.Lint;
using Xstate.Reports;

namespace Xstate.Cli.Commands;

/// <summary><c>xstate lint FILE…</c>: does a CPUID contradict itself, and which guest breaks over it.</summary>
internal static class LintCommand
{
    private static readonly (string Name, LintView View)[] Views =
        [.. new[] { LintView.BareMetal, LintView.Guest, LintView.Kvm, LintView.Tdx, LintView.Snp }.Select(view => (LintReport.NameOf(view), view))];

    private static readonly (string Name, LintGuest Guest)[] Guests =
    [
        ("any", LintGuest.Any), ("linux", LintGuest.Linux), ("windows", LintGuest.Windows), ("freebsd", LintGuest.FreeBsd), ("openbsd", LintGuest.OpenBsd), ("xen", LintGuest.Xen),
    ];

    public static Command Create()
    {
        Argument<string[]> files = new("FILE") { Description = "CPUID dumps, host records, captures with a guest's CPUID, 'local', or - for standard input.", Arity = ArgumentArity.ZeroOrMore };
        Option<string> guest = new("--guest") { Description = "Whose checks count as errors: any, linux (linux-6.12), windows, freebsd, openbsd, xen.", DefaultValueFactory = _ => "any" };
        Option<string?> view = new("--view") { Description = $"What the CPUID is: {string.Join(", ", Views.Select(view => view.Name))}. Without it the format decides." };
        Option<bool> kvm = new("--kvm") { Description = "Look at what this machine's KVM supports." };
        Option<string?> host = new("--host") { Description = "CPUID of the processor that runs the guest (any CPUID artifact or host record)." };
        Option<string?> xfam = new("--xfam") { Description = "XFAM of a trust domain, as a mask." };
        Option<string?> xcr0 = new("--xcr0") { Description = "XCR0 when the CPUID was read, as a mask." };
        Option<string?> xss = new("--xss") { Description = "IA32_XSS when the CPUID was read, as a mask." };
        Option<bool> fix = new("--fix") { Description = "Write the CPUID without its contradictions to -o, and list what was changed." };
        Option<string?> output = OutputOption.Create("Where --fix writes.");
        Option<bool> force = new("--force") { Description = "Replace an existing regular file." };
        Option<bool> json = new("--json") { Description = "Print the stable JSON answer instead of text." };
        Option<bool> sarif = new("--sarif") { Description = "Print SARIF 2.1.0 for code hosts instead of text." };
        Option<string?> format = new("--format") { Description = "Read FILE as this format instead of recognising it." };
        Command command = new("lint", "Find where a CPUID contradicts itself, and say which guest breaks over it.")
        {
            files, guest, view, kvm, host, xfam, xcr0, xss, fix, output, force, json, sarif, format,
        };
        command.SetAction(parsed =>
        {
            LintContext context = new()
            {
                View = parsed.GetValue(view) is { } name ? ParseView(name) : LintView.None,
                Guest = ParseGuest(parsed.GetValue(guest)!),
                Host = parsed.GetValue(host) is { } path ? ArtifactInput.OpenCpuid(path) : null,
                Xfam = Set(parsed, xfam),
                Xcr0 = Set(parsed, xcr0),
                Xss = Set(parsed, xss),
            };
            string[] names = parsed.GetValue(files)!;
            List<LintAnswer> answers = [.. names.Select(file => Answer(file, Open(file, parsed.GetValue(format)), context))];
            if (parsed.GetValue(kvm))
            {
                answers.Add(Answer("kvm", Supported(), context));
            }

            if (answers.Count == 0)
            {
                throw new UsageException("lint needs a FILE, 'local' or --kvm");
            }

            if (parsed.GetValue(fix))
            {
                answers = [Fix(answers, parsed.GetValue(output), parsed.GetValue(force))];
            }

            Tell(answers, parsed.GetValue(json), parsed.GetValue(sarif));
            return answers.Exists(answer => answer.HasError) ? ExitCode.Findings : ExitCode.Fine;
        });
        return command;
    }

    private static Artifact Open(string file, string? format) => file == "local" ? OfHost(LocalHost.Record("local", probe: false) with { SupportedCpuid = null }) : ArtifactInput.Open(file, format);

    private static Artifact Supported() =>
        LocalHost.Record("local", probe: false).SupportedCpuid is { } supported
            ? Artifact.FromCpuid(CpuidDump.Create(KvmCpuid2Reader.Format, [new CpuidProcessor("KVM_GET_SUPPORTED_CPUID", supported)], []))
            : throw new UsageException("--kvm asks /dev/kvm, which this user cannot open here");

    private static Artifact OfHost(HostRecord host) => Artifact.FromCpuid(CpuidDump.Create("local", [new CpuidProcessor(host.Name, host.Cpuid)], []));

    private static LintAnswer Answer(string file, Artifact artifact, LintContext context)
    {
        ImmutableArray<LintTarget> targets = LintTarget.Of(artifact, context);
        return targets.IsEmpty
            ? throw new UsageException($"{file} is {artifact.Format}, which holds no CPUID")
            : new LintAnswer(file, artifact.Format, [.. targets.Select(target => new LintResult(target, CpuidLint.Check(target.Dump, target.Context)))]);
    }

    private static LintAnswer Fix(List<LintAnswer> answers, string? output, bool force)
    {
        if (answers is not [{ Results: [{ Target: { } target }, ..] } answer])
        {
            throw new UsageException("--fix takes one FILE");
        }

        string path = output ?? throw new UsageException("--fix needs -o OUT");
        AtomicFile.Refuse(path, force);
        MendedCpuid mended = CpuidMend.Mend(target.Dump.Cpuid, target.Context);
        string format = answer.Format == KvmCpuid2Reader.Format ? KvmCpuid2Reader.Format : CpuidRawReader.Format;
        CpuidDump dump = CpuidDump.Create(format, [new CpuidProcessor("CPU 0", mended.Cpuid)], []);
        byte[] bytes = ArtifactConversion.Write(dump, Path.GetFileNameWithoutExtension(answer.File), format);
        AtomicFile.Write(path, bytes, force, OutputMode.Public);
        return answer with { Mended = mended, Output = path, Results = [new LintResult(target, mended.Remaining)] };
    }

    private static void Tell(List<LintAnswer> answers, bool json, bool sarif)
    {
        if (sarif)
        {
            Standard.Write(stream => LintReport.WriteSarif(stream, answers));
        }
        else if (json)
        {
            Standard.Write(stream => LintReport.WriteJson(stream, answers));
        }
        else
        {
            LintReport.WriteText(Standard.Out, answers);
        }
    }

    private static LintView ParseView(string name) => Array.Find(Views, view => view.Name == name) is { Name: not null } found
        ? found.View
        : throw new UsageException($"--view takes {string.Join(", ", Views.Select(view => view.Name))}, not {name}");

    // linux-6.12 names a release; the checks that count are Linux's.
    private static LintGuest ParseGuest(string name) => Array.Find(Guests, guest => guest.Name == name.Split('-')[0]) is { Name: not null } found
        ? found.Guest
        : throw new UsageException($"--guest takes {string.Join(", ", Guests.Select(guest => guest.Name))}, not {name}");

    private static Architecture.StateComponentSet? Set(ParseResult parsed, Option<string?> option) =>
        parsed.GetValue(option) is { } text ? CommonOptions.ParseSet(text, option.Name) : null;
}
