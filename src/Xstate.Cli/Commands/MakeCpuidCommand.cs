using System.Collections.Immutable;
using System.CommandLine;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.CpuidRaw;
using Xstate.Captures;
using Xstate.Cli.Input;
using Xstate.Cli.Output;
using Xstate.Lint;
using Xstate.Reports;

namespace Xstate.Cli.Commands;

/// <summary><c>xstate make-cpuid BASE</c>: the CPUID of a guest with what is wanted, consistent with itself.</summary>
internal static class MakeCpuidCommand
{
    public static Command Create()
    {
        Argument<string> source =
            new("BASE")
            {
                Description = "What the host offers: a host record (what its KVM supports), a CPUID dump, a fingerprint, or "
                + "'local'."
            };
        Option<string?> components =
            new("--components")
            {
                Description = "State components that the guest may enable, by name, such as avx,opmask,pkru; without "
                + "it all that BASE has."
            };
        Option<string?> with = new("--with") { Description = "Features that have to be there in the end, such as avx512-fp16,amx-tile." };
        Option<string?> without = new("--without") { Description = "Features to take away, with all that builds upon them." };
        Option<string?> xcr0 = new(
            "--xcr0")
        { Description = "XCR0 for which the sizes are told, as a mask; without it that of a new virtual CPU, which is 1." };
        Option<string> to = new("--to")
        {
            Description = $"What to write: {string.Join(", ", GuestCpuidFile.Formats)}.",
            DefaultValueFactory = _ => CpuidRawReader.Format
        };
        Option<string> output = OutputOption.CreateRequired("Where to write it.");
        Option<bool> force = new("--force") { Description = "Replace an existing regular file." };
        Option<bool> json = new("--json") { Description = "Print the stable JSON answer instead of text." };
        Command command = new("make-cpuid", "Make the consistent CPUID of a guest from what a host offers and what is wanted.") { source,
            components, with, without, xcr0, to, output, force, json };
        command.SetAction(parsed =>
        {
            string path = parsed.GetValue(output)!;
            string format = parsed.GetValue(to)!;
            if (!GuestCpuidFile.Formats.Contains(format))
            {
                throw new UsageException($"--to takes {string.Join(", ", GuestCpuidFile.Formats)}, not {format}");
            }

            AtomicFile.Refuse(path, parsed.GetValue(force));
            CpuidTable offered = OpenBase(parsed.GetValue(source)!);
            CpuidWish wish = new()
            {
                Components = parsed.GetValue(components) is { } names ? ParseComponents(names) : null,
                With = ParseFeatures(parsed.GetValue(with), with.Name),
                Without = ParseFeatures(parsed.GetValue(without), without.Name),
                Xcr0 = parsed.GetValue(xcr0) is { } mask
                    ? CommonOptions.ParseSet(mask, xcr0.Name) : StateComponentSet.Of(StateComponent.X87),
            };
            MadeCpuid made = CpuidMaker.Make(offered, wish);
            MakeCpuidAnswer answer = new(parsed.GetValue(source)!, format, made)
            {
                Unnamed = GuestCpuidFile.Unnamed(made, format),
            };
            if (made.Obstacles.IsEmpty)
            {
                AtomicFile.Write(path, GuestCpuidFile.Write(offered, made, format), parsed.GetValue(force), OutputMode.Public);
                answer = answer with { Output = path };
            }

            if (parsed.GetValue(json))
            {
                Standard.Write(stream => MakeCpuidReport.WriteJson(stream, answer));
            }
            else
            {
                MakeCpuidReport.WriteText(Standard.Out, answer);
                if (made.Obstacles.IsEmpty)
                {
                    NextCommand.Suggest(Standard.Out, "lint", path, "--view", "guest");
                }
            }

            return made.Obstacles.IsEmpty ? ExitCode.Fine : ExitCode.Findings;
        });
        return command;
    }

    // What guests can be given, where the base tells it apart from the processor.
    private static CpuidTable OpenBase(string source)
    {
        if (source == "local")
        {
            HostRecord local = LocalHost.Record("local", probe: false);
            return local.SupportedCpuid ?? local.Cpuid;
        }

        Artifact artifact = ArtifactInput.Open(source);
        return artifact.Host is { } host
            ? host.SupportedCpuid ?? host.Cpuid
            : artifact.Cpuid?.Cpuid
            ?? throw new UsageException(
            $"{source} is {artifact.Format}, which does not hold what a host offers; give a host record or a CPUID dump");
    }

    private static StateComponentSet ParseComponents(string names)
    {
        StateComponentSet set = StateComponentSet.Empty;
        foreach (string name in names.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            StateComponentInfo? info = StateComponents.All.FirstOrDefault(info => info.Name == name);
            set |= info?.Bit
                ?? throw new UsageException(
                $"there is no component {name}; there are {string.Join(", ", StateComponents.All.Select(info => info.Name))}");
        }

        return set;
    }

    private static ImmutableArray<CpuidFeature> ParseFeatures(string? names, string option) =>
    [
        .. (names ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Select(name => FeatureNames.FeatureOf(name)
                ?? throw new UsageException(
                $"{option}: there is no feature {name} known here; names are the manual's, QEMU's or Linux's, such as pku or avx512f")),
    ];
}
