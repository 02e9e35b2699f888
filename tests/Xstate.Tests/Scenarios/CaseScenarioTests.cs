using System.Text.Json;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Cli.GuestCode;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Hypervisors.OpenBsd;
using Xstate.Scenarios;
using Xstate.Tests.Support;

namespace Xstate.Tests.Scenarios;

/// <summary>The ready scenarios of the five cases print the before and the after of their texts.</summary>
public class CaseScenarioTests
{
    [Theory]
    [InlineData("vmm-before", "0xe7", "0xa80", "0x0")]
    [InlineData("vmm-after", "0x2e7", "0x9c0", "0x0")]
    [InlineData("vmm-corrected", "0x2e7", "0xa88", "0xa80")]
    public void Case_1_shows_what_a_guest_of_vmm_learns_about_PKRU(string behavior, string components, string size, string offset)
    {
        JsonElement answer = Vmm("case-1-vmm-pkru", "cpuid", behavior);
        Assert.Equal(8u, Convert.ToUInt32(Result(answer, 0, "ecx"), 16) & 8);
        Assert.Equal((components, size), (Result(answer, 1, "eax"), Result(answer, 1, "ecx")));
        Assert.Equal(offset, Result(answer, 2, "ebx"));
    }

    [Theory]
    [InlineData("vmm-before", "#GP(0)", null)]
    [InlineData("vmm-after", null, "0x9c0")]
    [InlineData("vmm-corrected", null, "0xa88")]
    public void Case_1_refuses_bit_9_before_and_sizes_it_after(string behavior, string? fault, string? size)
    {
        JsonElement step = Vmm("case-1-vmm-pkru", "xsetbv", behavior).GetProperty("steps")[1];
        Assert.Equal(fault, step.TryGetProperty("fault", out JsonElement found) ? found.GetString() : null);
        Assert.Equal(size ?? "0x0", step.GetProperty("result").GetProperty("regs").GetProperty("rbx").GetString());
    }

    [Theory]
    [InlineData("vmm-before", false, "0xe7", null)]
    [InlineData("vmm-after", true, "0x0", null)]
    [InlineData("vmm-corrected", true, "0x2e7", 2688)]
    public void Case_1_fails_the_signals_of_a_Linux_guest_before_the_diff_only(string behavior, bool delivered, string xcr0, int? offset)
    {
        JsonElement answer = Vmm("case-1-vmm-pkru", "linux-guest-signal", behavior);
        JsonElement result = answer.GetProperty("steps")[1].GetProperty("result");
        Assert.Equal((delivered, xcr0), (result.GetProperty("delivered").GetBoolean(), result.GetProperty("xcr0").GetString()));
        Assert.Equal(offset, result.TryGetProperty("pkruOffset", out JsonElement found) ? found.GetInt32() : null);

        // A guest of 6.11 did not look for the place.
        Assert.True(answer.GetProperty("steps")[0].GetProperty("result").GetProperty("delivered").GetBoolean());
    }

    [Theory]
    [InlineData("5.15", "0", "0")]
    [InlineData("5.16", "EINVAL", "EINVAL")]
    [InlineData("5.17", "0", "EINVAL")]
    [InlineData("6.12", "0", "EINVAL")]
    public void CPUID_is_fixed_once_the_guest_has_run_by_era(string kernel, string same, string other)
    {
        JsonElement answer = Linux("guest-code", "cpuid-after-running", "intel-icelake", kernel);
        Assert.Equal((same, other), (answer.GetProperty("steps")[2].GetProperty("errno").ToString(),
            answer.GetProperty("steps")[3].GetProperty("errno").ToString()));
    }

    [Fact]
    public void A_guest_finds_its_own_PKRU_after_KVM_SET_XSAVE_without_bit_9()
    {
        JsonElement answer = Linux("guest-code", "rdpkru-after-set-xsave", "intel-icelake", "6.12");
        Assert.Equal(["0x4", "0x4", "0x0"], new[] { 4, 6, 7 }.Select(step => answer.GetProperty("steps")[step].GetProperty("result")
            .GetProperty("regs").GetProperty("rax").GetString()));
    }

