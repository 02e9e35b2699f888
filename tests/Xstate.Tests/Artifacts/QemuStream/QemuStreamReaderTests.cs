using System.Text;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.QemuStream;
using Xstate.Captures;

namespace Xstate.Tests.Artifacts.QemuStream;

public class QemuStreamReaderTests(ITestOutputHelper output)
{
    [Fact]
    public void Every_component_that_a_stream_can_carry_is_read()
    {
        BuiltCpu cpu = new(7, 0x602FF, 0x602FF) { Avx512 = true, Mpx = true, Amx = true, Pkru = 0xC, Xfd = 0x40000, Xss = 0x1800 };
        CapturedState state = Open(new StreamBuilder().Cpu(cpu).Device("kvmclock", 0, 8).Build(new byte[64])).Capture!.States[0];
        Dictionary<string, string> registers = SeededGuest.Of(state, new StateComponentSet(0x602FF));
        foreach ((string name, string text) in SeededGuest.Registers(7, new StateComponentSet(0xE7), 64))
        {
            Assert.Equal(text, registers[name]);
        }

        Assert.Equal("0xc", registers["pkru"]);
        Assert.Equal("0000001000000000" + "0000002000000000", registers["bnd0"]);
        Assert.Equal("0x3", registers["bndcfgu"]);
        Assert.Equal("0x5", registers["bndstatus"]);
        Assert.StartsWith("0100", registers["tilecfg"], StringComparison.Ordinal);
        Assert.StartsWith(string.Concat(Enumerable.Repeat("40", 16)), registers["tile1"], StringComparison.Ordinal);
        Assert.Equal(0x40000UL, state.Xfd!.Value.Bits);
        Assert.Equal(0x1800UL, state.Xss!.Value.Bits);
        Assert.Equal(0xD01UL, state.Msrs[0xC0000080]);
        Assert.Equal(1UL, state.Msrs[0xD90]);
    }

    [Fact]
    public void Apx_registers_are_read_where_the_processor_has_them()
    {
        CapturedState state = Open(new StreamBuilder().Cpu(new BuiltCpu(7, 0x80007, 0x80007) { Apx = true, VectorBytes = 32 })
            .Device("kvmclock", 0, 8).Build([])).Capture!.States[0];
        Dictionary<string, string> registers = SeededGuest.Of(state, new StateComponentSet(0x80007));
        Assert.Equal("0x10", registers["r16"]);
        Assert.Equal("0x1f", registers["r31"]);
    }

    [Fact]
    public void Several_virtual_cpus_are_read_in_the_order_of_the_stream()
    {
        StreamBuilder builder = new();
        for (int i = 0; i < 5; i++)
        {
            builder.Cpu(new BuiltCpu(10 + i, 0xE7, 0xE7) { InstanceId = i, Avx512 = i % 2 == 0 }).Device("apic", (uint)i, 100);
        }

        Capture capture = Open(builder.Device("kvmclock", 0, 8).Build(new byte[4096])).Capture!;
        Assert.Equal([0, 1, 2, 3, 4], capture.States.Select(state => state.Id));
        Assert.Equal(Convert.ToHexStringLower(SeededGuest.Vector(14, 3, 64)),
            SeededGuest.Of(capture.States[4], new StateComponentSet(0xE7))["zmm3"]);
    }

    [Theory]
    [InlineData(0UL, true, X87Order.Physical, FactSource.Inferred)]
    [InlineData(7UL, true, X87Order.Physical, FactSource.Inferred)]
    [InlineData(7UL, false, X87Order.StackTop, FactSource.Inferred)]
    public void Without_a_clock_device_the_empty_x87_registers_tell_the_order(ulong xstateBv, bool physical, Enum expectedValue,
        FactSource source)
    {
        X87Order expected = (X87Order)expectedValue;
        Artifact artifact = Open(new StreamBuilder().Cpu(new BuiltCpu(5, 7, xstateBv) { PhysicalX87 = physical, VectorBytes = 32 })
            .Build([]));
        CapturedState state = artifact.Capture!.States[0];
        Assert.Equal((expected, source), (state.Stored!.X87Order.Value, state.Stored.X87Order.Provenance.Source));
        Assert.Equal(xstateBv == 0 ? FactSource.Inferred : FactSource.Guess, state.Stored.Writer.Provenance.Source);
        Assert.Equal(Convert.ToHexStringLower(SeededGuest.St(5, 0)), SeededGuest.Of(state, StateComponentSet.Legacy)["st0"]);
        Assert.Equal(xstateBv != 0, artifact.Findings.Any(finding => finding.Rule.Id == "XS0904"));
        Assert.Equal(physical, artifact.Findings.Any(finding => finding.Rule.Id == "XS0903"));
    }

    [Fact]
    public void A_zero_xstate_bv_is_shown_with_the_registers_that_it_hides()
    {
        Artifact artifact = Open(StreamBuilder.Tcg());
        Assert.Equal(0x207UL, new XsaveArea(artifact.Capture!.States[0].Area.Span).XstateBv.Bits);
        Assert.Equal("0x207", Assert.Single(artifact.Findings, finding => finding.Rule.Id == "XS0901").Expected);
    }

