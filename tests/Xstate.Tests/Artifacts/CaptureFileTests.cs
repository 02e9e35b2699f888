using System.Text;
using Xstate.Artifacts;
using Xstate.Artifacts.CaptureFile;
using Xstate.Captures;

namespace Xstate.Tests.Artifacts;

public class CaptureFileTests
{
    [Fact]
    public void Everything_a_capture_can_hold_survives_and_is_written_back_identical()
    {
        byte[] bytes = CaptureFileWriter.Write(SampleCaptures.Full);
        Artifact artifact = Artifact.Open(new MemoryStream(bytes));
        Assert.Equal(CaptureFileReader.Format, artifact.Format);
        Capture read = artifact.Capture!;
        Assert.Equal("kvm_xsave", read.Format);
        Assert.Equal(SampleCaptures.Full.Note, read.Note);
        Assert.Equal(SampleCaptures.Full.Source!.Provenance, read.Source!.Provenance);
        Assert.Equal(SampleCaptures.Host.Name, read.Source.Value.Name);
        Assert.Equal(SampleCaptures.Host.Cpuid.Entries, read.Source.Value.Cpuid.Entries);
        Assert.Equal(SampleCaptures.Host.Probes, read.Source.Value.Probes);
        Assert.Equal(SampleCaptures.Full.States.Length, read.States.Length);
        foreach ((CapturedState written, CapturedState again) in SampleCaptures.Full.States.Zip(read.States))
        {
            Assert.Equal(written.Id, again.Id);
            Assert.Equal(written.Area.ToArray(), again.Area.ToArray());
            Assert.Equal((written.Layout, written.Xcr0, written.Xss, written.Xfd), (again.Layout, again.Xcr0, again.Xss, again.Xfd));
            Assert.Equal(written.GuestCpuid?.Value.Entries, again.GuestCpuid?.Value.Entries);
            Assert.Equal(written.GuestCpuid?.Provenance, again.GuestCpuid?.Provenance);
            Assert.Equal(written.Msrs, again.Msrs);
            Assert.Equal((written.Is32Bit, written.Lost.Length), (again.Is32Bit, again.Lost.Length));
            Assert.Equal(written.Lost, again.Lost);
        }

        Assert.Equal(bytes, CaptureFileWriter.Write(read));
    }

    [Fact]
    public void What_was_opened_with_a_wider_limit_is_written_back_with_it()
    {
        byte[] padded = new byte[ArtifactLimits.Default.MaxWholeFile + 1];
        padded.AsSpan().Fill((byte)' ');
        CaptureFileWriter.Write(SampleCaptures.Small).CopyTo(padded, 0);
        ArtifactOptions wide = new() { Limits = new ArtifactLimits { MaxWholeFile = padded.Length } };
        Assert.Throws<MalformedArtifactException>(() => Artifact.Open(new MemoryStream(padded)));
        Artifact artifact = Artifact.Open(new MemoryStream(padded), wide);
        Assert.Empty(artifact.Encode(artifact.Capture!, new MemoryStream(padded), wide));
    }

    [Fact]
    public void Random_captures_are_written_back_identical()
    {
        SplitMix64 random = new(0xCAB);
        for (int i = 0; i < 300; i++)
        {
            byte[] area = new byte[576 + random.Below(3_000)];
            for (int byteCount = random.Below(60); byteCount > 0; byteCount--)
            {
                area[random.Below(area.Length)] = (byte)random.Next();
            }

            Capture capture = SampleCaptures.Full with
            {
                Kind = random.OneIn(2) ? CaptureKind.Process : CaptureKind.VirtualMachine,
                Format = random.Pick("xstate-capture", "kvm_xsave", "elf-core"),
                Source = random.OneIn(2) ? null : SampleCaptures.Full.Source,
                States = [SampleCaptures.Full.States[random.Below(2)] with { Id = random.Below(int.MaxValue), Area = area }],
            };
            byte[] bytes = CaptureFileWriter.Write(capture);
            Capture read = CaptureFileReader.Read(bytes, ArtifactLimits.Default);
            Assert.Equal(area, read.States[0].Area.ToArray());
            Assert.Equal(bytes, CaptureFileWriter.Write(read));
        }
    }

