using System.Buffers.Binary;
using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.ElfCore;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts.ElfCore;

public class ElfCoreReaderTests(ITestOutputHelper output)
{
    private const string Amd = "AMD Zen 3 and later";

    [Theory]
    [InlineData(CoreSamples.Zen4, "13744 13745 13746", FactSource.Note, 2432)]
    [InlineData(CoreSamples.Zen4I386, "13790 13792 13791", FactSource.Note, 2432)]
    [InlineData(CoreSamples.Gdb16, "27867 27870 27869", FactSource.Inferred, 2432)]
    [InlineData(CoreSamples.Tcg61, "89 91 90", FactSource.Inferred, 2696)]
    [InlineData(CoreSamples.Tcg612, "132 133 134", FactSource.Note, 2696)]
    public void Every_thread_of_a_sample_has_exactly_the_registers_that_its_program_loaded(string name, string ids, FactSource layout,
        int areaLength)
    {
        Artifact artifact = CoreSamples.Open(CoreSamples.Bytes(name));
        Capture capture = artifact.Capture!;
        Assert.Equal((ElfCoreReader.Format, CaptureKind.Process), (artifact.Format, capture.Kind));
        Assert.Equal(ids, string.Join(' ', capture.States.Select(state => state.Id)));
        Assert.All(capture.States, state => Assert.Equal((areaLength, layout), (state.Area.Length, state.Layout!.Provenance.Source)));
        output.WriteLine($"{CompareAll(capture, CoreSamples.Expected(name))} registers compared in {capture.States.Length} threads");
    }

    [Fact]
    public void The_crashing_thread_comes_first_with_the_program_and_the_signal()
    {
        Capture capture = CoreSamples.Open(CoreSamples.Bytes(CoreSamples.Zen4)).Capture!;
        Assert.Equal("core of mkcore64 (./mkcore64 3), signal 4", capture.Note);
        Assert.Empty(CoreSamples.Expected(CoreSamples.Zen4)[0].Differences(CoreSamples.Registers(capture.States[0])));
        Assert.Equal("core of mkcore64 (./mkcore64)", CoreSamples.Open(CoreSamples.Bytes(CoreSamples.Gdb16)).Capture!.Note);
    }

    [Fact]
    public void A_32_bit_process_has_eight_vector_registers()
    {
        foreach (CapturedState state in CoreSamples.Open(CoreSamples.Bytes(CoreSamples.Zen4I386)).Capture!.States)
        {
            Assert.Equal(Enumerable.Range(0, 8).Select(i => $"zmm{i}"),
                CoreSamples.Registers(state).Keys.Where(key => key.Contains("mm", StringComparison.Ordinal)));
        }
    }

    [Fact]
    public void The_area_is_the_note_byte_for_byte_and_facts_say_where_they_come_from()
    {
        byte[] core = CoreSamples.Bytes(CoreSamples.Zen4);
        foreach (CapturedState state in CoreSamples.Open(core).Capture!.States)
        {
            Assert.True(core.AsSpan().IndexOf(state.Area.Span) > 0);
            Assert.Equal((0xE7UL, "byte 464 of NT_X86_XSTATE"), (state.Xcr0!.Value.Bits, state.Xcr0.Provenance.Detail));
            Assert.Equal("NT_X86_XSAVE_LAYOUT", state.Layout!.Provenance.Detail);
        }
    }

    [Theory]
    [InlineData(CoreSamples.Zen4, "")]
    [InlineData(CoreSamples.Zen4I386, "")]
    [InlineData(CoreSamples.Tcg61, "")]
    [InlineData(CoreSamples.Tcg612, "")]
    [InlineData(CoreSamples.Gdb16, "XS0804")]
    [InlineData(CoreSamples.Damaged, "XS0804 XS0802")]
    public void A_sound_core_gives_no_finding_and_gcore_is_told_by_its_marks(string name, string rules) =>
        Assert.Equal(rules, string.Join(' ', CoreSamples.Open(CoreSamples.Bytes(name)).Findings.Select(finding => finding.Rule.Id)));

