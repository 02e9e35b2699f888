using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.QemuStream;
using Xstate.Captures;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts.QemuStream;

/// <summary>Streams of QEMU 7.2.22 and 10.0.13, whose guest loaded every register from a formula.</summary>
public class QemuStreamSampleTests
{
    public static TheoryData<string, int, Accelerator, ulong, ulong, int> Samples { get; } = new()
    {
        // file, seed, accelerator, XCR0, XSTATE_BV, bytes of each vector register that reached the stream
        { "q72-pc-tcg-max-s5.mig.gz", 5, Accelerator.Tcg, 0x207, 0, 32 },
        { "q100-pc-tcg-max-s5.mig.gz", 5, Accelerator.Tcg, 0x207, 0, 32 },
        { "q72-microvm-tcg-max-s5.mig.gz", 5, Accelerator.Tcg, 0x207, 0, 32 },
        { "q100-microvm-tcg-max-s5.mig.gz", 5, Accelerator.Tcg, 0x207, 0, 32 },
        { "q72-q35-tcg-max-smp2-s5.mig.gz", 5, Accelerator.Tcg, 0x207, 0, 32 },
        { "q100-q35-tcg-max-smp2-s5.mig.gz", 5, Accelerator.Tcg, 0x207, 0, 32 },
        { "q100-pc-kvm-host-s5.mig.gz", 5, Accelerator.Kvm, 0xE7, 0xE7, 64 },
        { "q100-pc-kvm-host-avxonly-s9.mig.gz", 9, Accelerator.Kvm, 0x7, 0x7, 32 },
        { "q72-pc-kvm-host-s5.mig.gz", 5, Accelerator.Kvm, 0xE7, 0xE7, 16 },
        { "q72-pc-kvm-host-avxonly-s9.mig.gz", 9, Accelerator.Kvm, 0x7, 0x7, 16 },
    };

    [Theory]
    [MemberData(nameof(Samples))]
    public void A_stream_decodes_to_the_registers_of_its_guest(string file, int seed, Accelerator accelerator, ulong xcr0, ulong xstateBv,
        int vectorBytes)
    {
        Artifact artifact = Open(file);
        CapturedState state = artifact.Capture!.States[0];
        Assert.Equal(QemuStreamReader.Format, artifact.Format);
        Assert.Equal(accelerator, state.Stored!.Writer.Value);
        Assert.Equal(xcr0, state.Xcr0!.Value.Bits);
        Assert.Equal(xstateBv, state.Stored.XstateBv.Value.Bits);
        Assert.Equal(xcr0, new XsaveArea(state.Area.Span).XstateBv.Bits);
        StateComponentSet components = new(xcr0);
        Assert.Equal(SeededGuest.Registers(seed, components, vectorBytes), SeededGuest.Of(state, components));
    }

    [Theory]
    [InlineData("q72-q35-tcg-max-smp2-s5.mig.gz")]
    [InlineData("q100-q35-tcg-max-smp2-s5.mig.gz")]
    public void A_virtual_cpu_that_never_ran_is_in_its_initial_state(string file)
    {
        Capture capture = Open(file).Capture!;
        Assert.Equal([0, 1], capture.States.Select(state => state.Id));
        Assert.Equal(1UL, capture.States[1].Xcr0!.Value.Bits);
        Assert.True(new XsaveArea(capture.States[1].Area.Span).XstateBv.IsEmpty);
    }

    [Theory]
    [InlineData("q72-pc-tcg-qemu64-nobios.mig.gz")]
    [InlineData("q100-pc-tcg-qemu64-nobios.mig.gz")]
    public void A_guest_without_xsave_has_nothing_but_initial_registers(string file)
    {
        CapturedState state = Open(file).Capture!.States[0];
        Assert.Equal(1UL, state.Xcr0!.Value.Bits);
        Assert.All(SeededGuest.Of(state, StateComponentSet.Legacy)
            .Where(register => register.Key.StartsWith("xmm", StringComparison.Ordinal)),
            register => Assert.Equal(new string('0', 32), register.Value));
    }

    [Theory]
    [InlineData("q72-pc-kvm-host-s5.mig.gz", true)]
    [InlineData("q100-pc-kvm-host-s5.mig.gz", false)]
    public void The_upper_halves_that_qemu_7_2_left_out_are_recognized_and_marked_as_lost(string file, bool lost)
    {
        Artifact artifact = Open(file);
        Assert.Equal(lost, artifact.Findings.Any(finding => finding.Rule.Id == "XS0902"));
        Assert.Equal(lost ? [576, 1088, 1152, 1664] : [], artifact.Capture!.States[0].Lost.Select(range => range.Offset));
    }

    [Theory]
    [MemberData(nameof(Samples))]
    public void An_unchanged_stream_is_written_back_without_a_change(string file, int seed, Accelerator accelerator, ulong xcr0,
        ulong xstateBv, int vectorBytes)
    {
        Assert.True(seed > 0 && xcr0 > 0 && vectorBytes > 0 && (xstateBv != 0 || accelerator == Accelerator.Tcg));
        using Stream content = Content(file);
        Artifact artifact = Artifact.Open(content);
        Assert.True(artifact.CanEncode);
        Assert.Empty(artifact.Encode(artifact.Capture!, content));
    }

    private static Artifact Open(string file)
    {
        using Stream content = Content(file);
        return Artifact.Open(content);
    }

    private static Stream Content(string file)
    {
        using FileStream compressed = File.OpenRead(Repository.Shared("data", "qemu", file));
        return ArtifactContent.Open(compressed);
    }
}
