using System.Buffers.Binary;
using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts.ElfCore;

public class ElfCoreEncoderTests
{
    public static TheoryData<string> Samples => [.. CoreSamples.All];

    [Theory]
    [MemberData(nameof(Samples))]
    public void An_unchanged_capture_changes_nothing(string name)
    {
        using MemoryStream content = new(CoreSamples.Bytes(name));
        Artifact artifact = Artifact.Open(content);
        Assert.True(artifact.CanEncode);
        Assert.Empty(artifact.Encode(artifact.Capture!, content));
    }

    [Theory]
    [MemberData(nameof(Samples))]
    public void A_changed_area_is_patched_where_it_was_and_nothing_else_changes(string name)
    {
        using MemoryStream content = new(CoreSamples.Bytes(name));
        Artifact artifact = Artifact.Open(content);
        Capture before = artifact.Capture!;
        SplitMix64 random = new(0xE1F);
        for (int round = 0; round < 50; round++)
        {
            int thread = random.Below(before.States.Length);
            byte[] area = before.States[thread].Area.ToArray();
            for (int changes = 1 + random.Below(5); changes > 0; changes--)
            {
                // Not the FSAVE tags of i386, which follow from contents; not what the sample has lost.
                int at = XsaveFormat.XmmOffset + random.Below(area.Length - XsaveFormat.XmmOffset);
                area[at] += (byte)(before.States[thread].Lost.Any(range => at >= range.Offset && at < range.End) ? 0 : 1);
            }

            byte[] file = CoreSamples.Patched(content, artifact.Encode(With(before, thread, area), content));
            Assert.Equal(content.Length, file.Length);
            Artifact after = CoreSamples.Open(file);
            for (int i = 0; i < before.States.Length; i++)
            {
                Assert.Equal(i == thread ? area : before.States[i].Area.ToArray(), after.Capture!.States[i].Area.ToArray());
            }

            Assert.DoesNotContain(after.Findings, finding => finding.Rule.Id == "XS0803");
        }
    }

