using System.Text;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.QmpCpu;
using Xstate.Captures;

namespace Xstate.Tests.Artifacts.QmpCpu;

public class QmpCpuReaderTests
{
    [Fact]
    public void The_replies_of_a_monitors_log_are_one_list()
    {
        CpuModelList list = Open(CpuModelSamples.Expansion).Models!;
        Assert.Equal("QEMU 9.1.2", list.Writer);
        Assert.Equal(["base", "486", "Broadwell"], list.Models.Select(model => model.Name));
        Assert.Equal(("base", 0x207UL, "GenuineIntel", null),
            (list.Main!.Name, list.Main.Components.Value.Bits, list.Main.Vendor, list.Main.Base));
        Assert.Contains("avx512f", list.Main.Absent);
        Assert.Equal((true, false, "avx hle"),
            (list.Models[1].IsUsable, list.Models[2].IsUsable, string.Join(' ', list.Models[2].Blockers)));
    }

    [Theory]
    [InlineData("{\"return\": {\"model\": {\"props\": {\"xsave\": true}, \"name\": \"max\"}}}", "max", 3)]
    [InlineData("{\"query-cpu-model-expansion type=full model=X\": {\"return\": {\"model\": {\"name\": \"X\", \"props\": {\"xsave\": "
        + "true, \"amx-tile\": true}}}}}", "X", 0x6_0003)]
    [InlineData("{\"id\": 1, \"return\": {\"model\": {\"name\": \"X\", \"props\": {\"xsave\": false, \"avx\": true}}}}", "X", 0)]
    public void One_reply_is_the_main_model(string text, string name, ulong components) =>
        Assert.Equal((name, components), (Open(text).Models!.Main!.Name, Open(text).Models!.Main!.Components.Value.Bits));

    [Fact]
    public void A_reply_that_does_not_tell_of_XSAVE_leaves_it_to_its_model()
    {
        CpuModel model = Open("{\"return\": {\"model\": {\"name\": \"EPYC\", \"props\": {\"pku\": true}}}}").Models!.Main!;
        Assert.Equal(("EPYC", 0x200UL, true), (model.Base, model.Components.Value.Bits, model.Undecided.Contains(StateComponent.Avx)));
    }

    [Fact]
    public void An_error_is_an_answer_without_components()
    {
        Artifact artifact = Open(
            "{\"query-cpu-model-expansion type=full model=X\": {\"error\": {\"class\": \"GenericError\", \"desc\": \"not found\"}}}");
        Assert.Equal(("X", "not found"), (artifact.Models!.Models[0].Name, artifact.Models.Models[0].Error));
        Assert.Equal("X: not found", Assert.Single(artifact.Findings).Message);
    }

    [Theory]
    [InlineData("{\"return\": {\"model\": {\"props\": {}}}}", "the member name")]
    [InlineData("{\"return\": {\"model\": {\"name\": \"X\", \"props\": {\"avx\": true, \"avx\": false}}}}", "each property once")]
    [InlineData("{\"return\": {\"model\": {\"name\": \"X\", \"props\": []}}}", "an object")]
    [InlineData("{\"return\": {\"model\": {\"name\": 1, \"props\": {}}}}", "a string")]
    [InlineData("{\"return\": []} {\"event\": 1}", "query-cpu-definitions")]
    [InlineData("{\"return\": {\"model\": {\"name\": \"X\", \"props\": {}}}} x", "JSON")]
    [InlineData("{\"return\": {\"model\": {\"name\": \"X\", \"props\": {", "JSON")]
    public void What_is_no_reply_is_malformed(string text, string expected)
    {
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => QmpCpuReader.Read(Encoding.UTF8.GetBytes(text),
            ArtifactLimits.Default));
        Assert.Contains(expected, error.Expected, StringComparison.Ordinal);
        Assert.InRange(error.Offset, 0, text.Length);
    }

    [Theory]
    [InlineData("{\"return\": {\"name\": \"X\"}}")]
    [InlineData("{\"model\": {\"props\": {}}}")]
    [InlineData("[{\"typename\": 1}]")]
    public void Other_JSON_is_not_taken_for_a_reply(string text) => Assert.Throws<MalformedArtifactException>(() => Open(text));

    [Fact]
    public void Models_and_properties_have_ceilings()
    {
        ArtifactLimits limits = new() { MaxModels = 2, MaxFeatures = 2 };
        Assert.StartsWith("at most 2",
            Assert.Throws<MalformedArtifactException>(() => QmpCpuReader.Read(Encoding.UTF8.GetBytes(CpuModelSamples.Expansion),
                limits)).Expected, StringComparison.Ordinal);
        Assert.StartsWith("at most 2", Assert.Throws<MalformedArtifactException>(
            () => QmpCpuReader.Read(Encoding.UTF8.GetBytes(CpuModelSamples.Expansion), limits with { MaxFeatures = 100 })).Expected,
            StringComparison.Ordinal);
    }

    private static Artifact Open(string text) => Artifact.Open(new MemoryStream(Encoding.UTF8.GetBytes(text)));
}
