using System.Collections.Immutable;
using Xstate.Artifacts.Xml;
using Xstate.Captures;

namespace Xstate.Artifacts.LibvirtCpuModel;

/// <summary>
/// One file of libvirt's CPU map: <c>&lt;cpus&gt;</c> with models (features in full, or those of another model), definitions of features,
/// vendors, or the index of the other files.
/// </summary>
internal static class CpuMapFile
{
    private static readonly string[] Registers = ["eax", "ebx", "ecx", "edx"];

    public static CpuModelList Read(XmlCursor xml, ArtifactLimits limits)
    {
        ImmutableArray<CpuModel>.Builder models = ImmutableArray.CreateBuilder<CpuModel>();
        ImmutableArray<FeatureDefinition>.Builder definitions = ImmutableArray.CreateBuilder<FeatureDefinition>();
        ImmutableArray<(string, string)>.Builder vendors = ImmutableArray.CreateBuilder<(string, string)>();
        ImmutableArray<string>.Builder includes = ImmutableArray.CreateBuilder<string>();
        ReadGroup(xml);
        return new CpuModelList
        {
            Format = LibvirtCpuModelReader.Format,
            Models = models.ToImmutable(),
            Main = models.Count == 1 ? models[0] : null,
            Writer = "CPU map of libvirt",
            Definitions = definitions.ToImmutable(),
            Vendors = vendors.ToImmutable(),
            Includes = includes.ToImmutable(),
        };

        // The index has architectures, and in them groups; nesting beyond that is cut off by the cursor's own ceiling.
        void ReadGroup(XmlCursor at)
        {
            int parent = at.Depth;
            while (at.NextChild(parent))
            {
                if (models.Count + definitions.Count + vendors.Count + includes.Count == limits.MaxModels)
                {
                    throw at.Malformed("one more entry", $"at most {limits.MaxModels}");
                }

                switch (at.Name)
                {
                    case "arch" or "group":
                        ReadGroup(at);
                        break;

                    case "include":
                        includes.Add(at.Require("filename"));
                        break;

                    case "vendor":
                        vendors.Add((at.Require("name"), at.Require("string")));
                        break;

                    case "feature":
                        definitions.Add(ReadDefinition(at));
                        break;

                    case "model":
                        models.Add(ReadModel(at, limits));
                        break;

                    default:
                        at.Expect("arch", "group", "include", "vendor", "feature", "model");
                        break;
                }
            }
        }
    }

    private static CpuModel ReadModel(XmlCursor xml, ArtifactLimits limits)
    {
        string name = xml.Require("name");
        string? parent = null;
        string? vendor = null;
        FeatureLists lists = new(limits);
        int element = xml.Depth;
        while (xml.NextChild(element))
        {
            switch (xml.Name)
            {
                case "model":
                    parent = parent is null ? xml.Require("name") : throw xml.Malformed("a second base model", "one");
                    break;

                case "vendor":
                    vendor = xml.Require("name");
                    break;

                // Libvirt gives a removed feature to no new guest, but guests that were started before may have it.
                case "feature":
                    lists.Add(xml.Attribute("removed") == "yes" ? lists.Optional : lists.Features, xml);
                    break;
            }
        }

        return new CpuModel
        {
            Name = name,
            Base = parent,
            Vendor = vendor,
            ListsFeatures = true,
            Features = lists.Features.ToImmutable(),
            Optional = lists.Optional.ToImmutable(),
            Provenance = new Provenance(FactSource.Artifact, "CPU map of libvirt"),
        };
    }

    private static FeatureDefinition ReadDefinition(XmlCursor xml)
    {
        string name = xml.Require("name");
        ImmutableArray<string>.Builder aliases = ImmutableArray.CreateBuilder<string>();
        ImmutableArray<FeatureBits>.Builder bits = ImmutableArray.CreateBuilder<FeatureBits>();
        int element = xml.Depth;
        while (xml.NextChild(element))
        {
            switch (xml.Name)
            {
                case "alias":
                    aliases.Add(xml.Require("name"));
                    break;

                case "cpuid":
                    uint leaf = xml.RequireNumber("eax_in");
                    uint subleaf = xml.Number("ecx_in") ?? 0;
                    bits.AddRange(Registers.Select(register => (register, Mask: xml.Number(register))).Where(pair => pair.Mask is > 0)
                        .Select(pair => new FeatureBits(leaf, subleaf, pair.register, pair.Mask!.Value)));
                    break;

                case "msr":
                    ulong mask = (ulong)(xml.Number("edx") ?? 0) << 32 | (xml.Number("eax") ?? 0);
                    bits.Add(new FeatureBits(null, 0, $"0x{xml.RequireNumber("index"):x}", mask));
                    break;
            }
        }

        return new FeatureDefinition(name, aliases.ToImmutable(), bits.ToImmutable());
    }
}
