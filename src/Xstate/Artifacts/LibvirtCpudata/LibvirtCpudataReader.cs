using Xstate.Architecture;
using Xstate.Artifacts.Text;
using Xstate.Artifacts.Xml;
using Xstate.Captures;

namespace Xstate.Artifacts.LibvirtCpudata;

/// <summary>
/// Reads the CPUID dumps of libvirt's CPU tests: <c>&lt;cpudata arch='x86'&gt;</c> with <c>&lt;cpuid eax_in= ecx_in= eax= ebx= ecx=
/// edx=/&gt;</c>, raw answers of one processor. Model-specific registers (<c>&lt;msr&gt;</c>) hold no extended state and are passed over.
/// </summary>
internal static class LibvirtCpudataReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "libvirt-cpudata";

    private const string Root = "cpudata";

    internal static bool Recognizes(ReadOnlySpan<byte> head) => XmlCursor.RootOf(head) == Root;

    /// <summary>Reads the document.</summary>
    /// <exception cref="MalformedArtifactException">It is no such document, or a limit is exceeded.</exception>
    public static CpuidDump Read(ReadOnlyMemory<byte> bytes, ArtifactLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        using XmlCursor xml = new(bytes, Format);
        xml.Expect(Root);
        if (xml.Require("arch") is not ("x86" or "x86_64" or "i686") and string other)
        {
            throw xml.Malformed($"arch='{Quotation.Of(other)}'", "x86");
        }

        CpuidDumpBuilder dump = new(Format, limits);
        dump.StartProcessor("CPU", xml.Offset);
        int root = xml.Depth;
        while (xml.NextChild(root))
        {
            xml.Expect("cpuid", "msr");
            if (xml.Name == "cpuid")
            {
                dump.Add(
                    xml.RequireNumber("eax_in"),
                    xml.Number("ecx_in") ?? 0,
                    new CpuidRegisters(xml.RequireNumber("eax"), xml.RequireNumber("ebx"), xml.RequireNumber("ecx"),
                        xml.RequireNumber("edx")),
                    xml.Offset);
            }
        }

        xml.End();
        return dump.Build();
    }
}