    [Theory]
    [InlineData("drgn-crashme_static.core.zst", 18832, false)]
    [InlineData("elfutils-testcore-noncontig.bz2", 903, false)]
    [InlineData("elfutils-testfile-x32-core.bz2", 6885, false)]
    public void Third_party_cores_decode_without_a_false_claim(string file, int id, bool is32Bit)
    {
        Artifact artifact = CoreSamples.Open(ExternalTool.Decompress(Repository.Shared("data", "cores", file)));
        CapturedState state = Assert.Single(artifact.Capture!.States);
        Assert.Equal((id, is32Bit, 832), (state.Id, state.Is32Bit, state.Area.Length));
        Assert.Equal((2UL, 7UL), (new XsaveArea(state.Area.Span).XstateBv.Bits, state.Xcr0!.Value.Bits));
        Assert.Equal("every known processor with 0x7 places it this way", state.Layout!.Provenance.Detail);
        Assert.Empty(artifact.Findings);
        Assert.Equal(16, CoreSamples.Registers(state).Keys.Count(key => key.StartsWith("ymm", StringComparison.Ordinal)));
    }

    [Fact]
    public void A_FreeBSD_core_is_read_under_its_owner()
    {
        foreach (bool is64 in new[] { true, false })
        {
            byte[] area = AmdArea(1);
            byte[] core = new CoreBuilder { FreeBsd = true, Is64 = is64, Machine = is64 ? CoreBuilder.X86_64 : CoreBuilder.I386 }
                .Thread(100_123, signal: 6).FpRegisters(CoreSamples.Fxsave(area)).Area(area).Thread(100_124).Area(AmdArea(2)).Build();
            Artifact artifact = CoreSamples.Open(core);
            Assert.Equal([100_123, 100_124], artifact.Capture!.States.Select(state => state.Id));
            Assert.Equal(area, artifact.Capture.States[0].Area.ToArray());
            Assert.Equal(!is64, artifact.Capture.States[0].Is32Bit);
            Assert.Empty(artifact.Findings);
        }
    }

    [Fact]
    public void An_x32_core_is_of_class_32_with_all_sixteen_registers()
    {
        byte[] area = AmdArea(3);
        byte[] core = new CoreBuilder { Is64 = false }.Thread(77).FpRegisters(CoreSamples.Fxsave(area)).Area(area).Build();
        CapturedState state = Assert.Single(CoreSamples.Open(core).Capture!.States);
        Assert.Equal((77, false), (state.Id, state.Is32Bit));
        Assert.Equal(Convert.ToHexStringLower(area.AsSpan(1408 + (15 * 64), 64)), CoreSamples.Registers(state)["zmm31"]);
    }

