using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.ElfCore;
using Xstate.Captures;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts.ElfCore;

public class ElfCoreEditingTests(ITestOutputHelper output)
{
    private const string Amd = "AMD Zen 3 and later";

    [Theory]
    [InlineData(CoreSamples.Gdb16, Amd, 0xE7)]
    [InlineData(CoreSamples.Tcg61, "Intel", 0x21F)]
    public void A_core_without_the_layout_note_gets_the_one_that_a_new_kernel_writes(string name, string family, ulong components)
    {
        byte[] before = CoreSamples.Bytes(name);
        byte[] after = AddNote(before);
        Artifact artifact = CoreSamples.Open(after);
        Assert.All(artifact.Capture!.States, state => Assert.Equal((FactSource.Note, CoreSamples.LayoutOf(family, components)),
            (state.Layout!.Provenance.Source, state.Layout.Value)));
        foreach ((CapturedState old, CapturedState now) in CoreSamples.Open(before).Capture!.States.Zip(artifact.Capture.States))
        {
            Assert.Equal(old.Id, now.Id);
            Assert.Equal(old.Area.ToArray(), now.Area.ToArray());
            Assert.Equal(CoreSamples.Registers(old), CoreSamples.Registers(now));
        }
    }

    [Fact]
    public void The_added_note_is_the_kernels_own_byte_for_byte_where_there_is_room_behind_the_notes()
    {
        // The same program under 6.1, which writes no such note, and under 6.12, which does.
        byte[] old = CoreSamples.Bytes(CoreSamples.Tcg61);
        byte[] with = AddNote(old);
        byte[] kernels = CoreSamples.Bytes(CoreSamples.Tcg612);
        int at = kernels.AsSpan().IndexOf((ReadOnlySpan<byte>)[6, 0, 0, 0, 64, 0, 0, 0, 5, 2, 0, 0]);
        byte[] note = kernels[at..(at + 20 + 64)];
        Assert.Equal(note, with[0x3114..(0x3114 + note.Length)]);
        Assert.Equal(old.Length, with.Length);
        Assert.Equal(old[0x4000..], with[0x4000..]);
        Assert.Equal(note.Length, BitConverter.ToInt32(with, 64 + 32) - BitConverter.ToInt32(old, 64 + 32));
    }

    [Fact]
    public void A_core_that_has_the_note_stays_as_it_is()
    {
        foreach (string name in new[] { CoreSamples.Zen4, CoreSamples.Zen4I386, CoreSamples.Tcg612 })
        {
            using MemoryStream content = new(CoreSamples.Bytes(name));
            Assert.Empty(ElfCoreEditing.AddLayoutNote(content));
        }
    }

