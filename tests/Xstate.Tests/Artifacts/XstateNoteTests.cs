using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Captures;

namespace Xstate.Tests.Artifacts;

/// <summary>The register set of one thread alone, shorter than what KVM takes.</summary>
public class XstateNoteTests
{
    private const int Length = 2432;

    [Fact]
    public void A_register_set_opens_as_a_thread_with_the_components_of_its_kernel()
    {
        Artifact artifact = Artifact.Open(new MemoryStream(RegisterSet(mask: 0xE7)));
        Assert.Equal("nt-x86-xstate", artifact.Format);
        Assert.Equal(CaptureKind.Process, artifact.Capture!.Kind);
        Assert.Equal(0xE7u, artifact.Capture.States[0].Xcr0!.Value.Bits);
        Assert.Equal(FactSource.Artifact, artifact.Capture.States[0].Xcr0!.Provenance.Source);
    }

    [Fact]
    public void One_without_the_kernel_s_components_is_refused_with_the_two_ways_to_go_on()
    {
        byte[] bytes = RegisterSet(mask: 0);
        string message = Assert.Throws<MalformedArtifactException>(() => Artifact.Open(new MemoryStream(bytes))).Message;
        Assert.Contains("truncate -s 4096 FILE", message, StringComparison.Ordinal);
        Assert.Contains("--format nt-x86-xstate", message, StringComparison.Ordinal);
        Artifact named = Artifact.Open(new MemoryStream(bytes), new ArtifactOptions { Format = "nt-x86-xstate" });
        Assert.Null(named.Capture!.States[0].Xcr0);
        Array.Resize(ref bytes, 4096);
        Assert.Equal("kvm_xsave", Artifact.Open(new MemoryStream(bytes)).Format);
    }

    [Theory]
    [InlineData(520, 1)]
    [InlineData(530, 1)]
    [InlineData(513, 0x40)]
    [InlineData(27, 0x80)]
    public void What_no_kernel_writes_is_not_taken_for_one(int offset, byte value)
    {
        byte[] bytes = RegisterSet(mask: 0xE7);
        bytes[offset] = value;
        Assert.Throws<MalformedArtifactException>(() => Artifact.Open(new MemoryStream(bytes)));
    }

    [Fact]
    public void A_change_keeps_the_length_and_touches_nothing_else()
    {
        byte[] bytes = RegisterSet(mask: 0xE7);
        Artifact artifact = Artifact.Open(new MemoryStream(bytes));
        CapturedState state = artifact.Capture!.States[0];
        byte[] area = state.Area.ToArray();
        area[160] ^= 0xFF;
        Capture changed = artifact.Capture with { States = [state with { Area = area }] };
        ArtifactPatch patch = Assert.Single(artifact.Encode(changed, new MemoryStream(bytes)));
        Assert.Equal(160, patch.Offset);
        Capture longer = artifact.Capture with { States = [state with { Area = new byte[Length + 8] }] };
        Assert.Throws<NotSupportedException>(() => artifact.Encode(longer, new MemoryStream(bytes)));
    }

    private static byte[] RegisterSet(ulong mask)
    {
        byte[] bytes = new byte[Length];
        bytes[0] = 0x7F;
        bytes[1] = 0x03;
        new XsaveAreaWriter(bytes).WriteMxcsr(Mxcsr.Initial).WriteXstateBv(StateComponentSet.Legacy);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(XsaveFormat.SoftwareOffset), mask);
        return bytes;
    }
}