    [Theory]
    [InlineData("vmm-before", "EINVAL", null, "#GP(0)")]
    [InlineData("vmm-after", "EINVAL", null, "#GP(0)")]
    [InlineData("vmm-corrected", null, "#GP(0)", null)]
    public void Case_1_leaves_gaps_that_the_correction_closes(string behavior, string? errno, string? dependency, string? wide)
    {
        JsonElement unchecked_ = Vmm("case-1-vmm-pkru", "xsetbv-unchecked", behavior).GetProperty("steps")[1];
        Assert.Equal((errno ?? "0", dependency), (unchecked_.GetProperty("errno").ToString(), Fault(unchecked_)));
        Assert.Equal(wide, Fault(Vmm("case-1-vmm-pkru", "xsetbv-wide", behavior).GetProperty("steps")[1]));
    }

    [Theory]
    [InlineData("amd-genoa", "0x0")]
    [InlineData("intel-icelake", "0x4")]
    public void Case_2_loses_the_guests_PKRU_to_the_threads_on_a_value_tracking_processor(string host, string returned)
    {
        JsonElement answer = Linux("case-2-pkru-switch", "pkru-is-outside-the-buffer", host, "6.12");
        Assert.Equal(returned, Pkru(answer, 4, host));
        Assert.Equal("0x4", Pkru(answer, 7, host));
    }

    [Fact]
    public void Case_2_reads_PKRU_only_with_CR4_PKE()
    {
        JsonElement answer = Linux("case-2-pkru-switch", "rdpkru-needs-pke", "intel-icelake", "6.12");
        Assert.Equal("#UD", Fault(answer.GetProperty("steps")[2]));
        Assert.Equal("0x4", answer.GetProperty("steps")[4].GetProperty("result").GetProperty("regs").GetProperty("rax").GetString());
    }

    [Theory]
    [InlineData("5.13", "0x28", "0x0")]
    [InlineData("5.14", "0x55555554", "0x55555554")]
    [InlineData("5.15.87", "0x55555554", "0x55555554")]
    [InlineData("5.15.88", "0x28", "0x0")]
    [InlineData("6.1.5", "0x55555554", "0x55555554")]
    [InlineData("6.1.6", "0x28", "0x0")]
    [InlineData("6.12", "0x28", "0x0")]
    public void Case_3_ignores_or_honours_a_ptrace_write_by_era(string kernel, string written, string cleared)
    {
        Assert.Equal(written, Pkru(Linux("case-3-ptrace-pkru", "ptrace-write", "intel-icelake", kernel), 2, "intel-icelake"));
        Assert.Equal(written, Result(Linux("case-3-ptrace-pkru", "ptrace-write", "intel-icelake", kernel), 3, "pkru"));
        Assert.Equal(cleared, Pkru(Linux("case-3-ptrace-pkru", "ptrace-bit-9-clear", "intel-icelake", kernel), 1, "intel-icelake"));
        Assert.Equal(cleared, Result(Linux("case-3-ptrace-pkru", "ptrace-bit-9-clear", "intel-icelake", kernel), 2, "pkru"));

        JsonElement kvm = Linux("case-3-ptrace-pkru", "kvm-keeps", "intel-icelake", kernel);
        Assert.Equal("0x4", kvm.GetProperty("steps")[4].GetProperty("result").GetProperty("regs").GetProperty("rax").GetString());
    }

