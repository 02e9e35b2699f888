using System.Text;
using System.Xml;
using Xstate.Artifacts.QemuStream;
using Xstate.Captures;

namespace Xstate.Artifacts.LibvirtSave;

/// <summary>What the XML of a save says of the guest: its name, how it ran, and which CPU it was given.</summary>
/// <param name="Name">The domain's name.</param>
/// <param name="Type">The domain's type: <c>kvm</c>, or <c>qemu</c> for TCG.</param>
/// <param name="Cpu">The CPU in a line: the cookie's, which is expanded, or else the definition's.</param>
/// <param name="SavedCpu">How libvirt makes that CPU when it restores the domain: by the cookie if there is one.</param>
internal sealed record SavedDomain(string? Name, string? Type, string? Cpu, SavedCpu? SavedCpu)
{
    private const int MaxNesting = 256;

    /// <summary>Reads the domain's definition and the cookie; XML that is damaged says as much as was read of it.</summary>
    public static SavedDomain Read(LibvirtSaveHeader header)
    {
        (string? name, string? type, string? defined, SavedCpu? cpu) = ReadXml(header.DomainXml);
        (_, _, string? expanded, SavedCpu? cookies) = header.CookieXml is null ? default : ReadXml(header.CookieXml);
        return new SavedDomain(name, type, expanded is null ? defined is null ? null : $"{defined} (definition)" : $"{expanded} (cookie)",
            cookies ?? cpu);
    }

    /// <summary>The domain's type names the accelerator, which the stream itself does not.</summary>
    public WriterEvidence? Writer => Type switch
    {
        "kvm" => new WriterEvidence(Accelerator.Kvm, IsCertain: true, "the domain's type is kvm"),
        "qemu" => new WriterEvidence(Accelerator.Tcg, IsCertain: true, "the domain's type is qemu"),
        _ => null,
    };

    /// <summary>What libvirt restores the domain with.</summary>
    public Fact<Accelerator>? RestoredBy => Writer is { } writer
        ? new Fact<Accelerator>(writer.Accelerator, FactSource.Artifact, writer.Detail) : null;

    private static (string? Name, string? Type, string? Cpu, SavedCpu? Made) ReadXml(string xml)
    {
        SavedCpu? made = null;
        string? name = null;
        string? type = null;
        StringBuilder? cpu = null;
        try
        {
            // Neither document type nor entities: nothing that could grow or be fetched.
            using XmlReader reader = XmlReader.Create(new StringReader(xml),
                new XmlReaderSettings
                {
                    DtdProcessing = DtdProcessing.Prohibit,
                    XmlResolver = null,
                    IgnoreComments = true,
                    IgnoreWhitespace = true
                });
            bool inCpu = false;
            string? policy = null;
            while (reader.Read() && reader.Depth < MaxNesting)
            {
                if (reader.NodeType == XmlNodeType.EndElement && reader.Depth == 1)
                {
                    inCpu = false;
                }
                else if (reader is { NodeType: XmlNodeType.Element, Depth: 0 })
                {
                    type = reader.GetAttribute("type");
                }
                else if (reader is { NodeType: XmlNodeType.Element, Depth: 1, Name: "cpu" })
                {
                    inCpu = !reader.IsEmptyElement;
                    cpu = new StringBuilder(reader.GetAttribute("mode"));
                    made = new SavedCpu(reader.GetAttribute("mode"), reader.GetAttribute("check"));
                }
                else if (reader is { NodeType: XmlNodeType.Text, Depth: 2 })
                {
                    name ??= reader.Value.Trim();
                }
                else if (inCpu && reader is { NodeType: XmlNodeType.Text, Depth: 3 })
                {
                    cpu!.Append(' ').Append(reader.Value.Trim());
                }
                else if (inCpu && reader is { NodeType: XmlNodeType.Element, Depth: 2, Name: "feature" })
                {
                    string? now = reader.GetAttribute("policy");
                    cpu!.Append(now == policy ? " " : $"; {now}: ").Append(reader.GetAttribute("name"));
                    policy = now;
                }
            }
        }
        catch (XmlException)
        {
            // The XML decides nothing about the registers; what was read before the damage is told.
        }

        return (name, type, cpu?.ToString(), made);
    }
}
