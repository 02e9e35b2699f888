using System.Formats.Tar;
using System.IO.Compression;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Reports;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts;

/// <summary>Damaged copies of real CPU dumps and models are read or refused with bounded memory, and their reports are written.</summary>
public class SharedCpuMutationTests(ITestOutputHelper output)
{
    private const ulong Seed = 0x5EED_0C12;
    private const int DefaultCount = 4_000;

    // As in MutationTests: growing lists of small answers and remarks, on top of what a file of any length may cost.
    private const long FixedAllowance = 2L * XsaveLayout.MaxAreaLength;
    private const long AllowancePerByte = 64;

    [Fact]
    public void Damage_to_a_real_file_gives_a_result_or_a_malformed_artifact()
    {
        byte[][] files = [.. Files()];
        int count = (int)(DefaultCount * Repository.Scale);
        int opened = 0;
        int refused = 0;
        long largest = 0;
        SplitMix64 random = new(Seed);
        Dictionary<string, int> formats = [];
        for (int i = 0; i < count; i++)
        {
            byte[] mutated = Mutator.Mutate(ref random, files[random.Below(files.Length)], files[random.Below(files.Length)]);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                Artifact artifact = Artifact.Open(new MemoryStream(mutated));
                largest = Math.Max(largest, GC.GetAllocatedBytesForCurrentThread() - before);
                Assert.True(GC.GetAllocatedBytesForCurrentThread() - before <= FixedAllowance + (AllowancePerByte * mutated.Length), $"mutation {i}");
                opened++;
                formats[artifact.Format] = formats.GetValueOrDefault(artifact.Format) + 1;
                if (artifact.Capture is null)
                {
                    CpuReport.WriteJson(Stream.Null, artifact);
                    CpuReport.WriteText(TextWriter.Null, artifact);
                }
            }
            catch (MalformedArtifactException error)
            {
                refused++;
                Assert.InRange(error.Offset, 0, mutated.Length);
            }
        }

        output.WriteLine($"{files.Length} files, {count} mutations with seed 0x{Seed:x}: {opened} opened, {refused} refused, at most {largest} bytes allocated");
        output.WriteLine(string.Join(", ", formats.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key} {pair.Value}")));
        Assert.Equal(count, opened + refused);
        Assert.True(opened > count / 20 && refused > count / 10);
    }

    private static IEnumerable<byte[]> Files()
    {
        foreach (string folder in (string[])["libcpuid", "libvirt-cputestdata", "firecracker", "thismachine"])
        {
            foreach (string file in Directory.GetFiles(Repository.Shared("data", "cpuid", folder)).Where(file => !file.EndsWith(".sig", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
            {
                yield return File.ReadAllBytes(file);
            }
        }

        string[] compressed = [.. Directory.GetFiles(Repository.Shared("data", "libvirt"), "*.xml.gz"), .. Directory.GetFiles(Repository.Shared("data", "qemu"), "*.json.gz")];
        foreach (string file in compressed.Order(StringComparer.Ordinal))
        {
            using GZipStream content = new(File.OpenRead(file), CompressionMode.Decompress);
            using MemoryStream bytes = new();
            content.CopyTo(bytes);
            yield return bytes.ToArray();
        }

        using TarReader map = new(new GZipStream(File.OpenRead(Repository.Shared("data", "libvirt", "cpu_map-x86-libvirt11.3.tar.gz")), CompressionMode.Decompress));
        while (map.GetNextEntry(copyData: true) is { } entry)
        {
            if (entry.DataStream is MemoryStream content)
            {
                yield return content.ToArray();
            }
        }
    }
}
