using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts.ElfCore;

public class GcoreDamageTests(ITestOutputHelper output)
{
    private const string Intel = "Intel";
    private const string Amd = "AMD Zen 3 and later";
    private const ulong Avx512 = 0xE7;

    [Fact]
    public void The_measured_damage_is_recognised_with_the_bytes_that_are_lost()
    {
        Artifact artifact = CoreSamples.Open(CoreSamples.Bytes(CoreSamples.Damaged));
        Finding finding = artifact.Findings.Single(found => found.Rule.Id == "XS0802");
        Assert.Equal((Severity.Error, "2688 bytes", "2432 bytes"), (finding.Severity, finding.Found, finding.Expected));
        Assert.Contains("bytes 832 to 1087 of every area are lost (zmm0 to zmm5, k0 to k7,", finding.Message, StringComparison.Ordinal);
        Assert.Contains("; zmm6 to zmm31 are whole", finding.Message, StringComparison.Ordinal);
        Assert.All(artifact.Capture!.States, state => Assert.Equal([new AreaRange(832, 256)], state.Lost));
    }

    [Fact]
    public void Nothing_lost_is_shown_as_a_value_and_everything_else_is_right()
    {
        Capture capture = CoreSamples.Open(CoreSamples.Bytes(CoreSamples.Damaged)).Capture!;
        Assert.Equal(3, Compare(capture));
        Dictionary<string, string> first = CoreSamples.Registers(capture.States[0]);
        Assert.Equal("?", first["k3"]);
        Assert.Equal(new string('?', 64), first["zmm5"][64..]);
        Assert.DoesNotContain('?', first["zmm6"]);
    }

    [Fact]
    public void A_check_says_what_is_not_known_and_judges_the_rest()
    {
        Capture damaged = CoreSamples.Open(CoreSamples.Bytes(CoreSamples.Damaged)).Capture!;
        TargetOutcome same = RestoreRehearsal.Perform(damaged, Host("amd-genoa"));
        Assert.Equal(Verdict.Same, same.Verdict);
        Finding lost = Assert.Single(same.Findings, finding => finding.Rule.Id == "XS0706");
        Assert.Contains("and 2 more, 0x60 (opmask, zmm_hi256) is not known whole", lost.Message, StringComparison.Ordinal);

        // A processor without AVX-512: what is known of zmm0 to zmm15 is lost there, and of k0 to k7 nothing is known.
        TargetOutcome rome = RestoreRehearsal.Perform(damaged, Host("amd-rome"));
        Assert.Equal(Verdict.Differs, rome.Verdict);
        Assert.Contains(rome.Findings, finding => finding.Rule.Id == "XS0706");
        Assert.Contains(rome.Differences, difference => difference.Register == "zmm6");
        Assert.DoesNotContain(rome.Differences, difference => difference.Register is "k3" or "zmm0");
        Assert.Contains(rome.Findings, finding => finding.Rule.Id == "XS0506"
            && finding.Message.Contains("opmask", StringComparison.Ordinal));
    }

    [Fact]
    public void The_repair_moves_what_survived_to_Intels_offsets_and_marks_there_what_did_not()
    {
        Artifact artifact = CoreSamples.Open(CoreSamples.Bytes(CoreSamples.Damaged));
        Capture repaired = artifact.Repaired!;
        Assert.Equal(3, Compare(repaired));
        foreach ((CapturedState before, CapturedState after) in artifact.Capture!.States.Zip(repaired.States))
        {
            Assert.Equal([new AreaRange(1088, 64 + 192)], after.Lost);
            Assert.Equal((2688, CoreSamples.LayoutOf(Intel, Avx512)), (after.Area.Length, after.Layout!.Value));
            Assert.Equal(Mxcsr.AmdMask, new XsaveArea(after.Area.Span).MxcsrMask);
            Assert.Equal(CoreSamples.Registers(before), CoreSamples.Registers(after));
        }
    }

