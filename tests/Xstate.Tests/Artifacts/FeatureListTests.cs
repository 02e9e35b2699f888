using System.Text;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Captures;

namespace Xstate.Tests.Artifacts;

public class FeatureListTests
{
    private const string Flags = "fpu sse xsave avx avx512f pku ospke";

    [Theory]
    [InlineData("Vendor ID:   AuthenticAMD\nModel name:  AMD EPYC\nCPU family:  25\nModel:   17\nStepping:  1\nFlags:   " + Flags + "\n")]
    [InlineData("$ lscpu\nVendor ID:   AuthenticAMD\n  Model name:  AMD EPYC\n    CPU family:  25\n    Model:   17\n    Stepping:  1\n   "
        + " Flags:   " + Flags + "\n")]
    [InlineData("{\"lscpu\":[{\"field\":\"Vendor ID:\",\"data\":\"AuthenticAMD\",\"children\":[{\"field\":\"Model name:\",\"data\":\"AMD "
        + "EPYC\",\"children\":[{\"field\":\"CPU family:\",\"data\":\"25\"},"
        + "{\"field\":\"Model:\",\"data\":\"17\"},{\"field\":\"Stepping:\",\"data\":\"1\"},{\"field\":\"Flags:\",\"data\":\"" + Flags
        + "\"}]}]},{\"field\":\"L1d:\",\"data\":null}]}")]
    public void Both_forms_of_lscpu_name_the_processor_and_its_features(string text)
    {
        CpuModelList list = Open(text);
        CpuModel model = Assert.Single(list.Models);
        Assert.Equal(("lscpu", "AMD EPYC", 0x2E7UL), (list.Format, model.Name, model.Components.Value.Bits));
        Assert.Equal(new ProcessorModel(ProcessorVendor.Amd, 25, 17, 1), model.Processor);
    }

    [Fact]
    public void Two_machines_in_one_text_of_lscpu_are_refused() =>
        Assert.Contains("one machine", Assert.Throws<MalformedArtifactException>(() => Open($"Flags: {Flags}\nFlags: {Flags}\n")).Expected,
            StringComparison.Ordinal);

    [Theory]
    [InlineData("-cpu Skylake-Server,+pku,avx512f=off", "Skylake-Server", 0x200, "avx512f")]
    [InlineData("qemu-system-x86_64 -m 4G -cpu 'Skylake-Server,pku=on,-avx512f,level=0xd,host-phys-bits=on' -smp 2\n", "Skylake-Server",
        0x200, "avx512f")]
    [InlineData("qemu\0-cpu\0host,-amx-tile,migratable=off\0-smp\x00002\0", "host", 0, "amx-tile")]
    [InlineData("-cpu host,+pku,-pku\n", "host", 0, "pku")]
    public void The_cpu_option_is_a_model_with_differences(string text, string model, ulong components, string absent)
    {
        CpuModelList list = Open(text);
        Assert.Equal(("qemu-cpu", model, components),
            (list.Format, list.Main!.Base, list.Main.Components.Value.Bits & StateComponents.UserComponents.Bits));
        Assert.Equal([absent], list.Main.Absent);
        Assert.False(list.Main.Features.Contains("host-phys-bits") || list.Main.Features.Contains("level=0xd"));
    }