    [Fact]
    public void More_program_headers_than_16_bits_count_are_found_through_section_header_0_and_without_it_through_the_notes()
    {
        byte[] area = AmdArea(4);
        byte[] core = new CoreBuilder { ExtendedNumbering = true, Memories = 70_000, MemoryLength = 1 }.Thread(5).Area(area).Build();
        Assert.Equal(area, Assert.Single(CoreSamples.Open(core).Capture!.States).Area.ToArray());

        // The section header is the last thing in the file: a truncated core does not have it.
        Artifact truncated = CoreSamples.Open(core[..^80]);
        Assert.Equal(area, Assert.Single(truncated.Capture!.States).Area.ToArray());
        Assert.Equal(("XS0805", Severity.Info), (truncated.Findings[0].Rule.Id, truncated.Findings[0].Severity));

        // A header that says PN_XNUM with neither is damaged, not a core of 65535 segments.
        byte[] noNotes = [.. core[..^80]];
        noNotes[64] = 1;
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => CoreSamples.Open(noNotes));
        Assert.Contains("PN_XNUM", error.Expected, StringComparison.Ordinal);
    }

    [Fact]
    public void Notes_in_several_segments_belong_together()
    {
        byte[][] areas = [AmdArea(5), AmdArea(6)];
        byte[] core = new CoreBuilder().Thread(1).NextSegment().Area(areas[0]).Thread(2).NextSegment().Area(areas[1]).NextSegment()
            .Layout((2, 256, 576), (5, 64, 832), (6, 512, 896), (7, 1024, 1408)).Build();
        Capture capture = CoreSamples.Open(core).Capture!;
        Assert.Equal(areas, capture.States.Select(state => state.Area.ToArray()));
        Assert.Equal(FactSource.Note, capture.States[0].Layout!.Provenance.Source);
    }

    [Fact]
    public void Notes_padded_to_eight_bytes_are_read_where_the_header_says_so()
    {
        byte[] area = AmdArea(7);
        byte[] core = new CoreBuilder { Padding = 8 }.Note("x", 1, [1, 2, 3]).Thread(9).Area(area).Build();
        Assert.Equal(area, Assert.Single(CoreSamples.Open(core).Capture!.States).Area.ToArray());
    }

    [Fact]
    public void A_core_that_ends_among_its_notes_shows_the_threads_before_and_says_what_is_missing()
    {
        byte[] core = CoreSamples.Bytes(CoreSamples.Zen4);
        int third = core.AsSpan().IndexOf(CoreSamples.Open(core).Capture!.States[2].Area.Span);
        Artifact artifact = CoreSamples.Open(core[..(third + 100)]);
        Assert.Equal([13744, 13745, 13746], artifact.Capture!.States.Select(state => state.Id));
        Assert.Equal(["XS0805", "XS0807"], artifact.Findings.Select(finding => finding.Rule.Id));

        // What is left of the third thread is its FXSAVE note: x87 and SSE, and no word about AVX.
        Assert.Equal((576, 13746), (artifact.Capture.States[2].Area.Length, artifact.Findings[1].Where.Vcpu));
        Assert.Equal(FactSource.Inferred, artifact.Capture.States[0].Layout!.Provenance.Source);
        Assert.Empty(CoreSamples.Expected(CoreSamples.Zen4)[0].Differences(CoreSamples.Registers(artifact.Capture.States[0])));
        Assert.DoesNotContain(CoreSamples.Registers(artifact.Capture.States[2]).Keys,
            key => key.StartsWith("ymm", StringComparison.Ordinal));

        Artifact noMemory = CoreSamples.Open(core[..0x4000]);
        Assert.Equal(("XS0805", Severity.Info), (noMemory.Findings[0].Rule.Id, noMemory.Findings[0].Severity));
        Assert.Equal(3, noMemory.Capture!.States.Length);
    }

    [Fact]
    public void A_thread_without_an_XSAVE_note_has_what_its_older_notes_have()
    {
        byte[] i386 = CoreSamples.Bytes(CoreSamples.Zen4I386);
        Capture whole = CoreSamples.Open(i386).Capture!;
        Hide(i386, 0x202);
        Artifact fxsave = CoreSamples.Open(i386);
        Assert.Equal(3, fxsave.Findings.Count(finding => finding.Rule.Id == "XS0807"));
        foreach ((CapturedState before, CapturedState after) in whole.States.Zip(fxsave.Capture!.States))
        {
            Assert.Equal(before.Area.Span[..464].ToArray(), after.Area.Span[..464].ToArray());
            Assert.Equal(3UL, new XsaveArea(after.Area.Span).XstateBv.Bits);
        }

        // Then only FSAVE is left: its tags, registers and words become the same x87 state.
        Hide(i386, 0x46E6_2B7F);
        Artifact fsave = CoreSamples.Open(i386);
        foreach ((CapturedState before, CapturedState after) in whole.States.Zip(fsave.Capture!.States))
        {
            Dictionary<string, string> expected = CoreSamples.Registers(before);
            Dictionary<string, string> found = CoreSamples.Registers(after);
            Assert.All(found.Keys.Where(key => key is "fcw" or "fsw" or "ftw" or "fip" or "fdp"
                || key.StartsWith("st", StringComparison.Ordinal)), key => Assert.Equal(expected[key], found[key]));
            Assert.Equal(1UL, new XsaveArea(after.Area.Span).XstateBv.Bits);
        }
    }

    [Fact]
    public void Notes_of_one_thread_that_disagree_are_a_finding_with_both_values()
    {
        byte[] area = AmdArea(8);
        byte[] image = CoreSamples.Fxsave(area);
        image[200] ^= 0x11;
        Finding finding = Assert.Single(CoreSamples.Open(new CoreBuilder().Thread(3).FpRegisters(image).Area(area).Build()).Findings);
        Assert.Equal(("XS0803", 3, $"0x{image[200]:x2}", $"0x{area[200]:x2}"),
            (finding.Rule.Id, finding.Where.Vcpu, finding.Found, finding.Expected));

        // i386 keeps the same x87 registers a third time, as FSAVE stores them: here TOP changes.
        byte[] i386 = CoreSamples.Bytes(CoreSamples.Zen4I386);
        int fsave = Hide([.. i386], 2)[0];
        i386[fsave + 5] ^= 8;
        Finding x87 = Assert.Single(CoreSamples.Open(i386).Findings);
        Assert.Equal(("XS0803", 13790, (long?)fsave), (x87.Rule.Id, x87.Where.Vcpu, x87.Where.Offset));
    }

    [Fact]
    public void A_header_that_no_kernel_writes_is_a_finding_at_its_offset()
    {
        foreach ((int at, byte value, string what) in new[] { (XsaveFormat.XcompBvOffset + 7, (byte)0x80, "XCOMP_BV"),
            (XsaveFormat.ReservedHeaderOffset + 5, (byte)1, "reserved"), (XsaveFormat.XstateBvOffset + 1, (byte)2, "XSTATE_BV") })
        {
            byte[] area = AmdArea(9);
            area[at] = value;
            byte[] core = new CoreBuilder().Thread(3).Area(area).Layout((2, 256, 576), (5, 64, 832), (6, 512, 896), (7, 1024, 1408))
                .Build();
            Finding finding = CoreSamples.Open(core).Findings.First();
            Assert.Equal("XS0808", finding.Rule.Id);
            Assert.Contains(what, finding.Message, StringComparison.Ordinal);
            Assert.Equal(core.AsSpan().IndexOf(area), finding.Where.Offset - (at & ~7));
        }
    }

    [Fact]
    public void A_core_of_64_GB_costs_its_headers_and_notes()
    {
        const long Memory = 64L << 30;
        ImmutableArray<byte[]> areas = [.. Enumerable.Range(0, 64).Select(i => AmdArea((ulong)i))];
        CoreBuilder builder = new() { Memories = 16, MemoryLength = Memory / 16 };
        for (int i = 0; i < areas.Length; i++)
        {
            builder.Thread(1_000 + i).FpRegisters(CoreSamples.Fxsave(areas[i])).Area(areas[i]);
        }

        (byte[] head, long length) = builder.BuildSparse();
        string path = Path.GetTempFileName();
        try
        {
            using (FileStream file = File.Create(path))
            {
                file.Write(head);
                try
                {
                    file.SetLength(length);
                }
                catch (IOException error)
                {
                    Assert.Skip($"the temporary folder takes no file of {length} bytes: {error.Message}");
                }
            }

            using CountingStream stream = new(File.OpenRead(path));
            long before = GC.GetAllocatedBytesForCurrentThread();
            Artifact artifact = Artifact.Open(stream);
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            output.WriteLine($"{length} bytes, {stream.BytesRead} read, {allocated} allocated");
            Assert.Equal(areas, artifact.Capture!.States.Select(state => state.Area.ToArray()));
            Assert.Empty(artifact.Findings);
            Assert.InRange(stream.BytesRead, 1, (4 << 20) - 1);
            Assert.InRange(allocated, 1, (4 << 20) - 1);
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>Makes notes of a type unknown; gives where their descriptions begin.</summary>
    private static List<int> Hide(byte[] core, uint type)
    {
        List<int> found = [];
        for (int at = 0x234; at + 20 < core.Length; at += 4)
        {
            bool note = BinaryPrimitives.ReadUInt32LittleEndian(core.AsSpan(at)) is 5 or 6
                && BinaryPrimitives.ReadUInt32LittleEndian(core.AsSpan(at + 8)) == type
                && (core.AsSpan(at + 12).StartsWith("CORE\0"u8) || core.AsSpan(at + 12).StartsWith("LINUX\0"u8));
            if (note)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(core.AsSpan(at + 8), 0x7FFF_FFFF);
                found.Add(at + 20);
            }
        }

        return found;
    }

    private static byte[] AmdArea(ulong seed) => CoreSamples.Area(CoreSamples.LayoutOf(Amd, 0xE7), 0xE7, Mxcsr.AmdMask, seed);

    // Threads are told apart by what they hold: each expected one must be one of the capture's, and each of these must be used once.
    private static int CompareAll(Capture capture, ExpectedThread[] expected)
    {
        List<CapturedState> left = [.. capture.States];
        int compared = 0;
        foreach (ExpectedThread thread in expected)
        {
            List<string> closest = [.. left.Select(state => thread.Differences(CoreSamples.Registers(state)))
                .MinBy(differences => differences.Count)!];
            Assert.Empty(closest);
            Assert.Equal(1, left.RemoveAll(state => thread.Differences(CoreSamples.Registers(state)).Count == 0));
            compared += thread.Registers.Count + (thread.Stack?.Length ?? 0);
        }

        return compared;
    }
}
