using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.CaptureFile;
using Xstate.Artifacts.CpuidRaw;
using Xstate.Artifacts.Criu;
using Xstate.Artifacts.Firecracker;
using Xstate.Artifacts.HostFile;
using Xstate.Artifacts.KvmCpuid2;
using Xstate.Artifacts.KvmXcrs;
using Xstate.Artifacts.UndoFile;
using Xstate.Captures;
using Xstate.Tests.Artifacts.CloudHypervisor;
using Xstate.Tests.Artifacts.Criu;
using Xstate.Tests.Artifacts.ElfCore;
using Xstate.Tests.Artifacts.Firecracker;
using Xstate.Tests.Artifacts.LibvirtSave;
using Xstate.Tests.Artifacts.QemuSnapshot;
using Xstate.Tests.Artifacts.QemuStream;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts.Mutations;

/// <summary>Every file there is: what tests build, what the repository holds, and what lies beside it.</summary>
internal static class MutationSamples
{
    private static readonly string[] Packed = [".gz", ".bz2", ".zst"];

    /// <summary>Samples of every format, from the repository alone.</summary>
    public static MutationSample[] Own() => [.. Built().Select((bytes, i) => Of($"built {i}", bytes)), .. Cores(), .. Stored(), Unread(),
        Undo()];

    /// <summary>Cores of every kind, uncompressed.</summary>
    public static IEnumerable<MutationSample> Cores() =>
        [.. CoreSamples.All.Select(name => Of(name, CoreSamples.Bytes(name))),
            .. BuiltCores().Select((bytes, i) => Of($"core {i}", bytes))];

    /// <summary>Cores that gcore damaged on AMD, with and without room behind the notes, whose repair the file itself tells.</summary>
    public static IEnumerable<MutationSample> DamagedCores()
    {
        yield return Of(CoreSamples.Damaged, CoreSamples.Bytes(CoreSamples.Damaged));
        byte[] area = GcoreDamageTests.AsGdbWrites(0xE7, 10, out _);
        yield return Of("one of two threads", new CoreBuilder().Auxv((51, 3376)).Thread(1).FpRegisters(CoreSamples.Fxsave(area)).Thread(2)
            .Area(area).Gdb().Build());
        yield return Of("with room", new CoreBuilder { Room = 400, Memories = 2, MemoryLength = 50 }.Auxv((16, 0x178B_FBFF), (51, 3376))
            .Thread(1).Area(area).Gdb().Build());
    }

