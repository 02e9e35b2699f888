using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts.ElfCore;

public class CoreLayoutTests
{
    private const string Intel = "Intel";
    private const string Amd = "AMD Zen 3 and later";
    private const string Zen2 = "AMD Zen 2";

    [Theory]
    [InlineData(Amd, 0xE7)]
    [InlineData(Amd, 0x2E7)]
    [InlineData(Amd, 0x207)]
    [InlineData(Zen2, 0x207)]
    [InlineData("AMD Bulldozer", 0x4000_0000_0000_0007)]
    [InlineData(Intel, 0xE7)]
    [InlineData(Intel, 0x2E7)]
    [InlineData(Intel, 0x2FF)]
    [InlineData(Intel, 0x1F)]
    [InlineData(Intel, 0x207)]
    [InlineData(Intel, 0x602E7)]
    [InlineData("Intel with APX", 0x802E7)]
    public void Components_and_length_tell_the_layout(string family, ulong components)
    {
        XsaveLayout layout = CoreSamples.LayoutOf(family, components);
        Fact<XsaveLayout> found = Infer(CoreSamples.Area(layout, components, 0, 1));
        Assert.Equal((layout, FactSource.Inferred), (found.Value, found.Provenance.Source));
    }

    [Fact]
    public void Without_the_mask_a_component_that_ends_with_the_area_tells_it()
    {
        foreach ((string family, ulong components) in new[] { (Amd, 0xE7UL), (Amd, 0x2E7UL), (Intel, 0xE7UL), (Intel, 0x2E7UL),
            (Intel, 0x602E7UL) })
        {
            XsaveLayout layout = CoreSamples.LayoutOf(family, components);
            byte[] area = WithoutMask(CoreSamples.Area(layout, components, 0, 2));
            Fact<XsaveLayout> found = Infer(area);
            Assert.Equal(FactSource.Inferred, found.Provenance.Source);
            Assert.Equal(layout, found.Value.Restrict(new StateComponentSet(components)));
        }
    }

    [Fact]
    public void What_remains_ambiguous_is_a_guess_said_aloud_and_every_further_fact_narrows_it()
    {
        // 896 bytes end with Zen 3's opmasks and with Zen 2's PKRU. Both are AMD's, so only the mask tells.
        byte[] area = WithoutMask(CoreSamples.Area(CoreSamples.LayoutOf(Zen2, 7), 7, Mxcsr.AmdMask, 3));
        area = [.. area, .. new byte[896 - area.Length]];
        Artifact ambiguous = CoreSamples.Open(new CoreBuilder().Thread(1).Area(area).Thread(2).Area(area).Build());
        Assert.All(ambiguous.Capture!.States, state => Assert.Equal(FactSource.Guess, state.Layout!.Provenance.Source));
        Finding finding = Assert.Single(ambiguous.Findings);
        Assert.Equal(("XS0801", Severity.Warning), (finding.Rule.Id, finding.Severity));
        Assert.Contains($"{Amd} or {Zen2}", finding.Message, StringComparison.Ordinal);
        Assert.Contains("--layout", finding.Mend, StringComparison.Ordinal);

        // 1088 bytes end with Intel's MPX and with APX in the same place; AMD has nothing there.
        byte[] longer = [.. area[..896], .. new byte[1088 - 896]];
        Assert.Equal(FactSource.Guess, Infer(longer).Provenance.Source);
        BinaryPrimitives.WriteUInt64LittleEndian(longer.AsSpan(XsaveFormat.SoftwareOffset), 0x1F);
        Assert.Equal((CoreSamples.LayoutOf(Intel, 0x1F), FactSource.Inferred), (Infer(longer).Value, Infer(longer).Provenance.Source));
    }

    [Fact]
    public void MXCSR_MASK_of_any_thread_and_the_signal_frame_and_AT_HWCAP_prefer_the_processor_that_fits_them()
    {
        // Padded to 3000 bytes the length excludes nobody, so 0xe7 could be anyone's with AVX-512.
        byte[] padded = [.. CoreSamples.Area(CoreSamples.LayoutOf(Amd, 0xE7), 0xE7, 0, 4), .. new byte[3000 - 2432]];
        byte[] withMask = [.. padded];
        BinaryPrimitives.WriteUInt32LittleEndian(withMask.AsSpan(XsaveFormat.MxcsrMaskOffset), Mxcsr.AmdMask);
        Assert.Equal(FactSource.Guess, Infer(padded).Provenance.Source);
        Assert.Equal(Amd, FamilyOf(new CoreBuilder().Thread(1).Area(padded).Thread(2).Area(withMask)));
        Assert.Equal(Amd, FamilyOf(new CoreBuilder().Auxv((51, 3376)).Thread(1).Area(padded)));
        Assert.Equal(Intel, FamilyOf(new CoreBuilder().Auxv((51, 3632)).Thread(1).Area(padded)));
        Assert.Equal(Intel, FamilyOf(new CoreBuilder().Auxv((16, 0xBFEB_FBFF)).Thread(1).Area(padded)));
        Assert.Null(FamilyOf(new CoreBuilder().Auxv((16, 0x178B_FBFF)).Thread(1).Area(padded)));

        static string? FamilyOf(CoreBuilder core)
        {
            Fact<XsaveLayout> layout = CoreSamples.Open(core.Build()).Capture!.States[0].Layout!;
            return layout.Provenance.Source == FactSource.Guess ? null : ((string[])[Amd, Intel])
                .Single(family => CoreSamples.LayoutOf(family, 0xE7).Equals(layout.Value));
        }
    }