    [Fact]
    public void Zeros_cost_nothing_and_one_changed_register_is_one_changed_line()
    {
        static string[] Lines(uint pkru)
        {
            byte[] area = new byte[4096];
            BitConverter.TryWriteBytes(area.AsSpan(2688), pkru);
            return Encoding.UTF8.GetString(
                CaptureFileWriter.Write(SampleCaptures.Small with { States = [new CapturedState { Id = 0, Area = area }] })).Split('\n');
        }

        string[] four = Lines(4);
        string[] five = Lines(5);
        Assert.True(four.Length < 25);
        Assert.Equal(four.Length, five.Length);
        Assert.Equal("          {\"offset\":2688,\"hex\":\"0400000000000000000000000000000000000000000000000000000000000000\"}",
            Assert.Single(four.Except(five)));
    }

    [Theory]
    [InlineData("\"kind\": \"virtual-machine\"", "\"kind\": \"virtual-machine\", \"colour\": 1", "the member \"colour\" at $",
        "one of format, version, origin, kind, note, source, states")]
    [InlineData("\"id\": 0", "\"id\": 0, \"xstateBv\": \"0x1\"", "the member \"xstateBv\" at $.states[0]",
        "one of id, area, layout, xcr0, xss, xfd, guestCpuid, msrs, bits, lost, fpu, stored, recorded")]
    [InlineData("\"id\": 0", "\"id\": 0, \"id\": 0", "the member id again at $.states[0]", "each member once")]
    [InlineData("\"id\": 0", "\"id\": -1", "-1 at $.states[0].id", "a number from 0 to 2147483647")]
    [InlineData("\"id\": 0", "\"id\": \"0\"", "\"0\" at $.states[0].id", "a number from 0 to 2147483647")]
    [InlineData("\"id\": 0,", "", "no member id at $.states[0]", "the member id")]
    [InlineData("\"length\": 576", "\"length\": 575", "575 at $.states[0].area.length", "a number from 576 to 1048576")]
    [InlineData("\"length\": 576", "\"length\": 99999999999999999999", "99999999999999999999 at $.states[0].area.length",
        "a number from 576 to 1048576")]
    [InlineData("\"rows\": []", "\"rows\": [{\"offset\":570,\"hex\":\"01020304050607\"}]", "7 bytes at 570 at $.states[0].area.rows[0]",
        "rows within 576 bytes")]
    [InlineData("\"rows\": []", "\"rows\": [{\"offset\":8,\"hex\":\"0102\"},{\"offset\":9,\"hex\":\"01\"}]",
        "9 at $.states[0].area.rows[1].offset", "a number from 10 to 576")]
    [InlineData("\"rows\": []", "\"rows\": [{\"offset\":8,\"hex\":\"012\"}]", "\"012\" at $.states[0].area.rows[0].hex",
        "1 to 4096 bytes of two hexadecimal digits each")]
    [InlineData("\"rows\": []", "\"rows\": [{\"offset\":8,\"hex\":\"\"}]", "\"\" at $.states[0].area.rows[0].hex",
        "1 to 4096 bytes of two hexadecimal digits each")]
    [InlineData("\"rows\": []", "\"rows\": [}", "what is no JSON at $.states[0].area.rows[0]", "JSON")]
    [InlineData("\"id\": 0", "\"id\": 0, \"xcr0\": {\"value\":\"231\",\"source\":\"given\",\"detail\":\"\"}",
        "\"231\" at $.states[0].xcr0.value", "a string from \"0x0\" to \"0xffffffffffffffff\"")]
    [InlineData("\"id\": 0", "\"id\": 0, \"xcr0\": {\"value\":\"0x7\",\"source\":\"heard\",\"detail\":\"\"}",
        "\"heard\" at $.states[0].xcr0.source", "one of artifact, cpuid, note, measured, given, inferred, guess")]
    [InlineData("\"id\": 0", "\"id\": 0, \"xcr0\": {\"value\":\"0x7\",\"source\":\"given\"}", "no member detail at $.states[0].xcr0",
        "the member detail")]
    [InlineData("\"id\": 0",
        "\"id\": 0, \"layout\": {\"slots\":[{\"component\":\"pkru\",\"offset\":100,\"size\":8}],\"source\":\"given\",\"detail\":\"\"}",
        "component pkru cannot lie at offset 100 with 8 bytes at $.states[0].layout.slots", "slots that a processor could enumerate")]
    [InlineData("\"id\": 0",
        "\"id\": 0, \"layout\": {\"slots\":[{\"component\":\"mmx\",\"offset\":600,\"size\":8}],\"source\":\"given\",\"detail\":\"\"}",
        "\"mmx\" at $.states[0].layout.slots[0].component", "the name of a state component, or bit2 to bit62")]
    [InlineData("\"id\": 0", "\"id\": 0, \"msrs\": [{\"index\":\"0x1\",\"value\":\"0x0\"},{\"index\":\"0x01\",\"value\":\"0x0\"}]",
        "MSR 0x1 again at $.states[0].msrs[1]", "each MSR once")]
    [InlineData("\"version\": 1", "\"version\": 2, \"new\": 1", "version 2", "version 1")]
    [InlineData("\"version\": 1,", "", "no member version at $", "the member version")]
    public void What_is_wrong_is_told_with_its_path_what_is_there_and_what_was_expected(string right, string wrong, string found,
        string expected)
    {
        string good = Encoding.UTF8.GetString(CaptureFileWriter.Write(SampleCaptures.Small));
        Assert.Contains(right, good, StringComparison.Ordinal);
        MalformedArtifactException error = Read(good.Replace(right, wrong, StringComparison.Ordinal));
        Assert.True(error.Found == found || (found.Contains("JSON", StringComparison.Ordinal)
            && error.Found.StartsWith(found, StringComparison.Ordinal)), error.Found);
        Assert.Equal(expected, error.Expected);
    }