    /// <summary>
    /// Every sample of the shared data, read where it lies: compressed ones as they are and unpacked. Skips the test where the data is
    /// absent.
    /// </summary>
    public static MutationSample[] Shared()
    {
        string root = Repository.Shared("data");
        List<MutationSample> samples = [];
        foreach (string file in Directory.GetFiles(root, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            string name = Path.GetRelativePath(root, file);
            if (Path.GetExtension(file) is ".c" or ".S" or ".sh" or ".sig" or ".md")
            {
                continue;
            }

            byte[] bytes = File.ReadAllBytes(file);
            samples.Add(Of(name, bytes));
            if (file.EndsWith(".tar.gz", StringComparison.Ordinal))
            {
                samples.AddRange(Members(name, bytes));
            }
            else if (Packed.Contains(Path.GetExtension(file)))
            {
                samples.Add(Of($"{name}, unpacked", file.EndsWith(".gz", StringComparison.Ordinal)
                    ? Unpack(bytes) : ExternalTool.Decompress(file)));
            }
        }

        return [.. samples];
    }

    private static MutationSample Of(string name, byte[] bytes)
    {
        string? format = null;
        try
        {
            format = Artifact.Open(new MemoryStream(bytes)).Format;
        }
        catch (MalformedArtifactException error)
        {
            // An answer that QEMU refused, a note beside a sample, or a snapshot that is only recognised; damage may still make something
            // of it.
            format = Artifact.Formats.Any(known => known.Name == error.Format) ? error.Format : null;
        }

        return new MutationSample(name, format, bytes)
        {
            Mend = format is CriuCoreReader.Format or CriuCpuinfoReader.Format
            ? MessageEdits.WithLength : null
        };
    }

    private static readonly string[] FeatureLists =
    [
        "$ lscpu\nVendor ID:   AuthenticAMD\nCPU family:  25\nModel:   17\nFlags:   fpu sse xsave avx pku\n",
            "{\"lscpu\":[{\"field\":\"Flags:\",\"data\":\"fpu xsave\",\"children\":[]}]}",
        "qemu-system-x86_64 -cpu Skylake-Server,+pku,avx512f=off -m 4G\n",
            "cpu-feature.node.kubevirt.io/pku: \"true\"\nfeature.node.kubernetes.io/cpu-cpuid.AVX: \"true\"\n",
        "$ virsh dumpxml vm\n<domain type='kvm'><cpu><model>Skylake-Server</model><feature policy='require' "
        + "name='pku'/></cpu></domain>\n$ \n",
    ];

    private static IEnumerable<byte[]> Built()
    {
        byte[] area = new byte[4096];
        area[0] = 0x7F;
        area[XsaveFormat.XstateBvOffset] = 7;
        yield return area;
        yield return [.. area, .. new byte[11008 - area.Length]];
        yield return Encoding.ASCII.GetBytes(string.Join('\n', area.Chunk(32).Select(row => Convert.ToHexStringLower(row))));
        byte[] registers = area[..832];
        registers[XsaveFormat.SoftwareOffset] = 7;
        yield return registers;
        yield return ProcessFiles.Minidump((1, ProcessFiles.Context(ProcessFiles.AvxArea(1))),
            (2, ProcessFiles.Context(ProcessFiles.AvxArea(2), used: 4, inImage: 0x24, new byte[320])));
        yield return Encoding.UTF8.GetBytes(PrintedSnapshot.Of([FirecrackerTests.WithTiles().Vcpu], PrintedSnapshot.Forms[2]));
        yield return KvmXcrsWriter.Write(KvmXcrsBlob.ForXcr0(new StateComponentSet(0xE7)));
        yield return KvmCpuid2Writer.Write(KvmCpuid2Blob.From(SampleCaptures.Cpuid));
        CpuidDump dump = CpuidDump.Create(CpuidRawReader.Format,
            [new CpuidProcessor("CPU 0", SampleCaptures.Cpuid), new CpuidProcessor("CPU 1", SampleCaptures.Cpuid)], []);
        yield return CpuidRawWriter.Write(dump);
        yield return InstLatx64Text(dump);
        string[] models =
        [
            CpuModelSamples.Libcpuid, CpuModelSamples.ProcCpuinfo, CpuModelSamples.Cpudata, CpuModelSamples.DomainCapabilities,
                CpuModelSamples.CpuMap, CpuModelSamples.Expansion,
            CpuModelSamples.Template, CpuModelSamples.SmallFingerprint,
        ];
        foreach (string text in models.Concat(PastedSamples.Formats.Select(format => PastedSamples.Of(format, SampleCaptures.Cpuid,
            SampleCaptures.Cpuid))).Concat(FeatureLists).Append(DecodedText.Of(SampleCaptures.Cpuid)))
        {
            yield return Encoding.UTF8.GetBytes(text);
        }

        yield return CaptureFileWriter.Write(SampleCaptures.Full);
        yield return CaptureFileWriter.Write(SampleCaptures.Small);
        yield return HostFileWriter.Write(SampleCaptures.Host);
        yield return StreamBuilder.Tcg();
        yield return StreamBuilder.Kvm();
        yield return new SnapshotBuilder().Add("one", StreamBuilder.Tcg()).Add("two", StreamBuilder.Kvm()).Build();
        yield return new SaveBuilder().Build(StreamBuilder.Tcg());
        yield return new SaveBuilder { Compression = 1 }.Build(Pack(StreamBuilder.Kvm()));
        yield return CloudHypervisorTests.AsLists(Unpack(DataFile("CloudHypervisor", "SEMISYNTHETIC-ch53-state-1vcpu-s5.json.gz")));
        yield return new CoreImageBuilder { XstateBv = 0x2FF, Packed = true }.With(StateComponent.Avx, 5).With(StateComponent.Pkru, 7, 0)
            .Build();
        foreach (byte[] snapshot in Snapshots())
        {
            yield return snapshot;
        }
    }

    private static IEnumerable<byte[]> Snapshots()
    {
        SnapshotParts[] vcpus = FirecrackerTests.Take(DataFile("Firecracker", "SEMISYNTHETIC-fc1.10-fmt4.0.0-2vcpu-s7.vmstate")).Vcpus;
        foreach (TheoryDataRow<string, string> row in FirecrackerTests.BincodeVersions)
        {
            yield return SnapshotParts.Bincode(row.Data.Item1, row.Data.Item2, vcpus);
        }

        yield return SnapshotParts.Versionize(4, vcpus);
        yield return SnapshotParts.Versionize(10, vcpus);
        yield return SnapshotParts.Bincode("6.0.0", "1.12", [FirecrackerTests.WithTiles().Vcpu]);
    }

    private static IEnumerable<byte[]> BuiltCores()
    {
        byte[] area = CoreSamples.Area(CoreSamples.LayoutOf("Intel", 0x602E7), 0x602E7, 0, 1);
        byte[] small = CoreSamples.Area(CoreSamples.LayoutOf("Intel", 7), 7, 0xFFFF, 2);
        yield return new CoreBuilder { FreeBsd = true }.Thread(1).FpRegisters(CoreSamples.Fxsave(small)).Area(small).Build();
        yield return new CoreBuilder { Is64 = false }.Thread(1).Area(area).NextSegment().Thread(2).Area(small).Build();
        yield return new CoreBuilder { ExtendedNumbering = true, Memories = 40, MemoryLength = 3, Room = 300 }.Thread(1).Area(small)
            .Thread(2).Area(small).Build();
        yield return new CoreBuilder { Is64 = false, Machine = CoreBuilder.I386 }.Thread(1).FpRegisters(new byte[108])
            .FxRegisters(CoreSamples.Fxsave(small)).Thread(2).FpRegisters(new byte[108]).Build();
        yield return new CoreBuilder { Room = 200, Memories = 1, MemoryLength = 100 }
            .Thread(7, signal: 11).FpRegisters(small[..512]).Area(small).Auxv((16, 0x178BFBFF), (51, 1776)).Thread(8).Area(small)
                .Layout((2, 256, 576)).Build();
    }

    // The samples that are files: of this project's tests, as they are and unpacked, and those that the repository offers.
    private static IEnumerable<MutationSample> Stored()
    {
        string tests = Repository.PathOf("tests", "Xstate.Tests", "Artifacts");
        IEnumerable<string> files = Directory.GetDirectories(tests, "data", SearchOption.AllDirectories).SelectMany(Directory.GetFiles)
            .Concat(Directory.GetFiles(Repository.PathOf("samples", "hosts")))
            .Concat(Directory.GetFiles(Repository.PathOf("samples", "captures")));
        foreach (string file in files.Where(file => Path.GetExtension(file) != ".md").Order(StringComparer.Ordinal))
        {
            string name = Path.GetRelativePath(Repository.Root, file);
            byte[] bytes = File.ReadAllBytes(file);
            yield return Of(name, bytes);
            if (file.EndsWith(".gz", StringComparison.Ordinal))
            {
                yield return Of($"{name}, unpacked", Unpack(bytes));
            }
        }
    }

    // Recognised by nothing that today's files have, and then refused: what an older file gives when it is taken for one.
    private static MutationSample Unread() =>
        new("1.15", FirecrackerBitcodeReader.Format, DataFile("Firecracker", "SEMISYNTHETIC-fc1.10-fmt4.0.0-1vcpu-s5.vmstate"));

    private static MutationSample Undo()
    {
        byte[] repaired = [.. Enumerable.Repeat((byte)7, 1000)];
        byte[] original = [.. repaired[..400], 1, 2, 3, .. repaired[400..900]];
        return new MutationSample("undo", UndoFileReader.Format,
            UndoFileWriter.Write(UndoRecord.Create(new MemoryStream(original), new MemoryStream(repaired))));
    }

    private static IEnumerable<MutationSample> Members(string name, byte[] archive)
    {
        using TarReader members = new(new MemoryStream(Unpack(archive)));
        while (members.GetNextEntry(copyData: true) is { } member)
        {
            if (member.DataStream is MemoryStream content)
            {
                yield return Of($"{name}, {member.Name}", content.ToArray());
            }
        }
    }

    private static byte[] DataFile(string folder, string name) =>
        File.ReadAllBytes(Repository.PathOf("tests", "Xstate.Tests", "Artifacts", folder, "data", name));

    private static byte[] Unpack(byte[] packed)
    {
        using GZipStream content = new(new MemoryStream(packed), CompressionMode.Decompress);
        using MemoryStream bytes = new();
        content.CopyTo(bytes);
        return bytes.ToArray();
    }

    private static byte[] Pack(byte[] bytes)
    {
        using MemoryStream packed = new();
        using (GZipStream content = new(packed, CompressionLevel.Fastest))
        {
            content.Write(bytes);
        }

        return packed.ToArray();
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
                text.Append(
                    $"CPUID {entry.Leaf:X8}: "
                    + $"{r.Eax:X8}-{r.Ebx:X8}-{r.Ecx:X8}-{r.Edx:X8}{(number == 1 ? $" [SL {entry.Subleaf:X2}]" : "")}\n");
            }

            text.Append("\n------[ MSR Registers / Logical CPU #0 ]------\n\nMSR 00000017: 0012-0000-0000-0000 [PlatID = 4]\n");
        }

        return Encoding.ASCII.GetBytes(text.ToString());
    }
}
