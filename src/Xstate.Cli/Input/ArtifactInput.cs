using System.CommandLine;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.Criu;
using Xstate.Captures;
using Xstate.Cli.Output;
using Xstate.Linux;
using Xstate.Transforms;

namespace Xstate.Cli.Input;

/// <summary>Opens what a command line names: a file, or standard input for <c>-</c>.</summary>
internal static class ArtifactInput
{
    /// <summary>Opens and reads an artifact.</summary>
    public static Artifact Open(string path, string? format = null)
    {
        if (LiveArgument.Open(path) is { } live)
        {
            return live;
        }

        if (OperatingSystem.IsLinux() && CpuidDevice.IsPath(path, out _))
        {
            return Artifact.FromCpuid(CpuidDevice.Read(path));
        }

        if (OpenDirectory(path, format) is { } images)
        {
            return images;
        }

        using Stream stream = OpenStream(path);
        return Artifact.Open(stream, Options(format));
    }

    /// <summary>Reads a directory with the images of CRIU; null when the path is not a directory.</summary>
    /// <exception cref="UsageException">There is no core image in it.</exception>
    public static Artifact? OpenDirectory(string path, string? format)
    {
        if (!Directory.Exists(path))
        {
            return null;
        }

        string[] names = [.. Directory.EnumerateFiles(path).Where(IsRegular).Select(file => Path.GetFileName(file)!)];
        return format is null && CriuImages.Recognizes(names)
            ? CriuImages.Read(names, name => OpenStream(Path.Combine(path, name)), Options(null))
            : throw new UsageException($"{path} is a directory; only one with CRIU's images (core-N.img) is read as a whole, and without --format");
    }

    // A pipe of such a name would be waited for.
    private static bool IsRegular(string path) => !OperatingSystem.IsLinux() || FileStatus.Of(path, followLinks: true) is { Kind: FileKind.Regular };

    /// <summary>The bytes of a file, or of standard input.</summary>
    public static Stream OpenStream(string path)
    {
        Session.Current.Inputs.Add(path);
        return path == "-" ? Standard.Input : File.OpenRead(path);
    }

    /// <summary>How the command opens artifacts: with the format that was asked for, and with what decompresses.</summary>
    public static ArtifactOptions Options(string? format)
    {
        if (format is not null && !Artifact.Formats.Any(f => f.Name == format))
        {
            throw new UsageException($"there is no format {format}; there are {string.Join(", ", Artifact.Formats.Select(f => f.Name))}");
        }

        return new ArtifactOptions { Format = format, Decompressor = ContentDecompressor.Open, Limits = Session.Current.Limits };
    }

    /// <summary>Adds what the command line says about every state; it wins over what the artifact says.</summary>
    public static Capture WithContext(Capture capture, ParseResult parsed, CommonOptions options)
    {
        Fact<CpuidTable>? cpuid = parsed.GetValue(options.GuestCpuid) is { } guest ? new Fact<CpuidTable>(OpenCpuid(guest), FactSource.Given, guest) : null;
        Fact<XsaveLayout>? layout = parsed.GetValue(options.Layout) is { } writer
            ? new Fact<XsaveLayout>(XsaveLayout.FromCpuid(OpenCpuid(writer)), FactSource.Given, writer)
            : null;
        CpuTemplate? template = parsed.GetValue(options.CpuTemplate) is { } changes ? OpenTemplate(changes) : null;
        Fact<StateComponentSet>? xcr0 = parsed.GetValue(options.Xcr0) is { } text ? new Fact<StateComponentSet>(OpenXcr0(text), FactSource.Given, "--xcr0") : null;
        Fact<StateComponentSet>? xss = GivenSet(parsed, options.Xss);
        Fact<StateComponentSet>? xfd = GivenSet(parsed, options.Xfd);
        return capture with
        {
            States =
            [
                .. capture.States.Select(state => state with
                {
                    GuestCpuid = template is null ? cpuid ?? state.GuestCpuid : Apply(template, cpuid ?? state.GuestCpuid),
                    Layout = layout ?? state.Layout,
                    Xcr0 = xcr0 ?? state.Xcr0,
                    Xss = xss ?? state.Xss,
                    Xfd = xfd ?? state.Xfd,
                }),
            ],
        };
    }

    /// <summary>CPUID of the first processor of any CPUID artifact or host record.</summary>
    public static CpuidTable OpenCpuid(string path)
    {
        Artifact artifact = Open(path);
        return artifact.Cpuid?.Cpuid ?? artifact.Host?.Cpuid ?? throw new UsageException(
            $"{path} is {artifact.Format}, which {(artifact.Models is null ? "holds no CPUID" : "names features and has no CPUID: sizes and offsets of components are not in it")}");
    }

    /// <summary>CPUID under the template of the command line; as it is without one.</summary>
    public static CpuidTable WithTemplate(CpuidTable cpuid, ParseResult parsed, CommonOptions options) =>
        parsed.GetValue(options.CpuTemplate) is { } template ? Apply(OpenTemplate(template), new Fact<CpuidTable>(cpuid, FactSource.Artifact, "")).Value : cpuid;

    private static CpuTemplate OpenTemplate(string path)
    {
        Artifact artifact = Open(path);
        return artifact.Template ?? throw new UsageException($"{path} is {artifact.Format}, not a CPU template");
    }

    private static Fact<CpuidTable> Apply(CpuTemplate template, Fact<CpuidTable>? cpuid)
    {
        if (cpuid is null)
        {
            throw new UsageException("--cpu-template changes the guest's CPUID, which is not known; give it with --guest-cpuid FILE");
        }

        TemplatedCpuid templated = CpuTemplates.Apply(template, cpuid.Value);
        return templated.Findings.IsEmpty
            ? new Fact<CpuidTable>(templated.Cpuid, FactSource.Given, $"{cpuid.Provenance.Detail} under --cpu-template")
            : throw new UsageException($"--cpu-template: {string.Join("; ", templated.Findings.Select(finding => finding.Message))}");
    }

    private static Fact<StateComponentSet>? GivenSet(ParseResult parsed, Option<string?> option) =>
        parsed.GetValue(option) is { } text ? new Fact<StateComponentSet>(CommonOptions.ParseSet(text, option.Name), FactSource.Given, option.Name) : null;

    private static StateComponentSet OpenXcr0(string text)
    {
        if (!File.Exists(text))
        {
            return CommonOptions.ParseSet(text, "--xcr0");
        }

        return Open(text).Xcrs?.Xcr0 ?? throw new UsageException($"{text} holds no XCR0");
    }
}
