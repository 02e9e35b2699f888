using Xstate.Artifacts;
using Xstate.Artifacts.ElfCore;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts.ElfCore;

/// <summary>Cores that were made to be hard on a decoder, or are none.</summary>
public class HostileCoreTests
{
    [Fact]
    public void Segments_that_share_their_bytes_do_not_multiply_them()
    {
        byte[] area = CoreSamples.Area(CoreSamples.LayoutOf("Intel", 0x2E7), 0x2E7, 0, 1);
        byte[] core = new CoreBuilder { Memories = 50_000 }.Thread(1).Area(area).Build();
        for (int i = 1; i < 50_000; i++)
        {
            core.AsSpan(64, 56).CopyTo(core.AsSpan(64 + (i * 56)));
        }

        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => CoreSamples.Open(core));
        Assert.Contains("PT_NOTE segments", error.Found, StringComparison.Ordinal);
    }

    [Fact]
    public void Ceilings_are_named_when_they_are_met()
    {
        byte[] area = new byte[576];
        byte[] core = new CoreBuilder().Thread(1).Area(area).Thread(2).Area(area).Build();
        Assert.Contains("at most 1", Refused(new ArtifactLimits { MaxStates = 1 }), StringComparison.Ordinal);
        Assert.Contains("at most 3", Refused(new ArtifactLimits { MaxNotes = 3 }), StringComparison.Ordinal);
        Assert.Contains("at most 0", Refused(new ArtifactLimits { MaxSegments = 0 }), StringComparison.Ordinal);
        Assert.Contains("at most 100", Refused(new ArtifactLimits { MaxNoteBytes = 100 }), StringComparison.Ordinal);
        Assert.Contains("576 to 575", Refused(new ArtifactLimits { MaxArea = 575 }), StringComparison.Ordinal);

        string Refused(ArtifactLimits limits) => Assert.Throws<MalformedArtifactException>(() => Artifact.Open(new MemoryStream(core),
            new ArtifactOptions { Limits = limits })).Expected;
    }

    [Theory]
    [InlineData(4, 0, "class 0")]
    [InlineData(5, 2, "ELF")]
    [InlineData(18, 183, "machine 183")]
    [InlineData(54, 32, "32 bytes for each program header")]
    [InlineData(16, 2, "ELF")]
    public void A_file_that_is_no_x86_core_is_told_so(int at, byte value, string found)
    {
        byte[] core = CoreSamples.Bytes(CoreSamples.Zen4);
        core[at] = value;
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => Artifact.Open(new MemoryStream(core),
            new ArtifactOptions { Format = ElfCoreReader.Format }));
        Assert.Contains(found, error.Found, StringComparison.Ordinal);
    }
}