    [Fact]
    public void Signal_frames_as_measured_fit_their_areas_and_no_other_vendors()
    {
        foreach ((ulong stack, int length, int other) in new[] { (3376UL, 2432, 2688), (3632UL, 2696, 2440), (1776UL, 832, 1088),
            (11952UL, 11008, 2440) })
        {
            LayoutEvidence evidence = new(StateComponentSet.Legacy) { SignalStack = stack };
            Assert.Equal((true, false), (evidence.FitsSignalFrame(length), evidence.FitsSignalFrame(other)));
        }

        Assert.Null(new LayoutEvidence(StateComponentSet.Legacy).FitsSignalFrame(832));
        Assert.False(new LayoutEvidence(StateComponentSet.Legacy) { SignalStack = ulong.MaxValue }.FitsSignalFrame(832));
    }

    [Fact]
    public void An_area_that_no_known_processor_writes_has_no_layout_and_a_finding()
    {
        byte[] area = new byte[777];
        area[XsaveFormat.XstateBvOffset] = 0x23;
        area[XsaveFormat.SoftwareOffset + 2] = 0x10;
        Artifact artifact = CoreSamples.Open(new CoreBuilder().Thread(1).Area(area).Build());
        Assert.Null(artifact.Capture!.States[0].Layout);
        Assert.Contains("XS0801", artifact.Findings.Select(finding => finding.Rule.Id));
    }

    [Fact]
    public void A_layout_note_wins_over_every_inference_and_is_held_against_the_areas()
    {
        (int, int, int)[] strange = [(2, 256, 1000), (9, 8, 576)];
        byte[] area = CoreSamples.Area(CoreSamples.LayoutOf(Intel, 0x207), 0x207, Mxcsr.IntelMask, 5);
        Artifact artifact = CoreSamples.Open(new CoreBuilder().Thread(1).Area(area).Layout(strange).Build());
        Assert.True(artifact.Capture!.States[0].Layout!.Value.TryGetSlot(StateComponent.Avx, out XsaveSlot avx));
        Assert.Equal((1000, FactSource.Note), (avx.Offset, artifact.Capture.States[0].Layout!.Provenance.Source));
        Assert.Empty(artifact.Findings);

        Artifact incomplete = CoreSamples.Open(new CoreBuilder().Thread(1).Area(area).Layout((2, 256, 576), (7, 1024, 1664)).Build());
        Assert.Equal(["XS0806"], incomplete.Findings.Select(finding => finding.Rule.Id));
        Assert.Contains("pkru", incomplete.Findings[0].Message, StringComparison.Ordinal);
        Artifact beyond = CoreSamples.Open(new CoreBuilder().Thread(1).Area(area).Layout((2, 256, 576), (9, 8, 2688), (17, 64, 2752))
            .Build());
        Assert.Contains("2752 to 2816", Assert.Single(beyond.Findings).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(2, 256, 575)]
    [InlineData(1, 256, 576)]
    [InlineData(63, 256, 576)]
    [InlineData(2, 0, 576)]
    [InlineData(2, int.MaxValue, 576)]
    [InlineData(2, 256, int.MaxValue)]
    [InlineData(9, 8, 900)]
    public void An_impossible_record_of_a_layout_note_is_malformed(int component, int size, int offset)
    {
        byte[] area = new byte[832];
        byte[] core = new CoreBuilder().Thread(1).Area(area).Layout((5, 64, 896), (component, size, offset)).Build();
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => CoreSamples.Open(core));
        Assert.Equal((uint)component, BinaryPrimitives.ReadUInt32LittleEndian(core.AsSpan((int)error.Offset)));
    }

    private static Fact<XsaveLayout> Infer(byte[] area) =>
        CoreSamples.Open(new CoreBuilder().Thread(1).Area(area).Build()).Capture!.States[0].Layout!;

    private static byte[] WithoutMask(byte[] area)
    {
        area.AsSpan(XsaveFormat.SoftwareOffset, sizeof(ulong)).Clear();
        return area;
    }
}
