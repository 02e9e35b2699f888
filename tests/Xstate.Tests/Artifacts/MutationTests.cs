using System.IO.Compression;
using System.Text;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.CaptureFile;
using Xstate.Artifacts.CloudHypervisor;
using Xstate.Artifacts.CpuidRaw;
using Xstate.Artifacts.Criu;
using Xstate.Artifacts.ElfCore;
using Xstate.Artifacts.Firecracker;
using Xstate.Artifacts.FirecrackerCpu;
using Xstate.Artifacts.HostFile;
using Xstate.Artifacts.InstLatx64;
using Xstate.Artifacts.KvmCpuid2;
using Xstate.Artifacts.KvmXcrs;
using Xstate.Artifacts.KvmXsave;
using Xstate.Artifacts.Libcpuid;
using Xstate.Artifacts.LibvirtCpudata;
using Xstate.Artifacts.LibvirtCpuModel;
using Xstate.Artifacts.LibvirtSave;
using Xstate.Artifacts.ProcCpuinfo;
using Xstate.Artifacts.QemuSnapshot;
using Xstate.Artifacts.QemuStream;
using Xstate.Artifacts.QmpCpu;
using Xstate.Captures;
using Xstate.Tests.Artifacts.LibvirtSave;
using Xstate.Tests.Artifacts.QemuSnapshot;
using Xstate.Tests.Artifacts.QemuStream;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts;

/// <summary>A damaged file is read or refused with offset, found and expected: nothing else happens, and memory stays bounded.</summary>
public class MutationTests(ITestOutputHelper output)
{
    private const ulong Seed = 0x5EED_0002;
    private const int DefaultCount = 200_000;

    /// <summary>Bytes that opening may allocate apart from what its length pays for: one area of the largest size that the limits allow, and as much again.</summary>
    private const long FixedAllowance = 2L * XsaveLayout.MaxAreaLength;

    /// <summary>Bytes that opening may allocate for each byte of the file: a line of 37 characters gives an answer in growing lists, and at worst a remark.</summary>
    private const long AllowancePerByte = 64;

    [Fact]
    public void Damage_gives_a_result_or_a_malformed_artifact_and_bounded_memory()
    {
        (string Format, byte[] Bytes)[] samples = [.. Samples()];
        Assert.Equal(Artifact.Formats.Select(format => format.Name).Order(StringComparer.Ordinal), samples.Select(sample => sample.Format).Distinct().Order(StringComparer.Ordinal));

        int count = (int)(DefaultCount * Repository.Scale);
        int opened = 0;
        int refused = 0;
        long largest = 0;
        SplitMix64 random = new(Seed);
        Dictionary<string, int> perFormat = [];
        for (int i = 0; i < count; i++)
        {
            (string format, byte[] bytes) = samples[random.Below(samples.Length)];
            byte[] mutated = Mutator.Mutate(ref random, bytes, samples[random.Below(samples.Length)].Bytes);
            if (random.OneIn(4) && mutated.Length > 0)
            {
                mutated = Mutator.Mutate(ref random, mutated, bytes);
            }

            MemoryStream stream = new(mutated);
            ArtifactOptions options = new() { Format = random.OneIn(2) ? format : null };
            long before = GC.GetAllocatedBytesForCurrentThread();
            Artifact? artifact = null;
            try
            {
                artifact = Artifact.Open(stream, options);
            }
            catch (MalformedArtifactException error)
            {
                refused++;
                Assert.InRange(error.Offset, 0, mutated.Length);
                Assert.NotEmpty(error.Found);
                Assert.NotEmpty(error.Expected);
            }

            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            largest = Math.Max(largest, allocated);
            Assert.True(allocated <= FixedAllowance + (AllowancePerByte * mutated.Length), $"mutation {i} of {format}: {allocated} bytes for {mutated.Length}");
            perFormat[format] = perFormat.GetValueOrDefault(format) + 1;
            if (artifact is not null)
            {
                opened++;
                Use(artifact);
            }
        }

        output.WriteLine($"{count} mutations with seed 0x{Seed:x}: {opened} opened, {refused} refused, at most {largest} bytes allocated by one");
        output.WriteLine(string.Join(", ", perFormat.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key} {pair.Value}")));
        Assert.Equal(count, opened + refused);
        Assert.True(opened > count / 20 && refused > count / 5);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(CaptureFileReader.Format)]
    [InlineData(HostFileReader.Format)]
    [InlineData(ElfCoreReader.Format)]
    [InlineData(CpuidRawReader.Format)]
    [InlineData(InstLatx64Reader.Format)]
    [InlineData(CloudHypervisorReader.Format)]
    [InlineData(CriuCoreReader.Format)]
    [InlineData(CriuCpuinfoReader.Format)]
    [InlineData(FirecrackerReader.Format)]
    [InlineData(FirecrackerBitcodeReader.Format)]
    [InlineData(LibcpuidReader.Format)]
    [InlineData(ProcCpuinfoReader.Format)]
    [InlineData(LibvirtCpudataReader.Format)]
    [InlineData(LibvirtCpuModelReader.Format)]
    [InlineData(QmpCpuReader.Format)]
    [InlineData(CpuTemplateReader.Format)]
    [InlineData(FingerprintReader.Format)]
    [InlineData(KvmCpuid2Reader.Format)]
    [InlineData(KvmXcrsReader.Format)]
    [InlineData(KvmXsaveReader.Format)]
    public void An_empty_file_is_malformed_in_every_format(string? format)
    {
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => Artifact.Open(new MemoryStream(), new ArtifactOptions { Format = format }));
        Assert.Equal(0, error.Offset);
    }