    [Fact]
    public void The_repaired_core_reads_back_with_the_same_registers_and_without_the_damage()
    {
        using MemoryStream content = new(CoreSamples.Bytes(CoreSamples.Damaged));
        Artifact artifact = Artifact.Open(content);
        byte[] file = CoreSamples.Patched(content, artifact.Encode(artifact.Repaired!, content));
        Artifact again = CoreSamples.Open(file);
        Assert.Equal(["XS0809"], again.Findings.Select(finding => finding.Rule.Id));
        Assert.Null(again.Repaired);
        foreach ((CapturedState expected, CapturedState found) in artifact.Repaired!.States.Zip(again.Capture!.States))
        {
            Assert.Equal(expected.Area.ToArray(), found.Area.ToArray());
            Assert.Equal(CoreSamples.LayoutOf(Intel, Avx512), found.Layout!.Value);
            Assert.Equal(expected.Lost, found.Lost);
            Assert.Equal(CoreSamples.Registers(expected), CoreSamples.Registers(found));
        }

        Assert.Equal(3, Compare(again.Capture));
    }

    [Fact]
    public void Where_there_is_room_behind_the_notes_the_file_keeps_its_length()
    {
        byte[] area = AsGdbWrites(Avx512, 11, out _);
        using MemoryStream content = new(new CoreBuilder { Room = 100, Memories = 1, MemoryLength = 10 }.Auxv((51, 3376)).Thread(1)
            .Area(area).Gdb().Build());
        Artifact artifact = Artifact.Open(content);
        byte[] file = CoreSamples.Patched(content, artifact.Encode(artifact.Repaired!, content));
        Assert.Equal(content.Length, file.Length);
        Assert.Equal(artifact.Repaired!.States[0].Area.ToArray(), CoreSamples.Open(file).Capture!.States[0].Area.ToArray());
        Assert.Equal(artifact.Repaired.States[0].Lost, CoreSamples.Open(file).Capture!.States[0].Lost);
        output.WriteLine($"{file.Where((value, i) => value != content.ToArray()[i]).Count()} of {file.Length} bytes changed");
    }

    [Fact]
    public void A_lost_register_cannot_be_given_a_value_that_would_hide_the_damage()
    {
        using MemoryStream content = new(CoreSamples.Bytes(CoreSamples.Damaged));
        Artifact artifact = Artifact.Open(content);
        CapturedState state = artifact.Capture!.States[0];
        byte[] area = state.Area.ToArray();
        area[840] = 0x42;
        Capture changed = artifact.Capture with { States = artifact.Capture.States.SetItem(0, state with { Area = area }) };
        Assert.Contains("lost", Assert.Throws<NotSupportedException>(() => artifact.Encode(changed, content)).Message,
            StringComparison.Ordinal);

        // The same for a caller who says which bytes are known now: the file could not.
        Capture known = artifact.Capture with
        {
            States = artifact.Capture.States.SetItem(0,
            state with { Area = area, Lost = [new AreaRange(832, 8), new AreaRange(848, 240)] })
        };
        Assert.Contains("lost cannot be given", Assert.Throws<NotSupportedException>(() => artifact.Encode(known, content)).Message,
            StringComparison.Ordinal);
        area[840] = 0;
        area[XsaveFormat.XmmOffset]++;
        Assert.NotEmpty(artifact.Encode(changed with { States = artifact.Capture.States.SetItem(0, state with { Area = area }) }, content));
    }