    [Theory]
    [InlineData(XsaveFormat.FopOffset, true)]
    [InlineData(XsaveFormat.FipOffset + 3, true)]
    [InlineData(XsaveFormat.FipOffset + 4, false)]
    [InlineData(XsaveFormat.StOffset + 9, true)]
    [InlineData(XsaveFormat.StOffset + 10, false)]
    public void An_FSAVE_image_alone_takes_what_it_has_bits_for(int offset, bool fits)
    {
        using MemoryStream content = new(new CoreBuilder { Is64 = false, Machine = CoreBuilder.I386 }.Thread(2).FpRegisters(new byte[108])
            .Build());
        Artifact artifact = Artifact.Open(content);
        byte[] area = artifact.Capture!.States[0].Area.ToArray();
        area[offset] = 1;
        Capture changed = With(artifact.Capture, 0, area);
        if (fits)
        {
            Assert.Equal(area,
                CoreSamples.Open(CoreSamples.Patched(content, artifact.Encode(changed, content))).Capture!.States[0].Area.ToArray());
        }
        else
        {
            Assert.Contains("NT_FPREGSET holds", Assert.Throws<NotSupportedException>(() => artifact.Encode(changed, content)).Message,
                StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(CoreSamples.Zen4, 2)]
    [InlineData(CoreSamples.Zen4I386, 3)]
    public void Legacy_registers_are_changed_in_every_note_that_has_them(string name, int notes)
    {
        using MemoryStream content = new(CoreSamples.Bytes(name));
        Artifact artifact = Artifact.Open(content);
        byte[] area = artifact.Capture!.States[0].Area.ToArray();
        area[XsaveFormat.StOffset] ^= 0x40;
        area[XsaveFormat.FswOffset] |= 4;
        ImmutableArray<ArtifactPatch> patches = artifact.Encode(With(artifact.Capture, 0, area), content);
        byte[] file = CoreSamples.Patched(content, patches);
        Assert.Empty(CoreSamples.Open(file).Findings);
        Assert.Equal(notes * 2, content.ToArray().Where((value, i) => value != file[i]).Count());
        Assert.True(patches.Zip(patches.Skip(1)).All(pair => pair.First.Offset + pair.First.Found.Length <= pair.Second.Offset));
    }

    [Fact]
    public void The_FSAVE_note_of_i386_follows_tags_and_top_of_the_area()
    {
        using MemoryStream content = new(CoreSamples.Bytes(CoreSamples.Zen4I386));
        Artifact artifact = Artifact.Open(content);
        byte[] area = artifact.Capture!.States[1].Area.ToArray();

        // One number and one zero on an empty stack: TOP 6, R6 full with 1.0, R7 full with 0.
        BinaryPrimitives.WriteUInt16LittleEndian(area.AsSpan(XsaveFormat.FswOffset), 6 << 11);
        area[XsaveFormat.FtwOffset] = 0xC0;
        area.AsSpan(XsaveFormat.StOffset, XsaveFormat.StSlotLength * 2).Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(XsaveFormat.StOffset), 1UL << 63);
        BinaryPrimitives.WriteUInt16LittleEndian(area.AsSpan(XsaveFormat.StOffset + 8), 0x3FFF);
        byte[] file = CoreSamples.Patched(content, artifact.Encode(With(artifact.Capture, 1, area), content));
        Assert.Empty(CoreSamples.Open(file).Findings);
        int fsave = file.AsSpan().IndexOf((ReadOnlySpan<byte>)[0x7F, 3, 0xFF, 0xFF, 0, 0x30, 0xFF, 0xFF, 0xFF, 0x4F, 0xFF, 0xFF]);
        Assert.True(fsave > 0, "tags: R0 to R5 empty (3), R6 valid (0), R7 zero (1)");
    }

    [Fact]
    public void What_a_core_has_no_place_for_is_refused_and_named()
    {
        using MemoryStream content = new(CoreSamples.Bytes(CoreSamples.Zen4));
        Artifact artifact = Artifact.Open(content);
        Capture capture = artifact.Capture!;
        Assert.Contains("2432", Refused(With(capture, 0, new byte[2440])), StringComparison.Ordinal);
        Assert.Contains("stands where", Refused(capture with { States = [capture.States[1], capture.States[0], capture.States[2]] }),
            StringComparison.Ordinal);
        Assert.Contains("model-specific",
            Refused(capture with
            {
                States = [capture.States[0] with { Msrs = capture.States[0].Msrs.Add(0x6A7, 1) },
                .. capture.States.Skip(1)]
            }), StringComparison.Ordinal);

        string Refused(Capture changed) => Assert.Throws<NotSupportedException>(() => artifact.Encode(changed, content)).Message;
    }

    [Fact]
    public void A_thread_with_an_FXSAVE_note_alone_takes_x87_and_SSE_and_refuses_the_rest()
    {
        byte[] image = CoreSamples.Fxsave(CoreSamples.Area(XsaveLayout.LegacyOnly, 3, Mxcsr.IntelMask, 1));
        using MemoryStream content = new(new CoreBuilder().Thread(4).FpRegisters(image).Build());
        Artifact artifact = Artifact.Open(content);
        byte[] area = artifact.Capture!.States[0].Area.ToArray();
        area[200]++;
        Assert.Equal(area, CoreSamples.Open(CoreSamples.Patched(content,
            artifact.Encode(With(artifact.Capture, 0, area), content))).Capture!.States[0].Area.ToArray());
        area[XsaveFormat.XstateBvOffset] = 7;
        Assert.Throws<NotSupportedException>(() => artifact.Encode(With(artifact.Capture, 0, area), content));
    }

    [Fact]
    public void The_shadow_stack_pointer_is_IA32_PL3_SSP_and_can_be_changed()
    {
        byte[] area = CoreSamples.Area(XsaveLayout.LegacyOnly, 3, Mxcsr.IntelMask, 2);
        using MemoryStream content = new(new CoreBuilder().Thread(4).Area(area)
            .Note("LINUX", 0x204, BitConverter.GetBytes(0x7FFF_1234_5678UL)).Build());
        Artifact artifact = Artifact.Open(content);
        CapturedState state = artifact.Capture!.States[0];
        Assert.Equal(0x7FFF_1234_5678UL, state.Msrs[0x6A7]);
        Capture changed = artifact.Capture with { States = [state with { Msrs = state.Msrs.SetItem(0x6A7, 0x42) }] };
        Assert.Equal(0x42UL,
            CoreSamples.Open(CoreSamples.Patched(content, artifact.Encode(changed, content))).Capture!.States[0].Msrs[0x6A7]);
    }

    private static Capture With(Capture capture, int thread, byte[] area) =>
        capture with { States = capture.States.SetItem(thread, capture.States[thread] with { Area = area }) };
}