    [Fact]
    public void A_dump_built_to_ask_for_many_remarks_is_cut_short_and_says_so()
    {
        StringBuilder text = new();
        for (int i = 0; i < ArtifactLimits.Default.MaxProcessors; i++)
        {
            text.Append("CPU:\n0x0d 0x0: eax=0xffffffff ebx=0x0 ecx=0x0 edx=0x7fffffff\n");
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

    /// <summary>What every caller does next must hold for whatever was opened.</summary>
    private static void Use(Artifact artifact)
    {
        if (artifact.Capture is { } capture)
        {
            Assert.NotEmpty(capture.States);
            foreach (CapturedState state in capture.States)
            {
                XsaveArea area = new(state.Area.Span);
                XsaveLayout layout = state.Layout?.Value ?? XsaveLayout.LegacyOnly;
                foreach (StateComponent component in area.XstateBv)
                {
                    _ = area.TryGetComponent(component, layout, out _);
                }
            }

            byte[] written = CaptureFileWriter.Write(capture);
            Assert.Equal(written, CaptureFileWriter.Write(CaptureFileReader.Read(written, ArtifactLimits.Default)));
        }
        else if (artifact.Host is { } host)
        {
            Touch(host.Cpuid);
            byte[] written = HostFileWriter.Write(host);
            Assert.Equal(written, HostFileWriter.Write(HostFileReader.Read(written, ArtifactLimits.Default)));
        }
        else if (artifact.Cpuid is { } dump)
        {
            foreach (CpuidProcessor processor in dump.Processors)
            {
                Touch(processor.Cpuid);
            }
        }
        else if (artifact.Models is { } list)
        {
            foreach (CpuModel model in list.Models)
            {
                Assert.Equal(StateComponentSet.Empty, model.Components.Value & model.Undecided);
                _ = model.Unusable;
            }
        }
        else if (artifact.Template is { } template)
        {
            Assert.All(template.Cpuid, modifier => Assert.Equal(0u, modifier.Value & ~modifier.Decided));
        }
        else
        {
            Assert.NotNull(artifact.Xcrs);
            Assert.Equal(KvmXcrsReader.Length, KvmXcrsWriter.Write(artifact.Xcrs).Length);
        }
    }

    private static void Touch(CpuidTable cpuid)
    {
        XsaveLayout layout = XsaveLayout.FromCpuid(cpuid);
        Assert.InRange(layout.StandardLength, XsaveFormat.ExtendedOffset, 2 * XsaveLayout.MaxAreaLength);
        Assert.True(layout.CompactedLengthFor(layout.Components) >= XsaveFormat.ExtendedOffset);
        _ = ProcessorModel.From(cpuid);
    }

    private static IEnumerable<(string Format, byte[] Bytes)> Samples()
    {
        byte[] area = new byte[KvmXsaveReader.MinLength];
        area[0] = 0x7F;
        area[XsaveFormat.XstateBvOffset] = 7;
        byte[] large = [.. area, .. new byte[11008 - area.Length]];
        yield return (KvmXsaveReader.Format, area);
        yield return (KvmXsaveReader.Format, large);
        yield return (KvmXcrsReader.Format, KvmXcrsWriter.Write(KvmXcrsBlob.ForXcr0(new StateComponentSet(0xE7))));
        yield return (KvmCpuid2Reader.Format, KvmCpuid2Writer.Write(KvmCpuid2Blob.From(SampleCaptures.Cpuid)));
        CpuidDump dump = CpuidDump.Create(CpuidRawReader.Format, [new CpuidProcessor("CPU 0", SampleCaptures.Cpuid), new CpuidProcessor("CPU 1", SampleCaptures.Cpuid)], []);
        yield return (CpuidRawReader.Format, CpuidRawWriter.Write(dump));
        yield return (InstLatx64Reader.Format, InstLatx64Text(dump));
        yield return (LibcpuidReader.Format, Encoding.UTF8.GetBytes(CpuModelSamples.Libcpuid));
        yield return (ProcCpuinfoReader.Format, Encoding.UTF8.GetBytes(CpuModelSamples.ProcCpuinfo));
        yield return (LibvirtCpudataReader.Format, Encoding.UTF8.GetBytes(CpuModelSamples.Cpudata));
        yield return (LibvirtCpuModelReader.Format, Encoding.UTF8.GetBytes(CpuModelSamples.DomainCapabilities));
        yield return (LibvirtCpuModelReader.Format, Encoding.UTF8.GetBytes(CpuModelSamples.CpuMap));
        yield return (QmpCpuReader.Format, Encoding.UTF8.GetBytes(CpuModelSamples.Expansion));
        yield return (CpuTemplateReader.Format, Encoding.UTF8.GetBytes(CpuModelSamples.Template));
        yield return (FingerprintReader.Format, Encoding.UTF8.GetBytes(CpuModelSamples.SmallFingerprint));
        yield return (CaptureFileReader.Format, CaptureFileWriter.Write(SampleCaptures.Full));
        yield return (CaptureFileReader.Format, CaptureFileWriter.Write(SampleCaptures.Small));
        yield return (ElfCoreReader.Format, new CoreBuilder { Room = 200, Memories = 1, MemoryLength = 100 }
            .Thread(7, signal: 11).FpRegisters(area[..512]).Area(area[..832]).Auxv((16, 0x178BFBFF), (51, 1776)).Thread(8).Area(area[..832]).Layout((2, 256, 576)).Build());
        yield return (HostFileReader.Format, HostFileWriter.Write(SampleCaptures.Host));
        yield return (QemuStreamReader.Format, StreamBuilder.Tcg());
        yield return (QemuStreamReader.Format, StreamBuilder.Kvm());
        yield return (QemuSnapshotReader.Format, new SnapshotBuilder().Add("one", StreamBuilder.Tcg()).Add("two", StreamBuilder.Kvm()).Build());
        yield return (LibvirtSaveReader.Format, new SaveBuilder().Build(StreamBuilder.Tcg()));
        yield return (HostFileReader.Format, File.ReadAllBytes(Repository.PathOf("samples", "hosts", "amd-rome.json")));
        yield return (CloudHypervisorReader.Format, Unpacked("CloudHypervisor", "SEMISYNTHETIC-ch53-state-1vcpu-s5.json.gz"));
        yield return (CriuCoreReader.Format, File.ReadAllBytes(Repository.PathOf("tests", "Xstate.Tests", "Artifacts", "Criu", "data", "core-2541.img")));
        yield return (CriuCpuinfoReader.Format, File.ReadAllBytes(Repository.PathOf("tests", "Xstate.Tests", "Artifacts", "Criu", "data", "cpuinfo.img")));
        byte[] firecracker = File.ReadAllBytes(Repository.PathOf("tests", "Xstate.Tests", "Artifacts", "Firecracker", "data", "SEMISYNTHETIC-fc1.10-fmt4.0.0-1vcpu-s5.vmstate"));
        yield return (FirecrackerReader.Format, firecracker);
        yield return (FirecrackerBitcodeReader.Format, firecracker);
    }

    private static byte[] Unpacked(string folder, string name)
    {
        using GZipStream packed = new(File.OpenRead(Repository.PathOf("tests", "Xstate.Tests", "Artifacts", folder, "data", name)), CompressionMode.Decompress);
        MemoryStream unpacked = new();
        packed.CopyTo(unpacked);
        return unpacked.ToArray();
    }

    private static byte[] InstLatx64Text(CpuidDump dump)
    {
        StringBuilder text = new();
        int number = 0;
        foreach (CpuidProcessor processor in dump.Processors)
        {
            text.Append($"------[ CPUID Registers / Logical CPU #{number++} ]------\n\nallcpu: Valid\n\n");
            foreach (CpuidEntry entry in processor.Cpuid.Entries)
            {
                CpuidRegisters r = entry.Registers;
                text.Append($"CPUID {entry.Leaf:X8}: {r.Eax:X8}-{r.Ebx:X8}-{r.Ecx:X8}-{r.Edx:X8}{(number == 1 ? $" [SL {entry.Subleaf:X2}]" : "")}\n");
            }

            text.Append("\n------[ MSR Registers / Logical CPU #0 ]------\n\nMSR 00000017: 0012-0000-0000-0000 [PlatID = 4]\n");
        }

        return Encoding.ASCII.GetBytes(text.ToString());
    }
}
