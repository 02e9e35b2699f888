using System.Text;
using Xstate.Artifacts;
using Xstate.Captures;

namespace Xstate.Tests.Artifacts;

/// <summary>Files that were made to be hard on a decoder.</summary>
public class HostileFileTests(ITestOutputHelper output)
{
    public static TheoryData<string?> Formats { get; } = [.. Artifact.Formats.Select(format => format.Name).Prepend(null)];

    [Theory]
    [MemberData(nameof(Formats))]
    public void An_empty_file_is_malformed_in_every_format(string? format)
    {
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => Artifact.Open(new MemoryStream(),
            new ArtifactOptions { Format = format }));
        Assert.Equal(0, error.Offset);
    }

    [Fact]
    public void A_dump_built_to_ask_for_many_remarks_is_cut_short_and_says_so()
    {
        StringBuilder text = new();
        for (int i = 0; i < ArtifactLimits.Default.MaxProcessors; i++)
        {
            text.Append("CPU:\n0x0d 0x0: eax=0xffffffff ebx=0x00000000 ecx=0x00000000 edx=0x7fffffff\n");
        }

        byte[] bytes = Encoding.ASCII.GetBytes(text.ToString());
        long before = GC.GetAllocatedBytesForCurrentThread();
        CpuidDump dump = Artifact.Open(new MemoryStream(bytes)).Cpuid!;
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        output.WriteLine($"{bytes.Length} bytes of text: {dump.Remarks.Length} remarks, {allocated} bytes allocated");
        Assert.Equal(ArtifactLimits.Default.MaxProcessors, dump.Processors.Length);
        Assert.InRange(dump.Remarks.Length, CpuidDump.MaxRemarks, CpuidDump.MaxRemarks + 100);
        Assert.StartsWith("too many remarks", dump.Remarks[^1].Message, StringComparison.Ordinal);
        Assert.True(allocated < 40_000_000, $"{allocated} bytes");
    }
}
