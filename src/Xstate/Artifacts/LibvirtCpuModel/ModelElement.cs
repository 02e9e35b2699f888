using System.Collections.Immutable;
using Xstate.Artifacts.Xml;
using Xstate.Captures;

namespace Xstate.Artifacts.LibvirtCpuModel;

/// <summary>
/// An element that names a base model and lists differences: <c>&lt;cpu&gt;</c> of a domain, a host or a save, and <c>&lt;mode
/// name='host-model'&gt;</c>. Only libvirt's CPU map tells what the base has.
/// </summary>
internal static class ModelElement
{
    // Policies of a domain's feature: force and require give it, disable and forbid take it, optional leaves it to the host.
    private static readonly string[] Given = ["require", "force"];
    private static readonly string[] Taken = ["disable", "forbid"];

    public static CpuModel Read(XmlCursor xml, string name, string origin, ArtifactLimits limits)
    {
        string? baseModel = null;
        string? vendor = null;
        FeatureLists lists = new(limits);
        int element = xml.Depth;
        while (xml.NextChild(element))
        {
            switch (xml.Name)
            {
                case "model":
                    baseModel = xml.Text();
                    break;

                case "vendor":
                    vendor = xml.Text();
                    break;

                case "feature":
                    string policy = xml.Attribute("policy") ?? Given[0];
                    if (Given.Contains(policy))
                    {
                        lists.Add(lists.Features, xml);
                    }
                    else if (Taken.Contains(policy))
                    {
                        lists.Add(lists.Absent, xml);
                    }
                    else if (policy == "optional")
                    {
                        lists.Add(lists.Optional, xml);
                    }
                    else
                    {
                        throw xml.Malformed($"the policy {Quotation.Of(policy)}", "require, force, optional, disable or forbid");
                    }

                    break;
            }
        }

        return new CpuModel
        {
            Name = name,
            Base = string.IsNullOrEmpty(baseModel) ? null : baseModel,
            Vendor = vendor,
            ListsFeatures = true,
            Features = lists.Features.ToImmutable(),
            Absent = lists.Absent.ToImmutable(),
            Optional = lists.Optional.ToImmutable(),
            Provenance = new Provenance(FactSource.Artifact, origin),
        };
    }
}
