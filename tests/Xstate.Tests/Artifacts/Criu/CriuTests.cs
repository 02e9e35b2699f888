using System.Collections.Immutable;
using System.Diagnostics;
using System.Text.Json.Nodes;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.Criu;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts.Criu;

public class CriuTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("core-2539.img", 0, 0xE7)]
    [InlineData("core-2541.img", 1, 0x7)]
    [InlineData("core-2542.img", 2, 0x2)]
    public void A_sample_has_every_register_that_its_program_set(string name, int thread, int xstateBv)
    {
        Artifact artifact = Open(Sample(name));
        Assert.Equal(CriuCoreReader.Format, artifact.Format);
        Assert.Empty(artifact.Findings);
        Assert.Equal((CaptureKind.Process, "a thread named mkcore64"), (artifact.Capture!.Kind, artifact.Capture.Note));
        CapturedState state = artifact.Capture.States[0];
        Assert.Equal((ulong)xstateBv, new XsaveArea(state.Area.Span).XstateBv.Bits);
        Assert.Equal(0xE7UL, state.Xcr0!.Value.Bits);

        // By MXCSR_MASK and the components there is one kind of processor, so the area is what the thread's own kernel would show.
        Assert.Equal((2432, 2432), (state.Area.Length, state.Layout!.Value.StandardLength));
        JsonNode expected = JsonNode.Parse(Sample("expected.json"))!["threads_in_note_order_after_sorting_by_role"]![thread]!;
        Dictionary<string, string> registers = SeededRegisters.Of(state);
        Assert.Equal((string)expected["mxcsr"]!, registers["mxcsr"]);
        Assert.Equal((string)expected["fcw"]!, registers["fcw"]);
        int compared = 2;
        foreach ((string register, JsonNode? value) in expected["vectors"]!.AsObject())
        {
            string wide = registers["zmm" + register[3..]];
            Assert.Equal(((string)value!).PadRight(wide.Length, '0'), wide);
            compared++;
        }

        for (int i = 0; i < 8; i++, compared++)
        {
            Assert.Equal((string)expected["k"]![i]!, registers[$"k{i}"]);
        }

        JsonArray stack = expected["x87_top_of_stack_first"]!.AsArray();
        for (int i = 0; i < stack.Count; i++, compared++)
        {
            Assert.Equal((double)stack[i]!, ExtendedToDouble(Convert.FromHexString(registers[$"st{i}"])));
        }

        output.WriteLine($"{compared} registers");
    }

    [Fact]
    public void Every_component_is_read_by_its_name_packed_or_not()
    {
        foreach (bool packed in (bool[])[false, true])
        {
            CoreImageBuilder builder = new() { XstateBv = 0x2FF, Packed = packed, Kind = (1, 2), Name = "wide" };
            builder.With(StateComponent.Avx, 0xFFFF_FFFF).With(StateComponent.BndRegs, 1, 2, 3, 4, 5, 6, 7, ulong.MaxValue)
                .With(StateComponent.BndCsr, 0x4000, 9, 0, 0, 0, 0, 0, 0)
                .With(StateComponent.Opmask, 10, 11, 12, 13, 14, 15, 16, ulong.MaxValue)
                .With(StateComponent.ZmmHi256, 0x0102_0304_0506_0708).With(StateComponent.Hi16Zmm, 0x8877_6655_4433_2211)
                .With(StateComponent.Pkru, 0x5555_5554, 0);
            Artifact artifact = Open(builder.Build());
            Assert.Empty(artifact.Findings);
            CapturedState state = artifact.Capture!.States[0];
            Assert.True(state.Is32Bit);
            Assert.Equal("a thread named wide", artifact.Capture.Note);
            Dictionary<string, string> registers = SeededRegisters.Of(state with { Is32Bit = false }, new StateComponentSet(0x2FF));
            Assert.Equal("0x55555554", registers["pkru"]);
            Assert.Equal(("0x4000", "0x9"), (registers["bndcfgu"], registers["bndstatus"]));
            Assert.Equal("0700000000000000ffffffffffffffff", registers["bnd3"]);
            Assert.Equal(("0xa", "0xffffffffffffffff"), (registers["k0"], registers["k7"]));
            Assert.EndsWith("ffffffff08070605040302010807060504030201" + "08070605040302010807060504030201", registers["zmm15"],
                StringComparison.Ordinal);
            Assert.StartsWith("1122334455667788", registers["zmm31"], StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_changed_register_is_written_anew_with_the_lengths_around_it_and_all_other_fields_stay()
    {
        foreach (bool packed in (bool[])[false, true])
        {
            byte[] file = new CoreImageBuilder { XstateBv = 7, Packed = packed }.With(StateComponent.Avx, 0).Build();
            Artifact artifact = Open(file);
            Assert.Empty(artifact.Encode(artifact.Capture!, new MemoryStream(file)));
            CapturedState state = artifact.Capture!.States[0];
            byte[] area = state.Area.ToArray();

            // Sixty-four numbers of one byte become numbers of five, so that the length of xsave grows by a byte, and those around it.
            area.AsSpan(576, 256).Fill(0xFF);
            area[XsaveFormat.XmmOffset + 3] = 0x80;
            area[XsaveFormat.FipOffset + 7] = 0x80;
            byte[] written = Encode(artifact, area, file);
            Assert.InRange(written.Length - file.Length, 256 + 4 + 9, 256 + 4 + 9 + 4);
            Artifact again = Open(written);
            Assert.Equal(area, again.Capture!.States[0].Area.ToArray());
            Assert.Equal("a thread named builder", again.Capture.Note);
            Assert.True(written.AsSpan().IndexOf("unknown"u8) > 0);

            // And back: the same bytes as at the beginning.
            Assert.Equal(file, Encode(again, state.Area.ToArray(), written));
        }
    }

    [Fact]
    public void crit_reads_what_was_rewritten_and_finds_only_the_change()
    {
        byte[] file = Sample("core-2539.img");
        JsonNode before = Crit(file);
        Artifact artifact = Open(file);
        byte[] area = artifact.Capture!.States[0].Area.ToArray();
        area[XsaveFormat.MxcsrOffset + 1] = 0x1F;
        area.AsSpan(XsaveFormat.XmmOffset, 16).Clear();
        area.AsSpan(576, 16).Clear();
        area.AsSpan(832, 8).Fill(0xFF);
        byte[] written = Encode(artifact, area, file);
        JsonNode after = Crit(written);
        JsonNode fpregs = after["entries"]![0]!["thread_info"]!["fpregs"]!;
        JsonNode old = before["entries"]![0]!["thread_info"]!["fpregs"]!;
        Assert.Equal(0x1F80, (int)fpregs["mxcsr"]!);
        Assert.Equal(0, (int)fpregs["xmm_space"]![0]!);
        Assert.Equal(0, (int)fpregs["xsave"]!["ymmh_space"]![3]!);
        Assert.Equal(ulong.MaxValue, (ulong)fpregs["xsave"]!["opmask_reg"]![0]!);
        fpregs["mxcsr"] = (int)old["mxcsr"]!;
        for (int i = 0; i < 4; i++)
        {
            fpregs["xmm_space"]![i] = (uint)old["xmm_space"]![i]!;
            fpregs["xsave"]!["ymmh_space"]![i] = (uint)old["xsave"]!["ymmh_space"]![i]!;
        }

        fpregs["xsave"]!["opmask_reg"]![0] = (ulong)old["xsave"]!["opmask_reg"]![0]!;
        Assert.Equal(before.ToJsonString(), after.ToJsonString());
    }

    [Fact]
    public void What_the_image_has_no_field_for_is_refused()
    {
        byte[] file = new CoreImageBuilder { XstateBv = 7 }.With(StateComponent.Avx, 0).Build();
        Artifact artifact = Open(file);
        CapturedState state = artifact.Capture!.States[0];
        byte[] area = [.. state.Area.Span, .. new byte[64]];
        area[XsaveFormat.XstateBvOffset] = 0x27;
        CapturedState other = state with
        {
            Area = area,
            Layout = new Fact<XsaveLayout>(LayoutFamily.All[2].Layout, FactSource.Given,
            "test")
        };
        NotSupportedException error = Assert.Throws<NotSupportedException>(() =>
            artifact.Encode(artifact.Capture! with { States = [other] }, new MemoryStream(file)));
        Assert.Contains("opmask", error.Message, StringComparison.Ordinal);
        byte[] fxsave = new CoreImageBuilder { XstateBv = null }.Build();
        Artifact old = Open(fxsave);
        Assert.Equal(3UL, new XsaveArea(old.Capture!.States[0].Area.Span).XstateBv.Bits);
        byte[] more = old.Capture.States[0].Area.ToArray();
        more[XsaveFormat.XstateBvOffset] = 7;
        Assert.Throws<NotSupportedException>(() => Encode(old, more, fxsave));
    }

    [Fact]
    public void XSTATE_BV_and_the_fields_are_held_against_each_other()
    {
        Finding missing = Assert.Single(Open(new CoreImageBuilder { XstateBv = 0x7 }.Build()).Findings);
        Assert.Equal(("XS1002", "0", "64"), (missing.Rule.Id, missing.Found, missing.Expected));
        Finding cut = Assert.Single(Open(new CoreImageBuilder { XstateBv = 0x3 }.With(StateComponent.Opmask, 1, 2, 3)
            .Build()).Findings.Where(finding => finding.Rule.Id == "XS1002"));
        Assert.Contains("refuses", cut.Message, StringComparison.Ordinal);
        Assert.Equal(("3", "8"), (cut.Found, cut.Expected));
        Finding stale = Assert.Single(Open(new CoreImageBuilder { XstateBv = 0x3 }.With(StateComponent.Opmask, 1).Build()).Findings);
        Assert.Equal(("XS1003", Severity.Info), (stale.Rule.Id, stale.Severity));
        Finding lost = Assert.Single(Open(new CoreImageBuilder { XstateBv = 0x6_0003 }.Build()).Findings);
        Assert.Equal("XS1004", lost.Rule.Id);
        Assert.Contains("tilecfg, tiledata", lost.Message, StringComparison.Ordinal);
        Assert.Empty(Open(new CoreImageBuilder { XstateBv = 0x3 }.With(StateComponent.Opmask, 0).Build()).Findings);
    }

    [Fact]
    public void cpuinfo_is_read_as_the_CPUID_that_it_was_made_of()
    {
        Artifact artifact = Open(Sample("cpuinfo.img"));
        Assert.Equal(CriuCpuinfoReader.Format, artifact.Format);
        CpuidTable cpuid = artifact.Cpuid!.Cpuid;
        Assert.Equal(new ProcessorModel(ProcessorVendor.Amd, 25, 17, 1), ProcessorModel.From(cpuid));
        Assert.Equal(new CpuidRegisters(0xE7, 2432, 2432, 0), cpuid.Read(0xD));
        Assert.Equal((395049983U, 4294586883U), (cpuid.Read(1).Edx, cpuid.Read(1).Ecx));
        Assert.Equal((4055828395U, 4218822U, 16U), (cpuid.Read(7).Ebx, cpuid.Read(7).Ecx, cpuid.Read(7).Edx));
        Assert.Equal(15U, cpuid.Read(0xD, 1).Eax);
        Assert.Equal((4195315U, 802421759U), (cpuid.Read(0x8000_0001).Ecx, cpuid.Read(0x8000_0001).Edx));
        Assert.Contains(artifact.Cpuid.Remarks, remark => remark.Message.Contains("0xe5 is read as 0xe7", StringComparison.Ordinal));
        Assert.Equal("AMD EPYC", artifact.Cpuid.Processors[0].Label);

        CpuidTable intel = Open(CoreImageBuilder.Cpuinfo(1, 6, 0x8F, 6, 1, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], 0x6_02F5, 2696,
            11008)).Cpuid!.Cpuid;
        Assert.Equal(new ProcessorModel(ProcessorVendor.Intel, 6, 0x8F, 6), ProcessorModel.From(intel));
        Assert.Equal(0x6_02FFUL, intel.UserComponents.Bits);

        // The words of the first version mean something else from the tenth on.
        Assert.Equal((10U, false), (intel.Read(7).Ebx, intel.TryRead(0xD, 1, out _)));
    }

    [Theory]
    [InlineData(0, "0x00000000", "0x54564319")]
    [InlineData(8, "an entry of", "one entry")]
    public void A_broken_frame_is_told(int offset, string found, string expected)
    {
        byte[] file = Sample("core-2541.img");
        file.AsSpan(offset, 4).Clear();
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => Artifact.Open(new MemoryStream(file),
            new ArtifactOptions { Format = CriuCoreReader.Format }));
        Assert.Equal(offset, error.Offset);
        Assert.StartsWith(found, error.Found, StringComparison.Ordinal);
        Assert.StartsWith(expected, error.Expected, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_x86_thread_is_told()
    {
        Assert.Contains("machine type 3", Refusal(new CoreImageBuilder { Kind = (3, 1) }).Found, StringComparison.Ordinal);
        CoreImageBuilder wide = new() { XstateBv = 7 };
        Assert.Contains("one more number of ymmh_space", Refusal(wide.With(StateComponent.Avx, new ulong[65])).Found,
            StringComparison.Ordinal);
        CoreImageBuilder large = new();
        large.Scalars[0] = 0x1_0000;
        Assert.Equal("65536 in field 1", Refusal(large).Found);

        static MalformedArtifactException Refusal(CoreImageBuilder builder) =>
            Assert.Throws<MalformedArtifactException>(() => Open(builder.Build()));
    }

    private static JsonNode Crit(byte[] file)
    {
        string path = Path.Combine(Path.GetTempPath(), $"xstate-{Guid.NewGuid():n}.img");
        File.WriteAllBytes(path, file);
        try
        {
            using Process process = Process.Start(new ProcessStartInfo("crit", ["decode", "-i", path])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                UseShellExecute = false
            })!;
            string text = process.StandardOutput.ReadToEnd();
            string error = process.StandardError.ReadToEnd();
            process.WaitForExit();
            Assert.SkipWhen(error.Contains("ModuleNotFoundError", StringComparison.Ordinal),
                "crit is installed without its Python modules");
            Assert.True(process.ExitCode == 0, error);
            return JsonNode.Parse(text)!;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip("crit is not installed");
            throw;
        }
        finally
        {
            File.Delete(path);
        }
    }

    // Values that a double can hold.
    private static double ExtendedToDouble(byte[] bytes) =>
        Math.ScaleB(BitConverter.ToUInt64(bytes, 0), (BitConverter.ToUInt16(bytes, 8) & 0x7FFF) - 16383 - 63);

    private static byte[] Sample(string name) =>
        File.ReadAllBytes(Repository.PathOf("tests", "Xstate.Tests", "Artifacts", "Criu", "data", name));

    private static Artifact Open(byte[] file) => Artifact.Open(new MemoryStream(file));

    private static byte[] Encode(Artifact artifact, byte[] area, byte[] file)
    {
        Capture changed = artifact.Capture! with { States = [artifact.Capture.States[0] with { Area = area }] };
        ImmutableArray<ArtifactPatch> patches = artifact.Encode(changed, new MemoryStream(file));
        MemoryStream written = new();
        PatchedCopy.Write(new MemoryStream(file), patches, written);
        return written.ToArray();
    }
}