    [Theory]
    [InlineData("-cpu host,,+pku", 10, "\"\"")]
    [InlineData("qemu -cpu host -smp 2 -cpu max\n", 27, "a second -cpu option")]
    public void A_damaged_command_line_is_refused_at_its_place(string text, int offset, string found)
    {
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => Open(text));
        Assert.Equal((offset, found), ((int)error.Offset, error.Found));
    }

    [Theory]
    [InlineData("    cpu-feature.node.kubevirt.io/pku: \"true\"\n    cpu-feature.node.kubevirt.io/xsave: \"true\"\n    "
        + "cpu-feature.node.kubevirt.io/avx: \"false\"\n")]
    [InlineData("{\"labels\":{\"cpu-feature.node.kubevirt.io/pku\":\"true\",\"cpu-feature.node.kubevirt.io/xsave\":\"true\","
        + "\"cpu-feature.node.kubevirt.io/avx\":\"false\",\"a\":\"b\"}}")]
    [InlineData("pku=x,cpu-feature.node.kubevirt.io/pku=true,cpu-feature.node.kubevirt.io/xsave=true,cpu-feature.node.kubevirt.io/avx=false\n")]
    public void Labels_of_KubeVirt_are_its_host_model(string text)
    {
        CpuModel model = Open(text).Main!;
        Assert.Equal(("host-model", 0x203UL), (model.Name, model.Components.Value.Bits));
        Assert.Equal(["avx"], model.Absent);
    }

    [Fact]
    public void Labels_of_Node_Feature_Discovery_are_the_processor()
    {
        CpuModelList list = Open(
            "feature.node.kubernetes.io/cpu-cpuid.XSAVE=true\nfeature.node.kubernetes.io/cpu-cpuid.AVX=true\nfeature.node.kubernetes.io/cpu-cpuid.AMXTILE=true\n"
            + "feature.node.kubernetes.io/cpu-model.family=6\nfeature.node.kubernetes.io/cpu-model.id=143\nfeature.node.kubernetes.io/cpu-model.vendor_id=Intel\n"
            + "cpu-feature.node.kubevirt.io/xsave=true\n");
        Assert.Equal(2, list.Models.Length);
        Assert.Equal((0x60007UL, new ProcessorModel(ProcessorVendor.Intel, 6, 143, 0)),
            (list.Main!.Components.Value.Bits, list.Main.Processor));
    }

    [Fact]
    public void Labels_of_several_nodes_are_refused() =>
        Assert.Contains("one node",
            Assert.Throws<MalformedArtifactException>(() =>
                Open("cpu-feature.node.kubevirt.io/pku: \"true\"\ncpu-feature.node.kubevirt.io/pku: \"true\"\n")).Expected,
                StringComparison.Ordinal);

    [Theory]
    [InlineData("", "", 0)]
    [InlineData("root@host:~# virsh dumpxml vm\n", "\nroot@host:~# \n", 2)]
    [InlineData("$ virsh dumpxml vm\n<?xml version='1.0'?>\n", "", 2)]
    public void The_cpu_of_a_domain_is_read_with_a_prompt_before_and_behind_it(string before, string behind, int skipped)
    {
        const string Domain =
            "<!--\nWARNING: THIS IS AN AUTO-GENERATED FILE.\n-->\n<domain type='kvm'>\n  <name>vm</name>\n  <cpu mode='custom'>\n"
            + "    <model fallback='forbid'>Skylake-Server</model>\n    <feature policy='require' name='pku'/>\n  </cpu>\n</domain>\n";
        CpuModelList list = Open(before + Domain + behind);
        Assert.Equal(("guest", "Skylake-Server", 0x200UL), (list.Main!.Name, list.Main.Base, list.Main.Components.Value.Bits));
        Assert.Equal(skipped, list.Skipped?.Lines ?? 0);
    }

    [Fact]
    public void A_domain_with_host_passthrough_leaves_everything_to_the_host()
    {
        CpuModel model = Open(
            "<domain type='kvm'><cpu mode='host-passthrough' check='none'><feature policy='disable' name='pku'/></cpu></domain>").Main!;
        Assert.Equal("host-passthrough", model.Base);
        Assert.True(model.Undecided.Contains(StateComponent.Avx) && !model.Undecided.Contains(StateComponent.Pkru));
    }

    [Fact]
    public void An_error_in_a_pasted_document_is_named_by_its_place_in_the_text()
    {
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() =>
            Open("$ virsh dumpxml vm\n<domain type='kvm'>\n<name>vm</name>\n</domain>\n$ \n"));
        Assert.Contains("no <cpu> in <domain>", error.Found, StringComparison.Ordinal);
        Assert.True(error.Offset > "$ virsh dumpxml vm\n".Length);
    }

    private static CpuModelList Open(string text) => Artifact.Open(new MemoryStream(Encoding.UTF8.GetBytes(text))).Models!;
}