    [Fact]
    public void Under_kvm_a_clear_bit_means_the_initial_state_whatever_the_bytes_are()
    {
        CapturedState state = Open(new StreamBuilder().Cpu(new BuiltCpu(5, 7, 2) { VectorBytes = 32 }).Device("kvmclock", 0, 8)
            .Build([])).Capture!.States[0];
        Dictionary<string, string> registers = SeededGuest.Of(state, new StateComponentSet(7));
        Assert.Equal("0x37f", registers["fcw"]);
        Assert.Equal(Convert.ToHexStringLower(SeededGuest.Vector(5, 0, 16)) + new string('0', 32), registers["ymm0"]);
    }

    [Fact]
    public void A_component_without_a_subsection_was_zero()
    {
        Artifact artifact = Open(new StreamBuilder().Cpu(new BuiltCpu(5, 0x2E7, 7) { VectorBytes = 32 }).Device("kvmclock", 0, 8)
            .Build([]));
        Assert.Contains("0x2e0", Assert.Single(artifact.Findings, finding => finding.Rule.Id == "XS0905").Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_wrong_size_of_another_device_does_not_hide_a_virtual_cpu()
    {
        StreamBuilder builder = new StreamBuilder().Cpu(new BuiltCpu(5, 0xE7, 0xE7) { Avx512 = true }).Device("kvmclock", 0, 8)
            .Device("odd", 0, 400_000, described: 10);
        Artifact artifact = Open(builder.Build(new byte[100]));
        Assert.Equal(SeededGuest.Registers(5, new StateComponentSet(0xE7), 64),
            SeededGuest.Of(artifact.Capture!.States[0], new StateComponentSet(0xE7)));
        Assert.Contains(artifact.Findings, finding => finding.Rule.Id == "XS0906");
    }

    [Fact]
    public void A_stream_of_an_old_machine_type_has_no_footers()
    {
        Artifact artifact = Open(new StreamBuilder { WithFooters = false }.Timer().Cpu(new BuiltCpu(5, 0xE7, 0xE7) { Avx512 = true })
            .Device("kvmclock", 0, 8).Build(new byte[100]));
        Assert.Equal(SeededGuest.Registers(5, new StateComponentSet(0xE7), 64),
            SeededGuest.Of(artifact.Capture!.States[0], new StateComponentSet(0xE7)));
    }

    [Fact]
    public void Zeros_behind_the_stream_do_not_matter()
    {
        Assert.Equal(0xE7UL, Open([.. StreamBuilder.Kvm(), .. new byte[300_000]]).Capture!.States[0].Xcr0!.Value.Bits);
    }

    [Fact]
    public void Of_eight_gigabytes_only_the_end_is_read()
    {
        const long RamLength = 8L << 30;
        (byte[] head, byte[] tail) = new StreamBuilder().Timer().Cpu(new BuiltCpu(5, 0xE7, 0xE7) { Avx512 = true }).Device("kvmclock", 0, 8)
            .BuildAround(RamLength);
        using SeededRamStream stream = new(head, RamLength, tail, seed: 42);
        Artifact artifact = Artifact.Open(stream);
        Assert.Equal(SeededGuest.Registers(5, new StateComponentSet(0xE7), 64),
            SeededGuest.Of(artifact.Capture!.States[0], new StateComponentSet(0xE7)));
        output.WriteLine($"{stream.BytesRead} of {stream.Length} bytes read");
        Assert.InRange(stream.BytesRead, tail.Length / 2, 512 << 10);
    }

    [Theory]
    [InlineData("the wrong magic", "QEVN", 0)]
    [InlineData("an old version", "QEVM\0\0\0\u0002", 4)]
    public void A_header_that_is_not_qemus_is_refused(string what, string start, long offset)
    {
        byte[] stream = StreamBuilder.Kvm();
        Encoding.Latin1.GetBytes(start).CopyTo(stream, 0);
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => Artifact.Open(new MemoryStream(stream),
            new ArtifactOptions { Format = QemuStreamReader.Format }));
        Assert.True(offset == error.Offset, what);
    }

    [Fact]
    public void A_stream_cut_off_before_its_description_is_refused_with_the_reason()
    {
        byte[] stream = StreamBuilder.Kvm();
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => Open(stream[..^10]));
        Assert.Contains("suppress-vmdesc", error.Expected, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("env.xcr0", "env.xcr9", "no field env.xcr0")]
    [InlineData("\"size\":10,\"array_len\":8", "\"size\":16,\"array_len\":5", "env.fpregs of 5 times 16 bytes")]
    [InlineData("\"instance_id\":0,\"vmsd_name\":\"cpu\"", "\"instance_id\":1,\"vmsd_name\":\"cpu\"", "no section 'cpu' 1")]
    [InlineData("\"version\":12", "\"version\":11", "no section 'cpu' 0")]
    [InlineData("\"devices\"", "\"devicez\"", "no devices")]
    [InlineData("\"name\":\"cpu\"", "\"name\":\"upc\"", "0 virtual CPUs")]
    public void A_description_that_does_not_fit_the_stream_is_refused(string from, string to, string found)
    {
        byte[] stream = StreamBuilder.Kvm();
        int at = stream.AsSpan().LastIndexOf(Encoding.ASCII.GetBytes(from));
        Assert.True(at > 0 && from.Length == to.Length);
        Encoding.ASCII.GetBytes(to).CopyTo(stream, at);
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => Open(stream));
        Assert.Contains(found, error.Found, StringComparison.Ordinal);
    }

    private static Artifact Open(byte[] stream) => Artifact.Open(new MemoryStream(stream));
}
