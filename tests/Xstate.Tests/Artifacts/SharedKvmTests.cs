using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.KvmCpuid2;
using Xstate.Artifacts.KvmXcrs;
using Xstate.Artifacts.KvmXsave;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts;

/// <summary>Every binary that a real KVM wrote decodes, is recognised without help, and is written back bit for bit.</summary>
public class SharedKvmTests(ITestOutputHelper output)
{
    [Fact]
    public void Every_blob_is_recognised_by_its_bytes_and_written_back_identical()
    {
        string[] files = [.. Directory.GetFiles(Repository.Shared("data", "kvm"), "*.bin", SearchOption.AllDirectories)
            .Order(StringComparer.Ordinal)];
        foreach (string file in files)
        {
            byte[] bytes = File.ReadAllBytes(file);
            Artifact artifact = Artifact.Open(new MemoryStream(bytes));
            string name = Path.GetFileName(file);
            if (name.Contains("xsave", StringComparison.Ordinal))
            {
                Assert.Equal(KvmXsaveReader.Format, artifact.Format);
                Assert.Equal(bytes, KvmXsaveWriter.Write(artifact.Capture!.States[0]));
            }
            else if (name.Contains("xcrs", StringComparison.Ordinal))
            {
                Assert.Equal(KvmXcrsReader.Format, artifact.Format);
                Assert.Equal(bytes, KvmXcrsWriter.Write(artifact.Xcrs!));
            }
            else
            {
                Assert.Equal(KvmCpuid2Reader.Format, artifact.Format);
                Assert.Equal(bytes, KvmCpuid2Writer.Write(KvmCpuid2Reader.Read(bytes, ArtifactLimits.Default)));
                Assert.Equal(bytes, KvmCpuid2Writer.Write(KvmCpuid2Blob.From(artifact.Cpuid!.Cpuid)));
            }
        }

        output.WriteLine($"{files.Length} blobs");
        Assert.Equal(17, files.Length);
    }

    [Fact]
    public void The_blobs_of_a_guest_that_used_AVX_512_hold_what_the_guest_wrote()
    {
        static Artifact Open(string name) =>
            Artifact.Open(new MemoryStream(File.ReadAllBytes(Repository.Shared("data", "kvm", "pvm-6.18-thismachine", name))));

        XsaveArea area = new(Open("after_run_kvm_xsave2.bin").Capture!.States[0].Area.Span);
        XsaveLayout layout = XsaveLayout.FromCpuid(Open("kvm_cpuid2_supported.bin").Cpuid!.Cpuid);
        Assert.Equal(0xE6UL, area.XstateBv.Bits);
        Assert.True(area.TryGetComponent(StateComponent.Opmask, layout, out ReadOnlySpan<byte> opmask));
        Assert.Equal([0x78, 0x56, 0x34, 0x12], opmask.Slice(8, 4).ToArray());
        Assert.Equal(0xE7UL, Open("after_run_kvm_xcrs.bin").Xcrs!.Xcr0!.Value.Bits);
    }

    [Fact]
    public void Leaf_0xD_of_every_supported_table_adds_up()
    {
        foreach (string file in Directory.GetFiles(Repository.Shared("data", "kvm"), "kvm_cpuid2_supported.bin",
            SearchOption.AllDirectories))
        {
            CpuidTable cpuid = Artifact.Open(new MemoryStream(File.ReadAllBytes(file))).Cpuid!.Cpuid;
            XsaveLayout layout = XsaveLayout.FromCpuid(cpuid);
            Assert.Equal(StateComponentSet.Empty, layout.MissingComponents);
            Assert.Equal((int)cpuid.Read(CpuidTable.XsaveLeaf, 0).Ecx, layout.StandardLength);
        }
    }
}
