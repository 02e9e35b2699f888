using System.CommandLine;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Transforms;

namespace Xstate.Cli.Input;

/// <summary>What the command line says about every state; it wins over what the artifact says. Its files are read once.</summary>
internal sealed class GivenContext
{
    private Fact<CpuidTable>? _cpuid;
    private Fact<XsaveLayout>? _layout;
    private CpuTemplate? _template;
    private Fact<StateComponentSet>? _xcr0;
    private Fact<StateComponentSet>? _xss;
    private Fact<StateComponentSet>? _xfd;

    private GivenContext()
    {
    }

    /// <summary>Reads it.</summary>
    public static GivenContext Read(ParseResult parsed, CommonOptions options) => new()
    {
        _cpuid = parsed.GetValue(options.GuestCpuid) is { } guest
            ? new Fact<CpuidTable>(ArtifactInput.OpenCpuid(guest), FactSource.Given, guest) : null,
        _layout = parsed.GetValue(options.Layout) is { } writer
            ? new Fact<XsaveLayout>(XsaveLayout.FromCpuid(ArtifactInput.OpenCpuid(writer)), FactSource.Given, writer)
            : null,
        _template = parsed.GetValue(options.CpuTemplate) is { } changes ? OpenTemplate(changes) : null,
        _xcr0 = parsed.GetValue(options.Xcr0) is { } text ? new Fact<StateComponentSet>(OpenXcr0(text), FactSource.Given, "--xcr0") : null,
        _xss = GivenSet(parsed, options.Xss),
        _xfd = GivenSet(parsed, options.Xfd),
    };

    /// <summary>A capture with what is given.</summary>
    public Capture ApplyTo(Capture capture)
    {
        ArgumentNullException.ThrowIfNull(capture);
        return capture with
        {
            States =
            [
                .. capture.States.Select(state => state with
                {
                    GuestCpuid = _template is null ? _cpuid ?? state.GuestCpuid : Apply(_template, _cpuid ?? state.GuestCpuid),
                    Layout = _layout ?? state.Layout,
                    Xcr0 = _xcr0 ?? state.Xcr0,
                    Xss = _xss ?? state.Xss,
                    Xfd = _xfd ?? state.Xfd,
                }),
            ],
        };
    }

    /// <summary>CPUID under the template of the command line; as it is without one.</summary>
    public CpuidTable ApplyTo(CpuidTable cpuid) => _template is null
        ? cpuid : Apply(_template, new Fact<CpuidTable>(cpuid, FactSource.Artifact, "")).Value;

    private static CpuTemplate OpenTemplate(string path)
    {
        Artifact artifact = ArtifactInput.Open(path);
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
        parsed.GetValue(option) is { } text ? new Fact<StateComponentSet>(CommonOptions.ParseSet(text, option.Name), FactSource.Given,
            option.Name) : null;

    private static StateComponentSet OpenXcr0(string text)
    {
        if (!File.Exists(text))
        {
            return CommonOptions.ParseSet(text, "--xcr0");
        }

        return ArtifactInput.Open(text).Xcrs?.Xcr0 ?? throw new UsageException($"{text} holds no XCR0");
    }
}
