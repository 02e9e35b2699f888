using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Artifacts.CaptureFile;
using Xstate.Artifacts.CpuidRaw;
using Xstate.Artifacts.HostFile;
using Xstate.Artifacts.KvmCpuid2;
using Xstate.Artifacts.KvmXcrs;
using Xstate.Artifacts.KvmXsave;
using Xstate.Captures;

namespace Xstate.Artifacts;

/// <summary>
/// Writes what one artifact holds as another format that can hold it, or a part of it. Never invents what the artifact does not say.
/// </summary>
internal static class ArtifactConversion
{
    /// <summary>The format of a bare XSAVE area, as KVM_SET_XSAVE takes it.</summary>
    public const string RawImage = KvmXsaveReader.Format;

    /// <summary>Names of the formats that can be written.</summary>
    public static ImmutableArray<string> Formats { get; } =
    [
        CaptureFileReader.Format, KvmXsaveReader.Format, KvmXcrsReader.Format, KvmCpuid2Reader.Format, CpuidRawReader.Format,
            HostFileReader.Format,
    ];

    /// <summary>A capture, or the part of it that the format holds.</summary>
    /// <param name="capture">The capture; one with a single state for the formats of one virtual CPU.</param>
    /// <param name="format">One of <see cref="Formats"/>.</param>
    /// <exception cref="NotSupportedException">The format does not hold such a thing, or the capture does not say what it holds; the
    /// message names it.</exception>
    public static byte[] Write(Capture capture, string format)
    {
        ArgumentNullException.ThrowIfNull(capture);
        return format switch
        {
            CaptureFileReader.Format => CaptureFileWriter.Write(capture),
            KvmXsaveReader.Format => KvmXsaveWriter.Write(Only(capture, format)),
            KvmXcrsReader.Format => KvmXcrsWriter.Write(KvmXcrsBlob.ForXcr0((Only(capture, format).Xcr0 ?? throw Unknown("XCR0")).Value)),
            KvmCpuid2Reader.Format or CpuidRawReader.Format =>
                Write((Only(capture, format).GuestCpuid ?? throw Unknown("the guest's CPUID")).Value, format),
            _ => throw NoSuchFormat("state", format),
        };
    }

    /// <summary>A CPUID dump; of several logical processors only <c>cpuid-r</c> keeps more than the first.</summary>
    /// <param name="dump">The dump.</param>
    /// <param name="name">The host's name, for a host record.</param>
    /// <param name="format">One of <see cref="Formats"/>.</param>
    /// <exception cref="NotSupportedException">The format does not hold such a thing.</exception>
    public static byte[] Write(CpuidDump dump, string name, string format)
    {
        ArgumentNullException.ThrowIfNull(dump);
        return format switch
        {
            CpuidRawReader.Format => Raw(dump),
            HostFileReader.Format =>
                HostFileWriter.Write(dump.ToHostRecord(name, new Provenance(FactSource.Artifact, $"converted from {dump.Format}"))),
            _ => Write(dump.Cpuid, format),
        };
    }

    /// <summary>A host record, or its CPUID.</summary>
    /// <param name="host">The host.</param>
    /// <param name="format">One of <see cref="Formats"/>.</param>
    /// <exception cref="NotSupportedException">The format does not hold such a thing.</exception>
    public static byte[] Write(HostRecord host, string format)
    {
        ArgumentNullException.ThrowIfNull(host);
        return format == HostFileReader.Format ? HostFileWriter.Write(host) : Write(host.Cpuid, format);
    }

    private static byte[] Write(CpuidTable cpuid, string format) => format switch
    {
        KvmCpuid2Reader.Format => KvmCpuid2Writer.Write(KvmCpuid2Blob.From(cpuid)),
        CpuidRawReader.Format => Raw(CpuidDump.Create(format, [new CpuidProcessor("CPU", cpuid)], [])),
        _ => throw NoSuchFormat("CPUID dump", format),
    };

    // A dump without a line of values is not recognised by anybody, and would say nothing.
    private static byte[] Raw(CpuidDump dump) =>
        dump.Processors.Any(processor => processor.Cpuid.Entries.Length > 0) ? CpuidRawWriter.Write(dump)
            : throw new NotSupportedException($"the CPUID has no leaf; {CpuidRawReader.Format} would be empty");

    private static CapturedState Only(Capture capture, string format) => capture.States is [var only]
        ? only
        : throw new NotSupportedException(
        $"{format} holds one virtual CPU, the capture has {capture.States.Length}: "
        + $"{string.Join(", ", capture.States.Take(8).Select(state => state.Id))}");

    private static NotSupportedException Unknown(string what) => new($"the capture does not say {what}");

    private static NotSupportedException NoSuchFormat(string what, string format) =>
        new(Formats.Contains(format)
            ? $"{format} does not hold a {what}" : $"{format} cannot be written; {string.Join(", ", Formats)} can");
}
