using Xstate.Artifacts.Xml;
using Xstate.Captures;

namespace Xstate.Artifacts.LibvirtCpuModel;

/// <summary>
/// Reads what libvirt says of CPU models: <c>virsh domcapabilities</c>, <c>virsh capabilities</c>, a domain (<c>virsh dumpxml</c>), a bare
/// <c>&lt;cpu&gt;</c> element as of a domain, and the files of its CPU map. All of them name features; none has masks, sizes or offsets of
/// leaf 0xD.
/// </summary>
internal static class LibvirtCpuModelReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "libvirt-cpu-model";

    private const string Domain = "domainCapabilities";
    private const string Host = "capabilities";
    private const string Cpu = "cpu";
    private const string Map = "cpus";
    private const string Guest = "domain";

    internal static bool Recognizes(ReadOnlySpan<byte> head) => XmlCursor.RootOf(head[PastedXml.Start(head)..]) is Domain or Host or Cpu
        or Map or Guest;

    /// <summary>Reads the document.</summary>
    /// <exception cref="MalformedArtifactException">It is no such document, or a limit is exceeded.</exception>
    public static CpuModelList Read(ReadOnlyMemory<byte> bytes, ArtifactLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        ReadOnlyMemory<byte> document = PastedXml.Cut(bytes, out SkippedText? skipped);
        using XmlCursor xml = new(document, Format);
        xml.Expect(Domain, Host, Cpu, Map, Guest);
        CpuModelList list = xml.Name switch
        {
            Domain => DomainCapabilities.Read(xml, limits),
            Host => ReadCapabilities(xml, limits),
            Guest => ReadDomain(xml, limits),
            Cpu => Only(ModelElement.Read(xml, "cpu", "a <cpu> element", limits)),
            _ => CpuMapFile.Read(xml, limits),
        };
        xml.End();
        return list with { Skipped = skipped };
    }

    // <domain><cpu>…: what the guest is given. Without <cpu>, and with mode='host-passthrough', nothing is named.
    private static CpuModelList ReadDomain(XmlCursor xml, ArtifactLimits limits)
    {
        CpuModel? model = null;
        int root = xml.Depth;
        while (xml.NextChild(root))
        {
            if (xml.Name == Cpu)
            {
                string? mode = xml.Attribute("mode");
                model = model is null ? ModelElement.Read(xml, "guest", "<cpu> of a domain",
                    limits) : throw xml.Malformed("a second <cpu> of the domain", "one");
                model = model.Base is null && mode is "host-passthrough" or "host-model" or "maximum" ? model with { Base = mode } : model;
            }
        }

        return Only(model ?? throw xml.Malformed("no <cpu> in <domain>",
            "a domain with its CPU, as virsh dumpxml prints it; libvirt gives a domain without one QEMU's default"));
    }

    // <capabilities><host><cpu>…: the host itself. Guests and topology follow.
    private static CpuModelList ReadCapabilities(XmlCursor xml, ArtifactLimits limits)
    {
        CpuModel? model = null;
        int root = xml.Depth;
        while (xml.NextChild(root))
        {
            int child = xml.Depth;
            bool isHost = xml.Name == "host";
            while (isHost && xml.NextChild(child))
            {
                if (xml.Name == Cpu)
                {
                    model = model is null ? ModelElement.Read(xml, "host", "<host> of virsh capabilities",
                        limits) : throw xml.Malformed("a second <cpu> of the host", "one");
                }
            }
        }

        return Only(model ?? throw xml.Malformed("no <cpu> in <host>", "capabilities of a host with its CPU"));
    }

    private static CpuModelList Only(CpuModel model) => new() { Format = Format, Models = [model], Main = model };
}
