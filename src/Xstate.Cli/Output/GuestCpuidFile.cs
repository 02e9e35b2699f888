using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.CpuidRaw;
using Xstate.Artifacts.FeatureLists;
using Xstate.Artifacts.FirecrackerCpu;
using Xstate.Artifacts.KvmCpuid2;
using Xstate.Artifacts.LibvirtCpuModel;
using Xstate.Artifacts.PastedDumps;
using Xstate.Captures;
using Xstate.Lint;

namespace Xstate.Cli.Output;

/// <summary>The CPUID that was made for a guest, as VMMs take it.</summary>
internal static class GuestCpuidFile
{
    /// <summary>The formats.</summary>
    public static ImmutableArray<string> Formats { get; } =
    [
        CpuidRawReader.Format, KvmCpuid2Reader.Format, CpuTemplateReader.Format, CpuidListReader.Format, QemuCpuReader.Format,
            LibvirtCpuModelReader.Format,
    ];

    /// <summary>Removed features that a format has no name for.</summary>
    public static ImmutableArray<CpuidFeature> Unnamed(MadeCpuid made, string format) =>
        format is QemuCpuReader.Format or LibvirtCpuModelReader.Format
        ? [.. made.Removed.Where(feature => FeatureNames.QemuNameOf(feature) is null)] : [];

    /// <summary>The bytes.</summary>
    /// <param name="offered">What the host's KVM offers.</param>
    /// <param name="made">What was made of it.</param>
    /// <param name="format">One of the formats.</param>
    /// <exception cref="UsageException">The format cannot say it.</exception>
    public static byte[] Write(CpuidTable offered, MadeCpuid made, string format)
    {
        IEnumerable<CpuidFeature> named = made.Removed.Where(feature => FeatureNames.QemuNameOf(feature) is not null);
        try
        {
            return format switch
            {
                CpuTemplateReader.Format => CpuTemplateWriter.Write(offered, made.Cpuid),
                CpuidListReader.Format => CpuidListWriter.Write(made.Cpuid),
                QemuCpuReader.Format => FeatureListWriter.WriteQemu(named),
                LibvirtCpuModelReader.Format => FeatureListWriter.WriteLibvirt(named),
                _ => ArtifactConversion.Write(CpuidDump.Create(format, [new CpuidProcessor("CPU 0", made.Cpuid)], []), "guest", format),
            };
        }
        catch (NotSupportedException error)
        {
            throw new UsageException(error.Message);
        }
    }
}
