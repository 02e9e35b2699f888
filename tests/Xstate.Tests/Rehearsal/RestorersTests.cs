using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Rehearsal;
using Xstate.Reports;
using Xstate.Tests.Support;

namespace Xstate.Tests.Rehearsal;

/// <summary>Every VMM is found by its name and by the format that is its own, and says what it does.</summary>
public class RestorersTests
{
    [Fact]
    public void Every_name_is_there_once_and_finds_its_restorer()
    {
        Assert.Equal(Restorers.All.Length, Restorers.All.Select(restorer => restorer.Id).Distinct(StringComparer.OrdinalIgnoreCase)
            .Count());
        Assert.All(Restorers.All, restorer => Assert.Same(restorer, Restorers.Find(restorer.Id.ToUpperInvariant())));
        Assert.Null(Restorers.Find("vmware"));
        Assert.Null(Restorers.Find("list"));
    }

    [Fact]
    public void Every_format_with_a_VMM_has_a_restorer()
    {
        string[] formats = [.. Artifact.Formats.Where(format => format.Vmm is not null)
            .Select(format => $"{format.Name} {Restorers.Of(format.Vmm!).Id}")];
        Assert.Equal(
            ["qemu-stream qemu", "qemu-snapshot qemu", "libvirt-save qemu", "cloud-hypervisor cloud-hypervisor", "criu-core criu",
                "firecracker firecracker", "firecracker-text firecracker", "firecracker-bitcode firecracker"],
            formats);
    }

    [Fact]
    public void A_capture_that_was_converted_is_still_restored_by_whose_it_was()
    {
        Capture capture = SampleHosts.OpenCapture("live-avx512");
        Assert.Null(capture.Vmm);
        Assert.Same(Restorers.Default, Restorers.For(capture));
        byte[] converted = Xstate.Artifacts.CaptureFile.CaptureFileWriter.Write(capture with { Format = "firecracker" });
        Capture read = Artifact.Open(new MemoryStream(converted)).Capture!;
        Assert.Equal(Vmm.Firecracker, read.Vmm);
        Assert.Equal("firecracker", Restorers.For(read).Id);
    }

    [Fact]
    public void Every_restorer_says_what_it_does_and_how_that_is_known()
    {
        Assert.All(Restorers.All, restorer =>
        {
            Assert.NotEmpty(restorer.Source);
            Assert.Equal(restorer.Evidence == RestorerEvidence.Run, restorer.Source.Contains("run:", StringComparison.Ordinal));
            Assert.All(restorer.Notes, note => Assert.EndsWith(".", note, StringComparison.Ordinal));
            Assert.Equal(restorer is KvmRestorer, !restorer.Order.IsEmpty);
            Assert.True(restorer is not KvmRestorer
                || (restorer.Order[0] == RestoreCall.SetCpuid2 && restorer.Order.Contains(RestoreCall.SetXsave)), restorer.Id);
        });
        StringWriter text = new();
        VmmsReport.WriteText(text);
        Assert.All(Restorers.All, restorer => Assert.Contains($"{restorer.Id}: {restorer.Title} (", text.ToString(),
            StringComparison.Ordinal));
    }

    [Fact]
    public void The_releases_of_one_program_are_the_alternatives_of_each()
    {
        Assert.Equal(["cloud-hypervisor", "cloud-hypervisor-50", "cloud-hypervisor-29"],
            Restorers.Alternatives(Restorers.Find("cloud-hypervisor-50")!).Select(restorer => restorer.Id));
        Assert.Equal(["qemu", "qemu-10.0", "qemu-7.2"], Restorers.Alternatives(Restorers.Default).Select(restorer => restorer.Id));
        Assert.Equal(["qemu-tcg"], Restorers.Alternatives(Restorers.Find("qemu-tcg")!).Select(restorer => restorer.Id));
    }
}
