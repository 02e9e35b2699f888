using System.Formats.Tar;
using System.IO.Compression;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.FirecrackerCpu;
using Xstate.Artifacts.LibvirtCpudata;
using Xstate.Artifacts.LibvirtCpuModel;
using Xstate.Artifacts.QmpCpu;
using Xstate.Captures;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts;

/// <summary>Every real CPU model beside the repository decodes to what it says, and what it does not say stays unsaid.</summary>
public class SharedCpuModelTests(ITestOutputHelper output)
{
    // Leaf 0xD of the 17 processors: mask, size of all components, IA32_XSS components.
    private static readonly (string Name, ulong User, int Size, ulong Supervisor)[] Cpudata =
    [
        ("Atom-P5362", 0x3, 0x240, 0x100), ("Cooperlake", 0x2FF, 0xA88, 0x100), ("Core-i5-6600", 0x1F, 0x440, 0x100),
            ("Core-i7-2600-xsaveopt", 0x7, 0x340, 0), ("Core-i7-5600U-ibrs", 0x7, 0x340, 0),
        ("Core-i7-8700", 0x1F, 0x440, 0x100), ("Core2-Q9500", 0x3, 0x240, 0), ("EPYC-7502-32-Core", 0x207, 0x380, 0),
            ("EPYC-7601-32-Core-ibpb", 0x7, 0x340, 0),
        ("Hygon-C86-7185-32-core", 0x7, 0x340, 0), ("Ice-Lake-Server", 0x2E7, 0xA88, 0x100),
            ("Opteron-6234", 0x4000_0000_0000_0007, 0x3C0, 0), ("Ryzen-7-1800X-Eight-Core", 0x7, 0x340, 0),
        ("Xeon-E5-2650-v4", 0x7, 0x340, 0), ("Xeon-E7540", 0, 0x240, 0), ("Xeon-Gold-6148", 0x2FF, 0xA88, 0x100),
            ("Xeon-Platinum-8268", 0x2FF, 0xA88, 0x100),
    ];

    [Fact]
    public void Every_dump_of_libvirts_tests_has_the_leaf_0xD_of_its_processor()
    {
        Assert.Equal(Cpudata.Select(row => $"x86_64-cpuid-{row.Name}.xml").Order(),
            Names("libvirt-cputestdata", "*.xml").Where(name => !IsDecoding(name)).Order());
        foreach ((string name, ulong user, int size, ulong supervisor) in Cpudata)
        {
            Artifact artifact = OpenCpuid("libvirt-cputestdata", $"x86_64-cpuid-{name}.xml");
            CpuidTable cpuid = artifact.Cpuid!.Cpuid;
            XsaveLayout layout = XsaveLayout.FromCpuid(cpuid);
            Assert.Equal((name, LibvirtCpudataReader.Format), (name, artifact.Format));
            Assert.Equal((name, user, supervisor), (name, cpuid.UserComponents.Bits, cpuid.SupervisorComponents.Bits));
            StateComponentSet missing = name == "Core-i5-6600" ? StateComponentSet.Of(StateComponent.Pt) : StateComponentSet.Empty;
            Assert.Equal((name, size, missing), (name, layout.StandardLength, layout.MissingComponents));
        }
    }

    [Theory]
    [InlineData("Core-i7-2600-xsaveopt", "XS1205")]
    [InlineData("Core-i5-6600", "XS1202")]
    [InlineData("Xeon-E7540", "")]
    [InlineData("Cooperlake", "")]
    [InlineData("EPYC-7502-32-Core", "")]
    public void A_dump_of_libvirts_tests_is_said_to_lack_what_it_lacks(string name, string rules) =>
        Assert.Equal(rules,
            string.Join(' ', OpenCpuid("libvirt-cputestdata", $"x86_64-cpuid-{name}.xml").Findings.Select(finding => finding.Rule.Id)));

