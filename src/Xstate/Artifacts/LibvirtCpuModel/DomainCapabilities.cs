using System.Collections.Immutable;
using Xstate.Artifacts.Xml;
using Xstate.Captures;

namespace Xstate.Artifacts.LibvirtCpuModel;

/// <summary>
/// <c>&lt;domainCapabilities&gt;</c>: what one emulator gives guests on the host that was asked. <c>host-model</c> is a base model with
/// differences; each model of <c>custom</c> is only a name, usable or with the features that stand in its way.
/// </summary>
internal static class DomainCapabilities
{
    public static CpuModelList Read(XmlCursor xml, ArtifactLimits limits)
    {
        Dictionary<string, string> facts = [];
        ImmutableArray<CpuModel>.Builder models = ImmutableArray.CreateBuilder<CpuModel>();
        CpuModel? host = null;
        int root = xml.Depth;
        while (xml.NextChild(root))
        {
            switch (xml.Name)
            {
                case "path" or "domain" or "machine":
                    string name = xml.Name;
                    facts[name] = xml.Text();
                    break;

                case "cpu":
                    host = ReadModes(xml, models, limits) ?? host;
                    break;
            }
        }

        string? emulator = facts.GetValueOrDefault("path") is { } path ? Path.GetFileName(path) : null;
        string writer = string.Join(", ", new[] { emulator, facts.GetValueOrDefault("domain"),
            facts.GetValueOrDefault("machine") }.OfType<string>());
        return new CpuModelList
        {
            Format = LibvirtCpuModelReader.Format,
            Models = models.Count > 0 ? models.ToImmutable() : throw xml.Malformed("no CPU mode", "<cpu> with its modes"),
            Main = host,
            Writer = writer.Length == 0 ? null : writer,
        };
    }

    private static CpuModel? ReadModes(XmlCursor xml, ImmutableArray<CpuModel>.Builder models, ArtifactLimits limits)
    {
        CpuModel? host = null;
        int cpu = xml.Depth;
        while (xml.NextChild(cpu))
        {
            if (xml.Name != "mode")
            {
                continue;
            }

            string mode = xml.Require("name");
            bool supported = xml.Attribute("supported") == "yes";
            switch (mode)
            {
                case "host-model":
                    host = ModelElement.Read(xml, mode, "host-model of virsh domcapabilities", limits) with { IsUsable = supported };
                    models.Add(host);
                    break;

                case "custom":
                    ReadCustom(xml, models, limits);
                    break;

                default:
                    models.Add(new CpuModel
                    {
                        Name = mode,
                        IsUsable = supported,
                        Provenance = new Provenance(FactSource.Artifact, "virsh domcapabilities")
                    });
                    break;
            }
        }

        return host;
    }

    private static void ReadCustom(XmlCursor xml, ImmutableArray<CpuModel>.Builder models, ArtifactLimits limits)
    {
        Dictionary<string, int> places = [];
        int custom = xml.Depth;
        while (xml.NextChild(custom))
        {
            if (xml.Name == "model")
            {
                if (models.Count == limits.MaxModels)
                {
                    throw xml.Malformed("one more model", $"at most {limits.MaxModels}");
                }

                bool? usable = xml.Attribute("usable") switch
                {
                    "yes" => true,
                    "no" => false,
                    _ => null,
                };
                string? vendor = xml.Attribute("vendor");
                string name = xml.Text();
                places[name] = models.Count;
                models.Add(new CpuModel
                {
                    Name = name,
                    Vendor = vendor is "unknown" ? null : vendor,
                    IsUsable = usable,
                    Provenance = new Provenance(FactSource.Artifact, "custom models of virsh domcapabilities"),
                });
            }
            else if (xml.Name == "blockers")
            {
                string name = xml.Require("model");
                int place = places.TryGetValue(name, out int known)
                    ? known : throw xml.Malformed($"blockers of {Quotation.Of(name)}", "a model that was listed before");
                FeatureLists blockers = new(limits);
                int element = xml.Depth;
                while (xml.NextChild(element))
                {
                    xml.Expect("feature");
                    blockers.Add(blockers.Features, xml);
                }

                models[place] = models[place] with { Blockers = [.. blockers.Features] };
            }
        }
    }
}
