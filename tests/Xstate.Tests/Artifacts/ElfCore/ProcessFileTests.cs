using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.CaptureFile;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Reports;
using Xstate.Tests.Support;
using Xstate.Transforms;

namespace Xstate.Tests.Artifacts.ElfCore;

/// <summary>Files of the writers seen in the wild, eleven of each kind, and the right answer to each.</summary>
public class ProcessFileTests
{
    public static TheoryData<int> Seeds => [.. Enumerable.Range(0, 11)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void A_shadow_stack_pointer_is_shown_compared_and_set_by_name(int seed)
    {
        byte[] area = ProcessFiles.WideArea((ulong)seed);
        ulong pointer = ProcessFiles.ShadowStackPointer + ((ulong)seed * 8);
        byte[] file = ProcessFiles.WithShadowStack(area, pointer);
        Artifact core = Open(file);
        Assert.Contains($"      ssp      0x{pointer:x}\n", Text(core), StringComparison.Ordinal);
        JsonElement thread = Json(core).GetProperty("threads")[0];
        Assert.Equal($"0x{pointer:x}", thread.GetProperty("registers").GetProperty("ssp").GetString());
        Assert.Equal($"0x{pointer:x}", thread.GetProperty("msrs").GetProperty("0x6a7").GetString());
        Assert.True(core.Capture!.States[0].TryReadRegister("SSP", out ulong read, out RegisterKnowledge knowledge));
        Assert.Equal((pointer, RegisterKnowledge.Stored), (read, knowledge));

        CapturedState edited = RegisterEdit.Apply(core.Capture.States[0], [RegisterEdit.Parse("ssp=0x7f0000001000")]).Value;
        ImmutableArray<ArtifactPatch> patches = core.Encode(core.Capture with { States = [edited] }, new MemoryStream(file));
        Artifact changed = Open(Patched(file, patches));
        Assert.Equal(("ssp", $"0x{pointer:x}", "0x7f0000001000"), Single(Compare(core, changed)));
        StateDifference without = Compare(core, Open(ProcessFiles.Kernel(area).Build())).States[0];
        Assert.Empty(without.Registers);
        Assert.Contains("ssp", without.OnlyLeft);
        Assert.False(without.IsComplete);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Zeros_in_MXCSR_and_FCW_are_shown_and_a_finding_says_what_they_do(int seed)
    {
        byte[] area = ProcessFiles.AvxArea((ulong)seed);
        Assert.DoesNotContain(Told(Open(ProcessFiles.Kernel(area).Build())), finding => finding.Rule.Id == "XS0810");
        BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(24), 0);
        BinaryPrimitives.WriteUInt16LittleEndian(area, (ushort)(seed % 2 == 0 ? 0 : 0x37F));
        Artifact core = Open(ProcessFiles.Kernel(area).Build());
        string text = Text(core);
        Assert.Contains("      mxcsr    0x0  rc:nearest\n", text, StringComparison.Ordinal);
        Assert.Equal(seed % 2 == 0, text.Contains("      fcw      0x0 ", StringComparison.Ordinal));
        string[] registers = [.. Told(core).Where(finding => finding.Rule.Id == "XS0810").Select(finding => finding.Where.Register!)];
        Assert.Equal(seed % 2 == 0 ? ["mxcsr", "fcw"] : ["mxcsr"], registers);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void What_a_core_does_not_hold_is_not_compared(int seed)
    {
        byte[] area = ProcessFiles.AvxArea((ulong)seed);
        Artifact whole = Open(ProcessFiles.Kernel(area).Build());
        foreach (byte[] file in new[] { ProcessFiles.FxsaveOnly(area), ProcessFiles.CreateDump(area), ProcessFiles.OpenBsd(area),
            ProcessFiles.NetBsd(area) })
        {
            Artifact part = Open(file);
            StateDifference difference = Compare(whole, part).States[0];
            Assert.Empty(difference.Registers);
            Assert.Equal(["avx", "xcr0"], difference.OnlyLeft);
            Assert.DoesNotContain(difference.Noise, noise => noise.What.Contains("avx", StringComparison.Ordinal));
            Assert.Equal("avx, xcr0 (only in a)", NotCompared(whole, part));
            Assert.False(part.Capture!.States[0].TryReadRegister("ymm1", new byte[32], out RegisterKnowledge knowledge));
            Assert.Equal(RegisterKnowledge.NotRecorded, knowledge);
        }

        // A register that both have and that differs still does.
        byte[] other = [.. area];
        other[160 + seed] ^= 1;
        Assert.Equal($"xmm{seed / 16}", Single(Compare(whole, Open(ProcessFiles.FxsaveOnly(other)))).Register);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Every_register_of_Delves_cores_is_read(int seed)
    {
        byte[] area = ProcessFiles.WideArea((ulong)seed);
        Artifact core = Open(ProcessFiles.Delve(area));
        CapturedState state = Assert.Single(core.Capture!.States);
        Assert.Equal(ProcessFiles.ThreadId, state.Id);
        Assert.EndsWith("written by Delve", core.Capture.Note, StringComparison.Ordinal);
        Dictionary<string, string> registers = RegisterDump.Of(state, new StateComponentSet(7))
            .ToDictionary(register => register.Name, register => register.Text);
        for (int i = 0; i < 16; i++)
        {
            Assert.Equal(Convert.ToHexStringLower([.. area[(160 + (16 * i))..(176 + (16 * i))],
                .. area[(576 + (16 * i))..(592 + (16 * i))]]), registers[$"ymm{i}"]);
        }

        Assert.Equal(("0x3fa0", "0x27f"), (registers["mxcsr"], registers["fcw"]));
        Assert.Null(state.Xcr0);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Threads_of_the_BSDs_are_read_from_their_FXSAVE_notes(int seed)
    {
        byte[][] areas = [ProcessFiles.AvxArea((ulong)seed), ProcessFiles.AvxArea((ulong)seed + 100),
            ProcessFiles.AvxArea((ulong)seed + 200)];
        Artifact netBsd = Open(ProcessFiles.NetBsd(areas));
        Assert.Equal([1, 2, 3], netBsd.Capture!.States.Select(state => state.Id));
        Assert.Equal("core of daemon, signal 6, written by NetBSD", netBsd.Capture.Note);
        for (int thread = 0; thread < areas.Length; thread++)
        {
            AssertLegacy(areas[thread], netBsd.Capture.States[thread]);
        }

        Artifact openBsd = Open(ProcessFiles.OpenBsd(areas[0]));
        Assert.Equal(7, openBsd.Capture!.States[0].Id);
        AssertLegacy(areas[0], openBsd.Capture.States[0]);
        Assert.Equal(["XS0812"], netBsd.Findings.Select(finding => finding.Rule.Id));
        Assert.Equal(["XS0812"], openBsd.Findings.Select(finding => finding.Rule.Id));
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void What_valgrind_does_not_fill_is_unknown_and_never_zero(int seed)
    {
        byte[] area = ProcessFiles.AvxArea((ulong)seed);
        Artifact core = Open(ProcessFiles.Valgrind(area));
        Assert.Equal(["XS0811"], Told(core).Select(finding => finding.Rule.Id));
        CapturedState state = core.Capture!.States[0];
        Dictionary<string, string> registers = RegisterDump.Of(state, state.Components)
            .ToDictionary(register => register.Name, register => register.Text);
        Assert.Equal(("?", "?", new string('?', 20)), (registers["mxcsr"], registers["fcw"], registers["st0"]));
        Assert.Equal(Convert.ToHexStringLower(area.AsSpan(160 + 48, 16)), registers["xmm3"]);
        StateDifference difference = Compare(Open(ProcessFiles.Kernel(area).Build()), core).States[0];
        Assert.Empty(difference.Registers);
        Assert.Contains("mxcsr", difference.OnlyLeft);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Createdump_is_recognised_and_the_kernel_is_not_taken_for_it(int seed)
    {
        byte[] area = ProcessFiles.AvxArea((ulong)seed);
        Artifact core = Open(ProcessFiles.CreateDump(area));
        AssertLegacy(area, core.Capture!.States[0]);
        Assert.Equal("createdump (.NET) writes x87 and SSE only: wider registers, and whether there were any, are not in this core",
            Assert.Single(core.Findings).Message);
        Assert.Equal(["XS0807"], Open(ProcessFiles.FxsaveOnly(area)).Findings.Select(finding => finding.Rule.Id));
        Assert.Empty(Open(ProcessFiles.Kernel(area).Build()).Findings.Where(finding => finding.Rule.Id is "XS0807" or "XS0811"
            or "XS0812"));
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void A_layout_note_of_no_bytes_is_that_of_a_processor_with_x87_and_SSE(int seed)
    {
        byte[] area = ProcessFiles.AvxArea((ulong)seed)[..576];
        BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(464), 3);
        area[512] = 3;
        Artifact core = Open(ProcessFiles.Kernel(area).Layout().Build());
        Assert.Empty(core.Findings);
        Assert.Equal((FactSource.Note, StateComponentSet.Legacy),
            (core.Capture!.States[0].Layout!.Provenance.Source, core.Capture.States[0].Components));
        AssertLegacy(area, core.Capture.States[0]);

        // With AVX in use an empty note is a contradiction.
        Assert.Contains(Open(ProcessFiles.Kernel(ProcessFiles.AvxArea((ulong)seed)).Layout().Build()).Findings,
            finding => finding.Rule.Id == "XS0806");
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Dumps_of_kernels_and_of_guests_memory_are_named_with_what_to_do_instead(int seed)
    {
        string threads = seed == 0 ? "1 thread" : $"{seed + 1} threads";
        MalformedArtifactException kernel = Assert.Throws<MalformedArtifactException>(() => Open(ProcessFiles.VmCore(seed + 1)));
        Assert.Contains($"found {threads} without extended state and VMCOREINFO: a kernel's crash dump (vmcore)", kernel.Message,
            StringComparison.Ordinal);
        MalformedArtifactException guest = Assert.Throws<MalformedArtifactException>(() => Open(ProcessFiles.QemuMemory(seed + 1)));
        Assert.Contains($"found {threads} without extended state and notes of QEMU", guest.Message, StringComparison.Ordinal);
        Assert.Contains("take a migration stream, virsh save or savevm", guest.Message, StringComparison.Ordinal);
        MalformedArtifactException empty = Assert.Throws<MalformedArtifactException>(() =>
            Open(ProcessFiles.EmptyMinidump((ushort)(seed * 77))));
        Assert.Equal(("minidump", "no list of threads (stream 3)", "a minidump of a process"), (empty.Format, empty.Found, empty.Expected));
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void What_is_not_recorded_stays_so_in_a_capture_file(int seed)
    {
        Capture capture = Open(ProcessFiles.FxsaveOnly(ProcessFiles.AvxArea((ulong)seed))).Capture!;
        byte[] file = CaptureFileWriter.Write(capture);
        Capture again = CaptureFileReader.Read(file, ArtifactLimits.Default);
        Assert.Equal(StateComponentSet.Legacy, again.States[0].Recorded);
        Assert.Empty(new JsonSchema("capture.schema.json").Errors(JsonDocument.Parse(file).RootElement));
    }

    private static void AssertLegacy(byte[] area, CapturedState state)
    {
        Dictionary<string, string> registers = RegisterDump.Of(state, state.Components)
            .ToDictionary(register => register.Name, register => register.Text);
        for (int i = 0; i < 16; i++)
        {
            Assert.Equal(Convert.ToHexStringLower(area.AsSpan(160 + (16 * i), 16)), registers[$"xmm{i}"]);
        }

        for (int i = 0; i < 8; i++)
        {
            Assert.Equal(Convert.ToHexStringLower(area.AsSpan(32 + (16 * i), 10)), registers[$"st{i}"]);
        }

        Assert.Equal(("0x3fa0", "0x27f"), (registers["mxcsr"], registers["fcw"]));
    }

    private static Artifact Open(byte[] file) => Artifact.Open(new MemoryStream(file));

    private static byte[] Patched(byte[] file, ImmutableArray<ArtifactPatch> patches)
    {
        byte[] changed = [.. file];
        foreach (ArtifactPatch patch in patches)
        {
            patch.Replacement.CopyTo(changed.AsMemory((int)patch.Offset));
        }

        return changed;
    }

    private static CaptureDifference Compare(Artifact left, Artifact right) => CaptureComparison.Compare(left.Capture!, right.Capture!);

    private static (string Register, string Left, string Right) Single(CaptureDifference difference)
    {
        RegisterContrast contrast = Assert.Single(difference.States[0].Registers);
        return (contrast.Register, contrast.Left, contrast.Right);
    }

    private static string NotCompared(Artifact left, Artifact right)
    {
        using StringWriter text = new() { NewLine = "\n" };
        DiffReport.WriteText(text, new DiffSide("a", left.Capture!, []), new DiffSide("b", right.Capture!, []), Compare(left, right));
        Assert.Contains("every register that both have is the same", text.ToString(), StringComparison.Ordinal);
        Assert.EndsWith("a program sees the same as far as both are known; the rest was not compared\n", text.ToString(),
            StringComparison.Ordinal);
        return text.ToString().Split('\n')
            .Single(line => line.StartsWith("  not compared: ", StringComparison.Ordinal))["  not compared: ".Length..];
    }

    private static Finding[] Told(Artifact artifact) => [.. artifact.Findings, .. Xstate.Rehearsal.ExceptionMasks.Check(artifact.Capture!)];

    private static string Text(Artifact artifact)
    {
        using StringWriter text = new() { NewLine = "\n" };
        ShowReport.WriteText(text, artifact.Capture!, ShowOptions.Default, artifact.Findings);
        return text.ToString();
    }

    private static JsonElement Json(Artifact artifact)
    {
        using MemoryStream json = new();
        ShowReport.WriteJson(json, artifact.Capture!, artifact.Findings);
        JsonElement answer = JsonDocument.Parse(Encoding.UTF8.GetString(json.ToArray())).RootElement;
        Assert.Empty(new JsonSchema("show.answer.schema.json").Errors(answer));
        return answer;
    }
}
