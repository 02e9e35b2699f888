using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.Criu;
using Xstate.Captures;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts.Criu;

public class CriuImagesTests(ITestOutputHelper output)
{
    // Two processes: 10 with the threads 10, 30 and 20, and 11.
    private static readonly byte[] Tree = [0x19, 0x43, 0x56, 0x54, 0x30, 0x30, 0x27, 0x50, 8, 0, 0, 0, 0x08, 10, 0x28, 10, 0x28, 30, 0x28,
        20, 5, 0, 0, 0, 0x08, 11, 0x2A, 1, 11];

    [Fact]
    public void All_threads_are_read_under_their_numbers_in_the_order_of_the_tree()
    {
        Artifact artifact = Read(new()
        {
            ["core-11.img"] = Core("child", 4),
            ["core-20.img"] = Core("worker", 3),
            ["core-30.img"] = Core("worker", 2),
            ["core-10.img"] = Core("parent", 1),
            ["pstree.img"] = Tree,
            ["pages-1.img"] = [],
        });
        Assert.Equal((CriuImages.Format, CaptureKind.Process, "process 10, parent; process 11, child"),
            (artifact.Format, artifact.Capture!.Kind, artifact.Capture.Note));
        Assert.Equal([(10, 1), (30, 2), (20, 3), (11, 4)],
            artifact.Capture.States.Select(state => (state.Id, (int)new XsaveArea(state.Area.Span).Fcw)));
        Assert.Empty(artifact.Findings);
    }

    [Fact]
    public void A_missing_image_is_found_and_one_that_no_process_names_is_shown_last()
    {
        Artifact artifact = Read(new()
        {
            ["core-9.img"] = Core("stray", 9),
            ["core-10.img"] = Core("parent", 1),
            ["core-20.img"] = Core("worker", 3),
            ["core-11.img"] = Core("child", 4),
            ["pstree.img"] = Tree
        });
        Assert.Equal([10, 20, 11, 9], artifact.Capture!.States.Select(state => state.Id));
        Assert.Equal(("XS1010", 30), Assert.Single(artifact.Findings.Select(finding => (finding.Rule.Id, finding.Where.Vcpu!.Value))));
    }

    [Fact]
    public void Without_a_tree_threads_are_in_the_order_of_their_numbers()
    {
        Artifact artifact = Read(new() { ["core-100.img"] = Core("b", 2), ["core-20.img"] = Core("a", 1) });
        Assert.Equal([20, 100], artifact.Capture!.States.Select(state => state.Id));
        Assert.Contains("pstree.img", artifact.Capture.Note, StringComparison.Ordinal);
    }

    [Fact]
    public void A_dead_process_has_no_registers_and_is_passed_over()
    {
        byte[] dead = [0x19, 0x43, 0x56, 0x54, 0x47, 0x38, 0x05, 0x55, 2, 0, 0, 0, 0x08, 1];
        Artifact artifact = Read(new()
        {
            ["core-11.img"] = dead,
            ["core-10.img"] = Core("parent", 1),
            ["core-20.img"] = Core("w", 1),
            ["core-30.img"] = Core("w", 1),
            ["pstree.img"] = Tree
        });
        Assert.Equal([10, 30, 20], artifact.Capture!.States.Select(state => state.Id));
        Assert.EndsWith("process 11, dead", artifact.Capture.Note, StringComparison.Ordinal);
        MalformedArtifactException nothing = Assert.Throws<MalformedArtifactException>(() => Read(new() { ["core-11.img"] = dead }));
        Assert.Equal("no core image with registers", nothing.Found);
    }

    [Fact]
    public void The_processor_image_beside_them_is_the_cpuid_of_every_thread()
    {
        Artifact artifact = Read(new()
        {
            ["core-2539.img"] = Sample("core-2539.img"),
            ["core-2541.img"] = Sample("core-2541.img"),
            ["cpuinfo.img"] = Sample("cpuinfo.img")
        });
        Assert.Equal(2, artifact.Capture!.States.Length);
        Assert.All(artifact.Capture.States, state => Assert.Equal((0xE7UL, FactSource.Artifact),
            (state.GuestCpuid!.Value.UserComponents.Bits, state.GuestCpuid.Provenance.Source)));
    }

    [Fact]
    public void What_is_malformed_is_told_with_the_files_name()
    {
        byte[] twice = [.. Tree[..25], 30, 0x2A, 1, 30];
        MalformedArtifactException again = Assert.Throws<MalformedArtifactException>(() =>
            Read(new() { ["core-10.img"] = Core("a", 1), ["pstree.img"] = twice }));
        Assert.Equal((28L, "pstree.img: thread 30 as number 3"), (again.Offset, again.Found));
        MalformedArtifactException cut = Assert.Throws<MalformedArtifactException>(() =>
            Read(new() { ["core-10.img"] = Core("a", 1), ["pstree.img"] = Tree[..^1] }));
        Assert.Equal(20, cut.Offset);
        MalformedArtifactException core = Assert.Throws<MalformedArtifactException>(() => Read(new() { ["core-10.img"] = Tree }));
        Assert.Equal((4L, "core-10.img: 0x50273030"), (core.Offset, core.Found));
        MalformedArtifactException number = Assert.Throws<MalformedArtifactException>(() => Read(new() { ["core-99999999999.img"] = [] }));
        Assert.Contains("core-99999999999.img", number.Found, StringComparison.Ordinal);
        MalformedArtifactException many = Assert.Throws<MalformedArtifactException>(() =>
            Read(new() { ["core-1.img"] = Core("a", 1), ["core-2.img"] = Core("a", 1) }, new ArtifactLimits { MaxStates = 1 }));
        Assert.Contains("at most 1", many.Expected, StringComparison.Ordinal);
    }

    [Fact]
    public void Mutated_trees_end_in_a_capture_or_an_error()
    {
        SplitMix64 random = new(0xC41);
        byte[] core = Core("a", 1);
        int errors = 0;
        const int Cases = 20_000;
        for (int i = 0; i < Cases; i++)
        {
            byte[] tree = [.. Tree];
            for (ulong n = random.Next() % 3; n < 3; n++)
            {
                tree[random.Next() % (ulong)tree.Length] = (byte)random.Next();
            }

            try
            {
                Assert.Equal(2, Read(new()
                {
                    ["core-10.img"] = core,
                    ["core-20.img"] = core,
                    ["pstree.img"] = tree[..(int)(random.Next() % (ulong)(tree.Length + 1))]
                }).Capture!.States.Length);
            }
            catch (MalformedArtifactException)
            {
                errors++;
            }
        }

        Assert.InRange(errors, 1, Cases - 1);
        output.WriteLine($"{Cases} trees, {errors} refused");
    }

    private static byte[] Core(string name, ushort fcw)
    {
        CoreImageBuilder builder = new() { Name = name };
        builder.Scalars[0] = fcw;
        return builder.Build();
    }

    private static byte[] Sample(string name) =>
        File.ReadAllBytes(Repository.PathOf("tests", "Xstate.Tests", "Artifacts", "Criu", "data", name));

    private static Artifact Read(Dictionary<string, byte[]> files, ArtifactLimits? limits = null) =>
        CriuImages.Read(files.Keys, name => new MemoryStream(files[name]),
            new ArtifactOptions { Limits = limits ?? ArtifactLimits.Default });
}