    [Fact]
    public void Every_reply_of_libvirts_tests_brings_the_components_that_its_properties_name()
    {
        int definitions = 0;
        int files = 0;
        foreach (string name in Names("libvirt-cputestdata", "*.json"))
        {
            Artifact artifact = OpenCpuid("libvirt-cputestdata", name);
            CpuModelList list = artifact.Models!;
            Assert.Equal(QmpCpuReader.Format, artifact.Format);
            CpuModel host = list.Main!;
            Assert.Equal((name, "base", null), (name, host.Name, host.Base));

            // QEMU expands on the host whose raw dump lies beside: it offers no component that the processor lacks.
            StateComponentSet processor = OpenCpuid("libvirt-cputestdata", Path.ChangeExtension(name, ".xml")).Cpuid!.Cpuid.UserComponents;
            StateComponentSet brought = host.Components.Value;
            // The exception is the data's: its Ice Lake reply has mpx, the dump beside it comes from a processor without.
            StateComponentSet other = name.Contains("Ice-Lake", StringComparison.Ordinal)
                ? StateComponentSet.Of(StateComponent.BndRegs, StateComponent.BndCsr) : StateComponentSet.Empty;
            Assert.Equal((name, other), (name, brought.Except(processor)));
            Assert.Equal(StateComponentSet.Empty, host.Undecided);
            Assert.Equal(processor.IsEmpty, brought.IsEmpty);
            definitions += list.Models.Length - 1;
            files++;
        }

        output.WriteLine($"{files} files, {definitions} definitions");
        Assert.Equal((16, 845), (files, definitions));
    }

    [Theory]
    [InlineData("Cooperlake", 0x2FF)]
    [InlineData("Ice-Lake-Server", 0x2FF)]
    [InlineData("Xeon-Gold-6148", 0xFF)]
    [InlineData("Atom-P5362", 0x3)]
    [InlineData("EPYC-7502-32-Core", 0x7)]
    [InlineData("Xeon-E7540", 0)]
    public void A_reply_of_libvirts_tests_brings_these_components(string name, ulong components) =>
        Assert.Equal(components, OpenCpuid("libvirt-cputestdata", $"x86_64-cpuid-{name}.json").Models!.Main!.Components.Value.Bits);

    [Fact]
    public void Every_decoding_of_libvirts_tests_leaves_to_its_base_model_what_only_that_can_tell()
    {
        int files = 0;
        foreach (string name in Names("libvirt-cputestdata", "*.xml").Where(IsDecoding))
        {
            CpuModel model = OpenCpuid("libvirt-cputestdata", name).Models!.Main!;
            Assert.NotNull(model.Base);
            Assert.True(model.Features.Count > 0, name);
            Assert.Equal(StateComponentSet.Empty, model.Components.Value & model.Undecided);
            Assert.True(model.LacksXsave || model.Undecided.Contains(StateComponent.Avx)
                || model.Components.Value.Contains(StateComponent.Avx) || model.Absent.Contains("avx"), name);
            files++;
        }

        Assert.Equal(34, files);
    }