    [Fact]
    public void A_core_that_ends_among_its_notes_is_not_given_one_that_would_hide_the_end()
    {
        byte[] area = AsGdbWrites(Avx512, 11, out _);
        byte[] whole = new CoreBuilder().Auxv((16, 0x178B_FBFF), (51, 3376)).Thread(1).Area(area).Gdb().Thread(2).Area(area).Build();
        using MemoryStream content = new(whole[..^100]);
        Artifact artifact = Artifact.Open(content);
        Assert.Contains(artifact.Findings, finding => finding.Rule.Id == "XS0805");
        Assert.NotNull(artifact.Repaired);
        Assert.Contains("truncated", Assert.Throws<NotSupportedException>(() => artifact.Encode(artifact.Repaired!, content)).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(832, 0)]
    [InlineData(832, 0x7FFF_FFFF)]
    [InlineData(0x7FFF_FFFF, 8)]
    [InlineData(10, 8)]
    public void An_impossible_note_of_lost_bytes_is_malformed(int offset, int length)
    {
        byte[] ranges = new byte[16];
        BinaryPrimitives.WriteInt32LittleEndian(ranges, 600);
        BinaryPrimitives.WriteInt32LittleEndian(ranges.AsSpan(4), 20);
        BinaryPrimitives.WriteInt32LittleEndian(ranges.AsSpan(8), offset);
        BinaryPrimitives.WriteInt32LittleEndian(ranges.AsSpan(12), length);
        byte[] core = new CoreBuilder().Thread(1).Area(new byte[832]).Note("XSTATE", 0x5853_5401, ranges).Build();
        Assert.Contains("lost", Assert.Throws<MalformedArtifactException>(() => CoreSamples.Open(core)).Found, StringComparison.Ordinal);
    }

    [Fact]
    public void Gdb_shows_the_repaired_registers_rightly_after_it_showed_the_damaged_ones_wrongly()
    {
        using MemoryStream content = new(CoreSamples.Bytes(CoreSamples.Damaged));
        Artifact artifact = Artifact.Open(content);
        string[] names = [.. Enumerable.Range(6, 26).Select(i => $"zmm{i}")];
        Dictionary<string, string> expected = CoreSamples.Registers(artifact.Repaired!.States[0]);
        Dictionary<string, string> damaged = Gdb.Registers(content.ToArray(), names);
        Dictionary<string, string> repaired = Gdb.Registers(CoreSamples.Patched(content, artifact.Encode(artifact.Repaired!, content)),
            names);
        output.WriteLine(
            $"{Gdb.Version}: {names.Count(name => damaged[name] == expected[name])} of {names.Length} right before the repair, "
            + $"{names.Count(name => repaired[name] == expected[name])} after");
        Assert.All(names, name => Assert.Equal(expected[name], repaired[name]));
        Assert.All(names, name => Assert.NotEqual(expected[name], damaged[name]));
    }

    [Fact]
    public void With_protection_keys_PKRU_survives_and_on_Zen_3_it_does_not()
    {
        // What gdb does to any AMD area follows from the two layouts: it keeps the bytes that are registers of Intel's, and zeros the rest.
        (ulong Components, string Lost)[] cases = [(0x2E7, "832+256"), (0x207, "2432+8")];
        foreach ((ulong components, string lost) in cases)
        {
            byte[] area = AsGdbWrites(components, 7, out XsaveLayout real);
            Artifact artifact = CoreSamples.Open(new CoreBuilder().Auxv((16, 0x178B_FBFF), (51, 3376)).Thread(1).Area(area).Gdb().Build());
            CapturedState state = artifact.Capture!.States[0];
            Assert.Equal(real, state.Layout!.Value);
            Assert.Equal(lost, string.Join(' ', state.Lost.Select(range => $"{range.Offset}+{range.Length}")));
            Dictionary<string, string> whole = CoreSamples.Registers(state with
            {
                Lost = [],
                Area = CoreSamples.Area(real, components, 0, 7)
            });
            foreach ((string name, string shown) in CoreSamples.Registers(state))
            {
                Assert.True(shown.Length == 1 || shown.Zip(whole[name]).All(digits => digits.First == '?'
                    || digits.First == digits.Second), $"{name} {shown}");
            }
        }
    }

    [Fact]
    public void A_core_that_Intel_or_a_kernel_could_have_written_is_not_called_damaged()
    {
        XsaveLayout intel = CoreSamples.LayoutOf(Intel, Avx512);
        byte[] damaged = AsGdbWrites(Avx512, 8, out _);
        byte[] kernel = [.. damaged];
        BinaryPrimitives.WriteUInt32LittleEndian(kernel.AsSpan(XsaveFormat.MxcsrMaskOffset), Mxcsr.IntelMask);
        byte[] lastRegister = [.. damaged];
        lastRegister[^1] = 1;
        byte[] gap = [.. damaged];
        gap[840] = 1;
        Assert.Equal(FactSource.Inferred, Layout(new CoreBuilder().Auxv((16, 0xBFEB_FBFF)).Thread(1).Area(damaged).Gdb()));
        Assert.Equal(FactSource.Inferred, Layout(new CoreBuilder().Auxv((16, 0x178B_FBFF), (51, 3632)).Thread(1).Area(damaged).Gdb()));
        Assert.Equal(FactSource.Inferred, Layout(new CoreBuilder().Auxv((16, 0x178B_FBFF), (51, 3376)).Thread(1).Area(kernel)));
        Assert.Equal(FactSource.Inferred, Layout(new CoreBuilder().Auxv((16, 0x178B_FBFF)).Thread(1).Area(lastRegister).Gdb()));
        Assert.Equal(FactSource.Inferred, Layout(new CoreBuilder().Auxv((16, 0x178B_FBFF)).Thread(1).Area(gap).Gdb()));
        Assert.Equal(FactSource.Inferred, Layout(new CoreBuilder().Thread(1).Area(damaged).Gdb()));

        FactSource Layout(CoreBuilder core)
        {
            Artifact artifact = CoreSamples.Open(core.Build());
            Assert.DoesNotContain(artifact.Findings, finding => finding.Rule.Id == "XS0802");
            Assert.Equal(intel, artifact.Capture!.States[0].Layout!.Value);
            return artifact.Capture.States[0].Layout!.Provenance.Source;
        }
    }

    [Fact]
    public void Without_the_signal_frame_AMD_is_only_likely_and_nothing_is_repaired()
    {
        Artifact artifact = CoreSamples.Open(new CoreBuilder().Auxv((16, 0x178B_FBFF)).Thread(1).Area(AsGdbWrites(Avx512, 9, out _)).Gdb()
            .Build());
        Assert.Equal(FactSource.Guess, artifact.Capture!.States[0].Layout!.Provenance.Source);
        Assert.Equal(["XS0804", "XS0802", "XS0801"], artifact.Findings.Select(finding => finding.Rule.Id));
        Assert.Equal(Severity.Warning, artifact.Findings[1].Severity);
        Assert.Null(artifact.Repaired);
    }

    [Fact]
    public void A_thread_that_has_no_area_left_is_neither_damaged_nor_repaired()
    {
        byte[] area = AsGdbWrites(Avx512, 10, out _);
        Artifact artifact = CoreSamples.Open(new CoreBuilder().Auxv((51, 3376)).Thread(1).FpRegisters(CoreSamples.Fxsave(area)).Thread(2)
            .Area(area).Gdb().Build());
        Assert.Equal(["XS0807", "XS0804", "XS0802"], artifact.Findings.Select(finding => finding.Rule.Id));
        Assert.Equal((576, 0), (artifact.Repaired!.States[0].Area.Length, artifact.Repaired.States[0].Lost.Length));
        Assert.Equal((2688, 1), (artifact.Repaired.States[1].Area.Length, artifact.Repaired.States[1].Lost.Length));
    }

    private static LinuxHost Host(string name)
    {
        HostRecord host = SampleHosts.Open(name);
        return new LinuxHost(host, KernelBehavior.Of(host) ?? KernelBehavior.Of(new KernelRelease(6, 12)));
    }

    // How many of the sample's threads are there, all with the registers that their program loaded, but for those that are lost.
    private static int Compare(Capture capture)
    {
        ExpectedThread[] expected = CoreSamples.Expected(CoreSamples.Damaged);
        return capture.States.Count(state => expected.Count(thread => thread.Differences(CoreSamples.Registers(state),
            lostIsRight: true).Count == 0) == 1);
    }

    internal static byte[] AsGdbWrites(ulong components, ulong seed, out XsaveLayout real)
    {
        real = CoreSamples.LayoutOf(Amd, components);
        XsaveLayout assumed = CoreSamples.LayoutOf(Intel, components);
        byte[] kernel = CoreSamples.Area(real, components, 0, seed);
        byte[] written = new byte[assumed.StandardLength];
        kernel.AsSpan(0, XsaveFormat.ExtendedOffset).CopyTo(written);
        foreach (XsaveSlot slot in assumed.Slots)
        {
            int length = Math.Clamp(kernel.Length - slot.Offset, 0, slot.Size);
            kernel.AsSpan(Math.Min(slot.Offset, kernel.Length), length).CopyTo(written.AsSpan(slot.Offset));
        }

        return written;
    }
}