    [Fact]
    public void An_unknown_member_is_told_with_its_byte_offset()
    {
        string text = "{\"format\":\"xstate-capture\",\"version\":1,\"colour\":\"blue\"}";
        Assert.Equal(text.IndexOf("\"colour\"", StringComparison.Ordinal), Read(text).Offset);
    }

    [Fact]
    public void More_data_after_the_document_is_malformed()
    {
        string good = Encoding.UTF8.GetString(CaptureFileWriter.Write(SampleCaptures.Small));
        Assert.Equal("the end of the document", Read(good + "x").Expected);
        Assert.Equal("the end of the document", Read(good + "{}").Expected);
    }

    [Fact]
    public void Areas_together_have_a_ceiling()
    {
        string state = "{\"id\":0,\"area\":{\"length\":1000,\"rows\":[]}}";
        string text = $"{{\"format\":\"xstate-capture\",\"version\":1,\"kind\":\"process\",\"states\":[{state},{state},{state}]}}";
        ArtifactLimits limits = new() { MaxWholeFile = 2_600 };
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() =>
            CaptureFileReader.Read(Encoding.UTF8.GetBytes(text), limits));
        Assert.Equal("1000 at $.states[2].area.length", error.Found);
        Assert.Equal("a number from 576 to 600", error.Expected);
        Assert.Equal(3, CaptureFileReader.Read(Encoding.UTF8.GetBytes(text), ArtifactLimits.Default).States.Length);
    }

    [Fact]
    public void States_have_a_ceiling_and_nesting_is_refused_where_it_begins()
    {
        ArtifactLimits limits = new() { MaxStates = 1 };
        string two = Encoding.UTF8.GetString(CaptureFileWriter.Write(SampleCaptures.Full));
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() =>
            CaptureFileReader.Read(Encoding.UTF8.GetBytes(two), limits));
        Assert.Equal(("one more item at $.states[1]", "at most 1"), (error.Found, error.Expected));
        Assert.Equal("an array at $.states[0]",
            Read("{\"format\":\"xstate-capture\",\"version\":1,\"states\":" + new string('[', 60)).Found);
    }

    [Fact]
    public void A_capture_without_a_state_is_not_written()
    {
        Assert.Throws<ArgumentException>(() => CaptureFileWriter.Write(SampleCaptures.Small with { States = [] }));
        Assert.Equal("no state at $.states",
            Read("{\"format\":\"xstate-capture\",\"version\":1,\"kind\":\"process\",\"states\":[]}").Found);
    }

    [Theory]
    [InlineData(-1, 576)]
    [InlineData(0, 575)]
    [InlineData(0, (1 << 20) + 1)]
    public void A_state_that_no_reader_takes_is_not_written(int id, int length)
    {
        Assert.Throws<ArgumentException>(() =>
            CaptureFileWriter.Write(SampleCaptures.Small with { States = [new CapturedState { Id = id, Area = new byte[length] }] }));
    }

    [Fact]
    public void A_long_note_survives()
    {
        Capture capture = SampleCaptures.Small with { Note = new string('x', 200_000) };
        Assert.Equal(capture.Note, CaptureFileReader.Read(CaptureFileWriter.Write(capture), ArtifactLimits.Default).Note);
    }

    private static MalformedArtifactException Read(string text) =>
        Assert.Throws<MalformedArtifactException>(() => CaptureFileReader.Read(Encoding.UTF8.GetBytes(text), ArtifactLimits.Default));
}