    [Theory]
    [InlineData("q100-kvm-EPYC-Genoa-v1", "EPYC-Genoa-v1", 0x2E7)]
    [InlineData("q100-kvm-GraniteRapids-v1", "GraniteRapids-v1", 0x602E7)]
    [InlineData("q100-kvm-SapphireRapids-v1", "SapphireRapids-v1", 0x602E7)]
    [InlineData("q100-kvm-Skylake-Server-v4", "Skylake-Server-v4", 0x2E7)]
    [InlineData("q72-kvm-Skylake-Server-v4", "Skylake-Server-v4", 0x2E7)]
    [InlineData("q100-kvm-host", "host", 0)]
    [InlineData("q72-kvm-host", "host", 0)]
    [InlineData("q100-tcg-max", "max", 0x21F)]
    [InlineData("q72-tcg-max", "max", 0x21F)]
    public void An_expansion_of_QEMU_brings_these_components_in_both_of_its_types(string file, string name, ulong components)
    {
        CpuModelList list = OpenModels("qemu", $"{file}-expansion.json.gz");
        Assert.Equal(file.StartsWith("q100", StringComparison.Ordinal) ? "QEMU 10.0.13" : "QEMU 7.2.22", list.Writer);
        Assert.Equal(2, list.Models.Length);
        Assert.All(list.Models, model => Assert.Equal((name, components, null), (model.Name, model.Components.Value.Bits, model.Base)));
        Assert.Contains("type=full", list.Main!.Provenance.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("EPYC-Genoa-v1")]
    [InlineData("GraniteRapids-v1")]
    [InlineData("SapphireRapids-v1")]
    public void A_model_that_QEMU_does_not_know_brings_nothing_and_says_why(string name)
    {
        using FileStream stream = File.OpenRead(Repository.Shared("data", "qemu", $"q72-kvm-{name}-expansion.json.gz"));
        Artifact artifact = Artifact.Open(stream);
        Assert.Null(artifact.Models!.Main);
        Assert.All(artifact.Models.Models, model => Assert.Equal((name, $"CPU model '{name}' not found", 0UL, false),
            (model.Name, model.Error, model.Components.Value.Bits, model.ListsFeatures)));
        Assert.Equal(["XS1215", "XS1215"], artifact.Findings.Select(finding => finding.Rule.Id));
    }

    [Theory]
    [InlineData("q100", 154, 4)]
    [InlineData("q72", 132, 4)]
    public void The_definitions_of_QEMU_are_models_with_what_blocks_them_and_without_features(string version, int count, int usable)
    {
        CpuModelList list = OpenModels("qemu", $"{version}-kvm-cpu-definitions.json.gz");
        Assert.Null(list.Main);
        Assert.Equal(count, list.Models.Length);
        Assert.All(list.Models, model => Assert.False(model.ListsFeatures));
        Assert.All(list.Models, model => Assert.Equal(StateComponentSet.Empty, model.Components.Value));
        Assert.True(list.Models.Count(model => model.IsUsable == true) >= usable);
        CpuModel milan = list.Models.Single(model => model.Name == "EPYC-Milan-v1");
        Assert.Equal((false, true, true), (milan.IsUsable, milan.Blockers.Contains("xsave"), milan.Blockers.Contains("pku")));
    }

    [Fact]
    public void Every_file_of_the_CPU_map_decodes_and_its_models_rest_on_each_other_without_a_hole()
    {
        Dictionary<string, CpuModel> models = [];
        string[] included = [];
        List<string> files = [];
        foreach ((string name, CpuModelList list) in CpuMap())
        {
            files.Add(name);
            included = [.. included, .. list.Includes];
            foreach (CpuModel model in list.Models)
            {
                Assert.True(models.TryAdd(model.Name, model), model.Name);
            }
        }

        Assert.Equal(153, files.Count);
        Assert.Equal(files.Where(file => file != "index.xml").Order(),
            included.Where(file => file.StartsWith("x86", StringComparison.Ordinal)).Order());
        output.WriteLine($"{models.Count} models in {files.Count} files");
        Assert.Equal(150, models.Count);
        foreach (CpuModel model in models.Values)
        {
            CpuModel whole = model.Base is { } parent ? model.On(models[parent]) : model;
            Assert.Null(whole.Base);
            Assert.Equal((model.Name, StateComponentSet.Empty), (model.Name, whole.Unusable));
        }
    }

    [Theory]
    [InlineData("GraniteRapids", 0x602E7, 0)]
    [InlineData("SapphireRapids-v1", 0x602E7, 0)]
    [InlineData("EPYC-Genoa", 0x2E7, 0)]
    [InlineData("EPYC-Rome", 0x7, 0)]
    [InlineData("Skylake-Server", 0xE7, 0x18)]
    [InlineData("Skylake-Client-IBRS", 0x7, 0x18)]
    [InlineData("Haswell", 0x7, 0)]
    [InlineData("Snowridge", 0x3, 0)]
    [InlineData("Opteron_G4", 0x7, 0)]
    [InlineData("Nehalem", 0, 0)]
    public void A_model_of_the_CPU_map_has_these_components_and_these_undecided(string name, ulong components, ulong undecided)
    {
        Dictionary<string, CpuModel> models = CpuMap().SelectMany(file => file.List.Models).ToDictionary(model => model.Name);
        CpuModel model = models[name];
        model = model.Base is { } parent ? model.On(models[parent]) : model;
        Assert.Equal((components, undecided), (model.Components.Value.Bits, model.Undecided.Bits));
    }

    [Fact]
    public void The_CPU_maps_definitions_agree_with_the_table_of_components_on_every_name_and_bit()
    {
        CpuModelList list = CpuMap().Single(file => file.Name == "x86_features.xml").List;
        output.WriteLine($"{list.Definitions.Length} definitions");
        int checkedNames = 0;
        foreach (FeatureDefinition definition in list.Definitions)
        {
            StateComponentSet byBit = StateComponentSet.Empty;
            foreach (FeatureBits bits in definition.Bits.Where(bits => bits.Leaf is not null))
            {
                foreach (StateComponentInfo info in StateComponents.All)
                {
                    if (info.Features.Any(feature => (feature.Leaf, feature.Subleaf) == (bits.Leaf, bits.Subleaf)
                        && feature.Register.ToString().Equals(bits.Register, StringComparison.OrdinalIgnoreCase)
                        && bits.Bits == 1UL << feature.Bit))
                    {
                        byBit |= info.Bit;
                    }
                }
            }

            foreach (string name in definition.Aliases.Add(definition.Name))
            {
                Assert.Equal((name, byBit), (name, FeatureNames.ComponentsOf(name)));
                checkedNames += byBit.IsEmpty ? 0 : 1;
            }
        }

        output.WriteLine($"{list.Definitions.Length} definitions, {checkedNames} names of features with components");
        Assert.True(checkedNames >= 9);
    }

    [Fact]
    public void The_domain_capabilities_of_KVM_here_rule_XSAVE_out()
    {
        CpuModelList list = OpenModels("libvirt", "domcaps-libvirt11.3-kvm-thismachine.xml.gz");
        CpuModel host = list.Main!;
        Assert.Equal(("host-model", "EPYC-Genoa", "AMD", true), (host.Name, host.Base, host.Vendor, host.IsUsable));
        Assert.Equal((true, 0UL, 0UL), (host.LacksXsave, host.Components.Value.Bits, host.Undecided.Bits));
        Assert.Equal("qemu-system-x86_64, kvm, pc-i440fx-10.0", list.Writer);
        CpuModel broadwell = list.Models.Single(model => model.Name == "Broadwell");
        Assert.Equal((false, "Intel", false), (broadwell.IsUsable, broadwell.Vendor, broadwell.ListsFeatures));
        Assert.Contains("avx", broadwell.Blockers);
        Assert.Equal((true, null), (list.Models.Single(model => model.Name == "486").IsUsable,
            list.Models.Single(model => model.Name == "486").Vendor));
    }

    [Fact]
    public void The_domain_capabilities_of_TCG_are_whole_on_the_CPU_maps_EPYC()
    {
        CpuModel host = OpenModels("libvirt", "domcaps-libvirt11.3-tcg.xml.gz").Main!;
        Assert.Equal(("EPYC", 0x218UL), (host.Base, host.Components.Value.Bits));
        Assert.True(host.Undecided.Contains(StateComponent.Avx));
        CpuModel epyc = CpuMap().Single(file => file.Name == "x86_EPYC.xml").List.Main!;
        Assert.Equal((0x21FUL, 0UL, null), (host.On(epyc).Components.Value.Bits, host.On(epyc).Undecided.Bits, host.On(epyc).Base));
    }

    [Fact]
    public void The_capabilities_of_this_machine_name_the_features_of_its_processor()
    {
        CpuModel host = OpenModels("libvirt", "capabilities-libvirt11.3.xml.gz").Main!;
        Assert.Equal(("host", "kvm64-v1", 0xE7UL), (host.Name, host.Base, host.Components.Value.Bits));
    }

    [Theory]
    [InlineData("AMD_GENOA_5.10", 0x2E7, 0, 0x988)]
    [InlineData("AMD_GENOA_6.1", 0x2E7, 0, 0x988)]
    [InlineData("AMD_GENOA_6.18", 0x2E7, 0x1800, 0x988)]
    [InlineData("AMD_MILAN_5.10", 0x207, 0, 0x988)]
    [InlineData("AMD_MILAN_6.18", 0x207, 0x1800, 0x988)]
    [InlineData("INTEL_CASCADELAKE_6.1", 0x2FF, 0, 0xA88)]
    [InlineData("INTEL_CASCADELAKE_6.18", 0x2FF, 0, 0xA88)]
    [InlineData("INTEL_GRANITE_RAPIDS_5.10", 0x2E7, 0, 0xA88)]
    [InlineData("INTEL_GRANITE_RAPIDS_6.1", 0x602E7, 0, 0x2B00)]
    [InlineData("INTEL_ICELAKE_5.10", 0x2E7, 0, 0xA88)]
    [InlineData("INTEL_ICELAKE_6.1", 0x2E7, 0, 0xA88)]
    [InlineData("INTEL_ICELAKE_6.18", 0x2E7, 0, 0xA88)]
    [InlineData("INTEL_SAPPHIRE_RAPIDS_6.1", 0x602E7, 0, 0x2B00)]
    [InlineData("INTEL_SAPPHIRE_RAPIDS_6.18", 0x602E7, 0x1800, 0x2B00)]
    public void A_fingerprint_is_a_host_with_its_kernel_and_its_guests_leaf_0xD(string name, ulong user, ulong supervisor, int size)
    {
        Artifact artifact = OpenCpuid("firecracker", $"fingerprint_{name}host.json");
        HostRecord host = artifact.Host!;
        XsaveLayout layout = XsaveLayout.FromCpuid(host.Cpuid);
        Assert.Equal(FingerprintReader.Format, artifact.Format);
        Assert.Equal((user, supervisor, size), (host.Cpuid.UserComponents.Bits, host.Cpuid.SupervisorComponents.Bits,
            layout.StandardLength));
        Assert.StartsWith(name[(name.LastIndexOf('_') + 1)..] + ".", host.Kernel!.Value.ToString(), StringComparison.Ordinal);
        Assert.Equal(name.StartsWith("AMD", StringComparison.Ordinal) ? "AuthenticAMD" : "GenuineIntel", host.Cpuid.Vendor);
        Assert.Equal("XS1211", artifact.Findings[0].Rule.Id);
        Assert.Contains("guest", artifact.Findings[0].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_template_of_Firecracker_decodes()
    {
        string[] names = [.. Names("firecracker", "*.json").Where(name => !name.StartsWith("fingerprint", StringComparison.Ordinal))];
        Assert.Equal(9, names.Length);
        foreach (string name in names)
        {
            CpuTemplate template = OpenCpuid("firecracker", name).Template!;
            Assert.Equal(CpuTemplateReader.Format, template.Format);
            CpuidModifier mask = template.Cpuid.Single(modifier => modifier is { Leaf: 0xD, Subleaf: 0, Register: CpuidRegister.Eax });
            bool decidesTiles = name.StartsWith("SPR", StringComparison.Ordinal) || name.StartsWith("GNR", StringComparison.Ordinal);
            Assert.Equal((name, decidesTiles ? 7u : 0x6_0007u), (name, mask.ApplyTo(0x602E7)));
        }
    }

    private static bool IsDecoding(string name) => name.EndsWith("-guest.xml", StringComparison.Ordinal)
        || name.EndsWith("-host.xml", StringComparison.Ordinal);

    private static IEnumerable<string> Names(string folder, string pattern) =>
        Directory.GetFiles(Repository.Shared("data", "cpuid", folder), pattern).Select(file => Path.GetFileName(file))
        .Order(StringComparer.Ordinal);

    private static Artifact OpenCpuid(string folder, string name)
    {
        using FileStream stream = File.OpenRead(Repository.Shared("data", "cpuid", folder, name));
        return Artifact.Open(stream);
    }

    private static CpuModelList OpenModels(string folder, string name)
    {
        using FileStream stream = File.OpenRead(Repository.Shared("data", folder, name));
        return Artifact.Open(stream).Models!;
    }

    private static List<(string Name, CpuModelList List)> CpuMap()
    {
        List<(string, CpuModelList)> files = [];
        using FileStream file = File.OpenRead(Repository.Shared("data", "libvirt", "cpu_map-x86-libvirt11.3.tar.gz"));
        using GZipStream unpacked = new(file, CompressionMode.Decompress);
        using TarReader tar = new(unpacked);
        while (tar.GetNextEntry(copyData: true) is { } entry)
        {
            if (entry.DataStream is { } content && Path.GetFileName(entry.Name) is "index.xml" or ['x', '8', '6', ..])
            {
                Artifact artifact = Artifact.Open(content);
                Assert.Equal((entry.Name, LibvirtCpuModelReader.Format), (entry.Name, artifact.Format));
                files.Add((Path.GetFileName(entry.Name), artifact.Models!));
            }
        }

        return files;
    }
}
