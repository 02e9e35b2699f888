using Xstate.Artifacts.Json;
using Xstate.Captures;

namespace Xstate.Artifacts.FirecrackerCpu;

/// <summary>
/// Reads Firecracker's CPU templates: <c>cpuid_modifiers</c> and <c>msr_modifiers</c> with a bit map for each register, in which <c>x</c>
/// keeps a bit.
/// </summary>
internal static class CpuTemplateReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "firecracker-cpu-template";

    internal static bool Recognizes(ReadOnlySpan<byte> head) => CpuConfigFields.HasMember(head, "cpuid_modifiers"u8)
        || CpuConfigFields.HasMember(head, "msr_modifiers"u8);

    /// <summary>Reads the template.</summary>
    /// <exception cref="MalformedArtifactException">It is no such template, or a limit is exceeded.</exception>
    public static CpuTemplate Read(ReadOnlySpan<byte> json, ArtifactLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        JsonCursor cursor = new(json, Format, limits);
        CpuTemplate template = CpuConfigFields.Read(ref cursor, Format);
        cursor.End();
        return template.Cpuid.IsEmpty && template.Msrs.IsEmpty ? throw new MalformedArtifactException(Format, 0, "no modifier",
            "cpuid_modifiers or msr_modifiers with at least one") : template;
    }
}
