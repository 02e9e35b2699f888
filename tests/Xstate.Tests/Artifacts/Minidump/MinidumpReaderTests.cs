using System.Buffers.Binary;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts.Minidump;

public class MinidumpReaderTests
{
    public static TheoryData<int> Seeds => [.. Enumerable.Range(0, 11)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void A_CONTEXT_gives_x87_and_SSE_and_nothing_wider(int seed)
    {
        byte[] area = ProcessFiles.AvxArea((ulong)seed);
        Artifact dump = Open(ProcessFiles.Minidump((4 + seed, ProcessFiles.Context(area)),
            (5000, ProcessFiles.Context(ProcessFiles.AvxArea(77)))));
        Assert.Equal([4 + seed, 5000], dump.Capture!.States.Select(state => state.Id));
        CapturedState state = dump.Capture.States[0];
        byte[] register = new byte[16];
        for (int i = 0; i < 16; i++)
        {
            Assert.True(state.TryReadRegister($"xmm{i}", register, out _));
            Assert.Equal(area[(160 + (16 * i))..(176 + (16 * i))], register);
        }

        Assert.False(state.TryReadRegister("ymm3", new byte[32], out RegisterKnowledge knowledge));
        Assert.Equal(RegisterKnowledge.NotRecorded, knowledge);
        Assert.Equal(["XS0812", "XS0812"], dump.Findings.Select(finding => finding.Rule.Id));
        Assert.False(dump.CanEncode);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void The_XSAVE_state_behind_a_CONTEXT_gives_wider_registers_and_the_shadow_stack(int seed)
    {
        // AVX, opmask and user CET have places; opmask is initial. Compacted: AVX at 576, opmask at 832, CET at 896.
        SplitMix64 random = new((ulong)seed);
        byte[] area = ProcessFiles.AvxArea((ulong)seed);
        byte[] extended = new byte[256 + 64 + 16];
        random.Fill(extended);
        Artifact dump = Open(ProcessFiles.Minidump((9, ProcessFiles.Context(area, used: 0x804, inImage: 0x824, extended))));
        CapturedState state = Assert.Single(dump.Capture!.States);
        Assert.Empty(dump.Findings);
        byte[] register = new byte[32];
        for (int i = 0; i < 16; i++)
        {
            Assert.True(state.TryReadRegister($"ymm{i}", register, out RegisterKnowledge stored));
            Assert.Equal([.. area[(160 + (16 * i))..(176 + (16 * i))], .. extended[(16 * i)..((16 * i) + 16)]], register);
            Assert.Equal(RegisterKnowledge.Stored, stored);
        }

        Assert.True(state.TryReadRegister("k1", out ulong k1, out RegisterKnowledge initial));
        Assert.Equal((0UL, RegisterKnowledge.Initial), (k1, initial));
        Assert.True(state.TryReadRegister("ssp", out ulong pointer, out _));
        Assert.Equal(BinaryPrimitives.ReadUInt64LittleEndian(extended.AsSpan(328)), pointer);
        Assert.False(state.TryReadRegister("pkru", out ulong _, out RegisterKnowledge pkru));
        Assert.Equal(RegisterKnowledge.NotRecorded, pkru);
    }

    [Fact]
    public void The_thread_of_an_exception_has_the_registers_that_it_crashed_with()
    {
        byte[] handler = ProcessFiles.Context(ProcessFiles.AvxArea(1));
        byte[] crashed = ProcessFiles.AvxArea(2);
        byte[] file = ProcessFiles.Minidump((8, handler), (9, ProcessFiles.Context(crashed)));

        // Stream 6 in place of the directory's first entry: an exception in thread 8 with the context of thread 9.
        int context = file.Length - 1232;
        byte[] exception = new byte[168];
        exception[0] = 8;
        BinaryPrimitives.WriteInt32LittleEndian(exception.AsSpan(160), 1232);
        BinaryPrimitives.WriteInt32LittleEndian(exception.AsSpan(164), context);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(32), 6);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(36), exception.Length);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(40), file.Length);
        Artifact dump = Open([.. file, .. exception]);
        Assert.Equal("minidump, exception in thread 8", dump.Capture!.Note);
        Assert.Equal(crashed[160..416], dump.Capture.States[0].Area[160..416].ToArray());
    }

    [Fact]
    public void What_is_no_minidump_of_this_processor_is_said_with_its_offset()
    {
        byte[] file = ProcessFiles.Minidump((1, ProcessFiles.Context(ProcessFiles.AvxArea(1))));
        byte[] arm = [.. file];
        arm[32 + 24] = 12;
        Assert.Equal("minidump: at offset 56 found processor architecture 12, expected 9: x86-64",
            Assert.Throws<MalformedArtifactException>(() => Open(arm)).Message);
        byte[] bare = [.. file];
        bare[file.Length - 1232 + 0x30] = 1;
        Assert.Contains("1 thread without floating-point registers", Assert.Throws<MalformedArtifactException>(() => Open(bare)).Message,
            StringComparison.Ordinal);
        byte[] outside = [.. file];
        BinaryPrimitives.WriteInt32LittleEndian(outside.AsSpan(112 + 4 + 44), 1 << 30);
        BinaryPrimitives.WriteInt32LittleEndian(outside.AsSpan(112 + 4 + 40), 0);
        Assert.Equal(file.Length, Assert.Throws<MalformedArtifactException>(() => Open(outside)).Offset);
        Assert.Throws<MalformedArtifactException>(() => Open("MDMP"u8.ToArray().Concat(new byte[28]).ToArray()));
        for (int length = 4; length < file.Length; length += 61)
        {
            Assert.Throws<MalformedArtifactException>(() => Open(file[..length]));
        }
    }

    private static Artifact Open(byte[] file) => Artifact.Open(new MemoryStream(file));
}