    [Theory]
    [InlineData("6.11", "SIGSEGV", "0x55555556", "0x55555555")]
    [InlineData("6.12", null, "0x55555556", "0x55555555")]
    public void Case_3_kills_a_thread_whose_signals_meet_a_closed_key_0_up_to_6_11(string kernel, string? killedBy, string readOnly,
        string closed)
    {
        JsonElement delivered = Linux("case-3-ptrace-pkru", "signal-with-key-0-read-only", "intel-icelake", kernel);
        Assert.Equal("#PF(0x27)", Fault(delivered.GetProperty("steps")[1]));
        Assert.Equal((killedBy, readOnly), (KilledBy(delivered, 2), Pkru(delivered, 3, "intel-icelake")));

        JsonElement returned = Linux("case-3-ptrace-pkru", "sigreturn-closes-key-0", "intel-icelake", kernel);
        Assert.Equal((null, killedBy, closed), (KilledBy(returned, 0), KilledBy(returned, 2), Pkru(returned, 3, "intel-icelake")));
    }

    [Fact]
    public void Case_4_zeroes_MPX_on_INIT_and_leaves_AVX_and_XCR0()
    {
        JsonElement answer = Linux("case-4-init", "init-mpx", "intel-skylake-sp", "6.12");
        byte[] area = Image(answer, 4);
        Assert.Equal((0x11, 0, 0), (area[576], area[960], area[1024]));
        Assert.Equal("0x1f", answer.GetProperty("steps")[5].GetProperty("result").GetProperty("entries")[0].GetProperty("value")
            .GetString());
    }

    [Theory]
    [InlineData("6.17", 0, "0x0")]
    [InlineData("6.18", 1, "0x1")]
    public void Case_4_has_CET_to_zero_since_6_18(string kernel, int count, string before)
    {
        JsonElement answer = Linux("case-4-init", "init-cet", "intel-sapphire-rapids", kernel);
        Assert.Equal(count, answer.GetProperty("steps")[1].GetProperty("result").GetProperty("count").GetInt32());
        Assert.Equal((before, "0x0"), (Result(answer, 2, "value"), Result(answer, 4, "value")));
    }

    [Theory]
    [InlineData("5.15", "0", 3, "0", 3)]
    [InlineData("5.16.0", "0", 7, "0", 7)]
    [InlineData("6.1.40", "EINVAL", 0, "0", 3)]
    [InlineData("6.1.60", "0", 3, "0", 3)]
    [InlineData("6.5.0", "EINVAL", 0, "0", 3)]
    [InlineData("6.12", "0", 3, "0", 3)]
    public void Case_5_trims_refuses_or_passes_on_by_era(string kernel, string cpuidFirst, ulong returned, string xsaveFirst,
        ulong returnedThen)
    {
        JsonElement answer = Linux("case-5-trim", "trim", "intel-haswell", kernel);
        Assert.Equal((cpuidFirst, returned), (answer.GetProperty("steps")[1].GetProperty("errno").ToString(),
            new XsaveArea(Image(answer, 2)).XstateBv.Bits));
        Assert.Equal((xsaveFirst, returnedThen), (answer.GetProperty("steps")[4].GetProperty("errno").ToString(),
            new XsaveArea(Image(answer, 6)).XstateBv.Bits));
        Assert.Equal(cpuidFirst == "EINVAL", answer.GetProperty("steps")[1].TryGetProperty("why", out _));
    }

    [Theory]
    [InlineData("intel-sapphire-rapids", "5.16", "EINVAL", 0, 0, "EINVAL")]
    [InlineData("intel-sapphire-rapids", "6.12", "0", 11008, 4096, "EBUSY")]
    [InlineData("intel-icelake", "6.12", "EOPNOTSUPP", 4096, 4096, "EOPNOTSUPP")]
    public void A_guest_permission_is_for_one_process_and_before_its_first_virtual_CPU(string host, string kernel, string inTime, int size,
        int otherSize, string late)
    {
        JsonElement asks = Linux("guest-permission", "asks-in-time", host, kernel);
        Assert.Equal((inTime, size), (asks.GetProperty("steps")[1].GetProperty("errno").ToString(),
            asks.GetProperty("steps")[2].GetProperty("result").GetProperty("value").GetInt32()));

        JsonElement other = Linux("guest-permission", "does-not-ask", host, kernel);
        Assert.Equal(otherSize, other.GetProperty("steps")[0].GetProperty("result").GetProperty("value").GetInt32());
        Assert.Equal(late, Linux("guest-permission", "asks-too-late", host, kernel).GetProperty("steps")[1].GetProperty("errno")
            .ToString());
    }