    [Fact]
    public void Without_room_all_notes_go_to_the_end_and_their_segment_and_section_follow()
    {
        byte[] before = CoreSamples.Bytes(CoreSamples.Gdb16);
        using MemoryStream content = new(before);
        ImmutableArray<ArtifactPatch> patches = ElfCoreEditing.AddLayoutNote(content);
        byte[] after = CoreSamples.Patched(content, patches);

        // Two words of the program header, two of gcore's section header, and the notes behind the end.
        Assert.Equal([8, 8, 8, 8, 0], patches.Select(patch => patch.Found.Length));
        Assert.True(after.Length > before.Length + 0x6000);
        Assert.Equal(before[0x200..0x30E8], after[0x200..0x30E8]);
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    public void Class_32_and_extended_numbering_and_full_files_take_the_note(bool is64, bool extended)
    {
        foreach (int room in new[] { 0, 40, 500 })
        {
            byte[] area = CoreSamples.Area(CoreSamples.LayoutOf(Amd, 0x2E7), 0x2E7, Mxcsr.AmdMask, 3);
            CoreBuilder core = new()
            {
                Is64 = is64,
                Memories = extended ? 66_000 : 3,
                MemoryLength = 9,
                ExtendedNumbering = extended,
                Room = room
            };
            byte[] before = core.Thread(1).Area(area).Thread(2).FpRegisters(CoreSamples.Fxsave(area)).Area(area).Build();
            byte[] after = AddNote(before);
            Capture capture = CoreSamples.Open(after).Capture!;
            Assert.Equal([1, 2], capture.States.Select(state => state.Id));
            Assert.All(capture.States, state => Assert.Equal((FactSource.Note, CoreSamples.LayoutOf(Amd, 0x2E7)),
                (state.Layout!.Provenance.Source, state.Layout.Value)));
            Assert.All(capture.States, state => Assert.Equal(area, state.Area.ToArray()));
            Assert.Equal(room == 500, after.Length == before.Length);
            Assert.Equal(before[^9..], after[(before.Length - 9)..before.Length]);
            Assert.Empty(CoreSamples.Open(after).Findings);
            Assert.Empty(ElfCoreEditing.AddLayoutNote(new MemoryStream(after)));
        }
    }

    [Fact]
    public void A_truncated_core_takes_the_note_only_where_no_memory_is_claimed()
    {
        byte[] area = CoreSamples.Area(CoreSamples.LayoutOf(Amd, 0xE7), 0xE7, Mxcsr.AmdMask, 4);
        byte[] full = new CoreBuilder { Memories = 1, MemoryLength = 5_000 }.Thread(1).Area(area).Build();
        Assert.Contains("truncated", Assert.Throws<NotSupportedException>(() => AddNote(full[..^100])).Message, StringComparison.Ordinal);
        byte[] roomy = new CoreBuilder { Memories = 1, MemoryLength = 5_000, Room = 200 }.Thread(1).Area(area).Build();
        Assert.Equal(FactSource.Note, CoreSamples.Open(AddNote(roomy[..^100])).Capture!.States[0].Layout!.Provenance.Source);

        // Room that is not zeros is not room.
        roomy[^5_150] = 1;
        Assert.Throws<NotSupportedException>(() => AddNote(roomy[..^100]));
        Assert.True(AddNote(roomy).Length > roomy.Length);
    }

    [Fact]
    public void Zeros_that_are_memory_are_no_room()
    {
        byte[] area = CoreSamples.Area(CoreSamples.LayoutOf(Amd, 0xE7), 0xE7, Mxcsr.AmdMask, 7);
        foreach (bool extended in new[] { false, true })
        {
            byte[] core = new CoreBuilder { Memories = 1, MemoryLength = extended ? 0 : 5_000, ExtendedNumbering = extended }.Thread(1)
                .Area(area).Build();

            // In the second file it is section header 0 that lies behind the notes: all zeros but for the numbers that PN_XNUM needs.
            core.AsSpan(core.Length - (extended ? 64 : 5_000), extended ? 32 : 5_000).Clear();
            byte[] noted = AddNote(core);
            Assert.True(noted.Length > core.Length);
            Assert.Equal(core[^64..], noted[(core.Length - 64)..core.Length]);
            Assert.Equal(FactSource.Note, CoreSamples.Open(noted).Capture!.States[0].Layout!.Provenance.Source);
        }
    }

    [Fact]
    public void Notes_that_tell_the_number_of_program_headers_do_not_move()
    {
        byte[] area = CoreSamples.Area(CoreSamples.LayoutOf(Amd, 0xE7), 0xE7, Mxcsr.AmdMask, 8);
        foreach (int room in new[] { 0, 300 })
        {
            byte[] core = new CoreBuilder { ExtendedNumbering = true, Memories = 40, MemoryLength = 3, Room = room }.Thread(1).Area(area)
                .Build();
            core.AsSpan(40, 8).Clear();
            if (room == 0)
            {
                Assert.Contains("section header 0", Assert.Throws<NotSupportedException>(() => AddNote(core)).Message,
                    StringComparison.Ordinal);
                continue;
            }

            Assert.Equal(FactSource.Note, CoreSamples.Open(AddNote(core)).Capture!.States[0].Layout!.Provenance.Source);
        }
    }

    [Fact]
    public void A_segment_with_a_few_bytes_behind_its_last_note_takes_the_new_one_where_readers_look_for_it()
    {
        byte[] area = CoreSamples.Area(CoreSamples.LayoutOf(Amd, 0xE7), 0xE7, Mxcsr.AmdMask, 6);
        foreach ((int extra, byte value) in new[] { (8, (byte)0), (8, (byte)0xEE), (-3, (byte)0) })
        {
            // A last note of 5 bytes is padded by 3, which the segment may leave out.
            byte[] core = new CoreBuilder { Memories = 1, MemoryLength = 5, Room = 300 }.Thread(1).Area(area).Note("x", 9, [1, 2, 3, 4, 5])
                .Build();
            core[64 + 32] = (byte)(core[64 + 32] + extra);
            int notesEnd = core.Length - 5 - 300;
            core.AsSpan(notesEnd, 8).Fill(value);
            byte[] noted = AddNote(core);
            Assert.Equal(FactSource.Note, CoreSamples.Open(noted).Capture!.States[0].Layout!.Provenance.Source);
            Assert.Equal(value == 0, noted.Length == core.Length);
        }
    }

    [Fact]
    public void A_guess_is_never_written_down_and_a_given_layout_has_to_fit()
    {
        byte[] area = [.. CoreSamples.Area(CoreSamples.LayoutOf(Amd, 0xE7), 0xE7, 0, 5), .. new byte[600]];
        byte[] core = new CoreBuilder { Room = 500 }.Thread(1).Area(area).Build();
        Assert.Contains("for sure", Assert.Throws<NotSupportedException>(() => AddNote(core)).Message, StringComparison.Ordinal);
        Assert.Throws<NotSupportedException>(() => AddNote(core, CoreSamples.LayoutOf(Amd, 7)));
        Assert.Throws<NotSupportedException>(() => AddNote(core[..core.Length], CoreSamples.LayoutOf("Intel", 0x60207)));
        byte[] given = AddNote(core, CoreSamples.LayoutOf(Amd, 0x2E7));
        Assert.Equal(CoreSamples.LayoutOf(Amd, 0xE7), CoreSamples.Open(given).Capture!.States[0].Layout!.Value);
        Assert.Throws<NotSupportedException>(() => AddNote(given, CoreSamples.LayoutOf("Intel", 0xE7)));
    }

    [Theory]
    [InlineData(CoreSamples.Gdb16)]
    [InlineData(CoreSamples.Tcg61)]
    [InlineData(CoreSamples.Damaged)]
    public void Gdb_reads_the_same_threads_and_registers_before_and_after(string name)
    {
        byte[] before = CoreSamples.Bytes(name);
        byte[] after = AddNote(before);
        string[] commands = ["info threads", "thread apply all -q info registers", "thread apply all -q info vector", "info auxv",
            "info float", "maintenance info sections"];
        string[] old = Gdb.Run(before, commands).Split("==\n");
        string[] now = Gdb.Run(after, commands).Split("==\n");
        output.WriteLine($"{Gdb.Version}: {old.Sum(text => text.Length)} characters compared");
        Assert.Equal(commands.Length + 1, now.Length);
        Assert.True(old[3].Length > 10_000 && old[2].Contains("rip", StringComparison.Ordinal));
        Assert.Equal(old[..^1].Where((_, i) => i > 0), now[..^1].Where((_, i) => i > 0));
        Assert.Contains(".reg-xstate", now[^1], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(CoreSamples.Gdb16)]
    [InlineData(CoreSamples.Tcg61)]
    public void Readelf_lists_the_same_notes_and_the_new_one_last_and_warns_of_nothing(string name)
    {
        byte[] before = CoreSamples.Bytes(name);
        List<string> old = Notes(before);
        List<string> now = Notes(AddNote(before));
        output.WriteLine(now[^1]);
        Assert.Equal(old, now[..^1]);
        Assert.Matches("^LINUX 0x00000040 (Unknown note type: \\(0x00000205\\)|NT_X86_XSAVE_LAYOUT)", now[^1]);
    }

    // Owner, size and type of each note, without the bytes that readelf prints below.
    private static List<string> Notes(byte[] core)
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, core);
            string text = ExternalTool.Run("readelf", "-W", "-h", "-l", "-S", "-n", path);
            Assert.DoesNotContain("readelf: ", text, StringComparison.Ordinal);
            return [.. text.Split('\n').Where(line => line.StartsWith("  ", StringComparison.Ordinal)
                && line.Contains("\t0x0", StringComparison.Ordinal) || line.Contains("NT_", StringComparison.Ordinal)
                || line.Contains("Unknown note", StringComparison.Ordinal))
                .Select(line => string.Join(' ', line.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries)
                    .TakeWhile(word => word != "description")))];
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static byte[] AddNote(byte[] core, XsaveLayout? layout = null)
    {
        using MemoryStream content = new(core);
        return CoreSamples.Patched(content, ElfCoreEditing.AddLayoutNote(content, layout));
    }
}