    [Fact]
    public void A_scenario_is_skipped_for_the_feature_that_the_host_lacks()
    {
        JsonElement answer = Linux("case-2-pkru-switch", "rdpkru-needs-pke", "intel-haswell", "6.12");
        Assert.Equal("pku", answer.GetProperty("skipped").GetString());
        Assert.False(answer.TryGetProperty("steps", out _));
    }

    [Fact]
    public void What_a_backend_cannot_do_says_so()
    {
        using StringReader input =
            new("{\"name\":\"a\",\"steps\":[{\"op\":\"get_xsave\"},{\"op\":\"guest\",\"code\":\"aesenc xmm0, xmm1\"},{\"op\":\"guest\","
                + "\"code\":{\"hex\":\"660f38dcc1\"}}]}");
        Scenario scenario = Assert.Single(ScenarioReader.Read(input, new IcedAssembler()));
        JsonElement vmm = Run(scenario, new VmmModelBackend(new VmmHost(SampleHosts.Cpuid("intel-icelake"), VmmBehavior.Before),
            new IcedDecoder()));
        Assert.All(vmm.GetProperty("steps").EnumerateArray(), step => Assert.True(step.GetProperty("unsupported").GetBoolean()));
        Assert.Equal("the instruction aesenc xmm0, xmm1 in guest code",
            vmm.GetProperty("steps")[1].GetProperty("why").GetProperty("message").GetString());
    }

    private static string? Fault(JsonElement step) => step.TryGetProperty("fault", out JsonElement fault) ? fault.GetString() : null;

    private static string? KilledBy(JsonElement answer, int step) =>
        answer.GetProperty("steps")[step].GetProperty("result").TryGetProperty("killedBy", out JsonElement signal)
        ? signal.GetString() : null;

    private static string Result(JsonElement answer, int step, string name) => answer.GetProperty("steps")[step].GetProperty("result")
        .GetProperty(name).GetString()!;

    private static byte[] Image(JsonElement answer, int step) => Convert.FromHexString(Result(answer, step, "hex"));

    private static string Pkru(JsonElement answer, int step, string host)
    {
        Assert.True(SampleHosts.Layout(host).TryGetSlot(StateComponent.Pkru, out XsaveSlot slot));
        return $"0x{BitConverter.ToUInt32(Image(answer, step), slot.Offset):x}";
    }

    private static JsonElement Vmm(string file, string name, string behavior) =>
        Run(Scenario(file, name), new VmmModelBackend(new VmmHost(SampleHosts.Cpuid("intel-icelake"), VmmBehavior.Find(behavior)!),
            new IcedDecoder()));

    private static JsonElement Linux(string file, string name, string host, string kernel)
    {
        Assert.True(KernelRelease.TryParse(kernel, out KernelRelease release));
        HostRecord record = new() { Name = host, Cpuid = SampleHosts.Cpuid(host), Provenance = new Provenance(FactSource.Given, "test") };
        return Run(Scenario(file, name), new ModelBackend(new LinuxHost(record, KernelBehavior.Of(release)), new IcedDecoder()));
    }

    private static Scenario Scenario(string file, string name)
    {
        using StreamReader input = File.OpenText(Repository.PathOf("samples", "scenarios", file + ".json"));
        Scenario found = ScenarioReader.Read(input, new IcedAssembler()).Single(scenario => scenario.Name == name);
        Assert.False(string.IsNullOrWhiteSpace(found.Note));
        return found;
    }

    private static JsonElement Run(Scenario scenario, ScenarioBackend backend)
    {
        using MemoryStream output = new();
        ScenarioRunner.Run(scenario, backend, output);
        Assert.Equal(1, output.ToArray().Count(value => value == (byte)'\n'));
        return JsonDocument.Parse(output.ToArray()).RootElement;
    }
}
