using System.Globalization;
using System.Text.Json;
using Xstate.Captures;
using Xstate.Cli.GuestCode;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Scenarios;
using Xstate.Tests.Support;

namespace Xstate.Tests.Scenarios;

/// <summary>
/// What the tests of KVM itself assert (tools/testing/selftests/kvm of Linux, kvm-unit-tests), as scripts of our own: here the groups that
/// ask for guest code, control registers and CPUID by kernel. Each test is named by its file.
/// </summary>
public class KvmOwnTestsTests
{
    private const string Supported = "{\"op\":\"set_cpuid2\",\"cpuid\":\"supported\"}";

    /// <summary>state_test.c: a guest takes every component out of its initial state, and KVM_GET_XSAVE shows each.</summary>
    [Theory]
    [InlineData("intel-icelake", 0x2E7UL)]
    [InlineData("intel-haswell", 0x7UL)]
    [InlineData("amd-genoa", 0x2E7UL)]
    [InlineData("amd-milan", 0x207UL)]
    [InlineData("intel-sapphire-rapids", 0x2E7UL)]
    public void A_guest_that_touches_every_component_has_all_of_them_in_its_image(string host, ulong xcr0)
    {
        bool wide = (xcr0 & 0xE0) != 0;
        bool keys = (xcr0 & 0x200) != 0;
        string code = $"xor ecx, ecx; mov eax, 0x{xcr0:x}; xor edx, edx; xsetbv; mov rax, 0xcccccccccccccccc; mov ecx, 16; mov edi, "
            + "0x8000; rep stosq; fincstp; vmovdqu xmm0, [0x8000]; vmovdqu ymm0, [0x8000]; "
            + (wide ? "mov rax, -1; kmovq k1, rax; vmovupd zmm0, [0x8000]; vmovupd zmm16, [0x8000]; " : "")
            + (keys ? "xor ecx, ecx; xor edx, edx; mov eax, 0xc; wrpkru" : "");
        string cr4 = keys ? "0x440220" : "0x40220";
        foreach (string kernel in (ReadOnlySpan<string>)["5.15.189", "6.1.192", "6.6.30", "6.12.107", "6.18.5", "7.0.1"])
        {
            JsonElement[] steps = Run(host, kernel,
                $"{Supported},{{\"op\":\"set_sregs\",\"cr4\":\"{cr4}\"}},{{\"op\":\"guest\",\"code\":\"{code}\"}},"
                + $"{{\"op\":\"get_xsave\"}}");
            Assert.Equal("hlt", steps[2].GetProperty("result").GetProperty("exit").GetString());
            byte[] area = Convert.FromHexString(steps[3].GetProperty("result").GetProperty("hex").GetString()!);
            Assert.Equal(xcr0, BitConverter.ToUInt64(area, 512) & xcr0);
            Assert.Equal(0xCC, area[160]);
        }
    }

    /// <summary>
    /// amx_test.c: #NM of TILELOADD with IA32_XFD_ERR for the handler to read and clear; then the same instruction works.
    /// </summary>
    [Theory]
    [InlineData("5.17.1")]
    [InlineData("6.6.30")]
    [InlineData("6.12.107")]
    [InlineData("6.18.5")]
    [InlineData("7.0.1")]
    public void A_guests_handler_finds_tile_data_in_XFD_ERR_and_lets_it_in(string kernel)
    {
        const string Load = "mov byte ptr [0x9000], 1; mov word ptr [0x9010], 64; mov byte ptr [0x9030], 16; ldtilecfg [0x9000]; mov "
            + "ebx, 0xa000; mov ecx, 64; tileloadd tmm0, [rbx+rcx]";
        JsonElement[] steps = Run("intel-sapphire-rapids", kernel, "{\"op\":\"req_guest_perm\",\"component\":18}," + Supported
            + ",{\"op\":\"set_sregs\",\"cr4\":\"0x40220\"},{\"op\":\"set_xcrs\",\"xcr0\":\"0x60007\"},"
            + $"{{\"op\":\"guest\",\"code\":\"mov ecx, 0x1c4; mov eax, 0x40000; xor edx, edx; wrmsr; {Load}\"}},"
            + $"{{\"op\":\"guest\",\"code\":\"mov ecx, 0x1c5; rdmsr; mov ebx, eax; xor eax, eax; wrmsr; rdmsr; shl ebx, 8; or ebx, eax; "
            + $"dec ecx; xor eax, eax; wrmsr; mov esi, ebx; {Load}; mov ebx, esi\"}},{{\"op\":\"guest\",\"code\":\"tilerelease\"}}");
        Assert.Equal("#NM", steps[4].GetProperty("fault").GetString());
        Assert.Equal("0x4000000", steps[5].GetProperty("result").GetProperty("regs").GetProperty("rbx").GetString());
        Assert.False(steps[5].TryGetProperty("fault", out _));
        Assert.Equal("hlt", steps[6].GetProperty("result").GetProperty("exit").GetString());
    }

    /// <summary>cpuid_test.c: KVM_GET_CPUID2 with too little room.</summary>
    [Theory]
    [InlineData("intel-haswell", "5.15.189")]
    [InlineData("amd-genoa", "6.12.107")]
    [InlineData("intel-sapphire-rapids", "7.3.4")]
    public void CPUID_that_does_not_fit_is_E2BIG(string host, string kernel)
    {
        JsonElement[] whole = Run(host, kernel, $"{Supported},{{\"op\":\"get_cpuid2\"}}");
        int count = whole[1].GetProperty("result").GetProperty("entries").GetArrayLength();
        JsonElement[] steps = Run(host, kernel, string.Join(',',
            new[] { count, count - 1, 1, 0 }.Select(room => $"{{\"op\":\"get_cpuid2\",\"nent\":{room}}}").Prepend(Supported)));
        Assert.Equal(count, steps[1].GetProperty("result").GetProperty("entries").GetArrayLength());
        Assert.All(steps[2..], step => Assert.Equal("E2BIG", step.GetProperty("errno").GetString()));
    }

    /// <summary>pks.c: KVM hides PKS, so that neither its bit in CR4 nor its MSR exists.</summary>
    [Theory]
    [InlineData("5.10.223")]
    [InlineData("6.12.107")]
    [InlineData("7.0.1")]
    [InlineData("7.3.4")]
    public void No_guest_has_supervisor_keys(string kernel)
    {
        JsonElement[] steps = Run("intel-sapphire-rapids", kernel,
            Supported
            + ",{\"op\":\"guest_cpuid\",\"leaf\":\"0x7\"},{\"op\":\"set_sregs\",\"cr4\":\"0x1000020\"},{\"op\":\"set_sregs\","
            + "\"cr4\":\"0x8000000000000020\"},"
            + "{\"op\":\"guest\",\"code\":\"mov rax, cr4; or eax, 0x1000000; mov cr4, rax\"},{\"op\":\"guest\",\"code\":\"mov ecx, "
            + "0x6e1; rdmsr\"},{\"op\":\"set_msr\",\"index\":\"0x6e1\",\"value\":\"0x0\"}");
        Assert.Equal(0U, uint.Parse(steps[1].GetProperty("result").GetProperty("ecx").GetString().AsSpan(2), NumberStyles.HexNumber,
            CultureInfo.InvariantCulture) >> 31);
        Assert.All(steps[2..4], step => Assert.Equal("EINVAL", step.GetProperty("errno").GetString()));
        Assert.All(steps[4..6], step => Assert.Equal("#GP(0)", step.GetProperty("fault").GetString()));
        Assert.Equal(0, steps[6].GetProperty("result").GetProperty("count").GetInt32());
    }

    /// <summary>set_sregs_test.c: before KVM_SET_CPUID2 no bit of EFER that CPUID announces, where the kernel looks.</summary>
    [Theory]
    [InlineData("6.12.107", false)]
    [InlineData("6.12.117", true)]
    [InlineData("7.0.1", false)]
    [InlineData("7.2.13", true)]
    [InlineData("7.3.4", true)]
    public void A_virtual_CPU_without_CPUID_takes_no_announced_bit_of_EFER(string kernel, bool looks)
    {
        foreach (string host in (ReadOnlySpan<string>)["amd-genoa", "intel-icelake"])
        {
            // LME, NX, SVME, FFXSR and AUTOIBRS; then SCE, which needs no feature.
            string steps = string.Join(',', new[] { 0x100, 0x800, 0x1000, 0x4000, 0x20_0000, 1 }
                .Select(efer => $"{{\"op\":\"set_sregs\",\"cr0\":\"0x60000010\",\"cr4\":\"0x0\",\"efer\":\"0x{efer:x}\"}}"));
            bool[] taken = [.. Run(host, kernel, steps).Select(step => step.GetProperty("errno").ValueKind == JsonValueKind.Number)];
            Assert.Equal([!looks, !looks, !looks, !looks, !looks, true], taken);
        }
    }

    /// <summary>xsave.c: moves that need AVX state, and XSETBV, as the guest's XCR0 and CR4 have it.</summary>
    [Theory]
    [InlineData("0x40220", "vmovdqa xmm0, [0x8000]", "#UD")]
    [InlineData("0x40220", "xor ecx, ecx; mov eax, 7; xor edx, edx; xsetbv; vmovdqa ymm0, [0x8000]", null)]
    [InlineData("0x40220", "xor ecx, ecx; mov eax, 7; xor edx, edx; xsetbv; vmovdqa ymm0, [0x8010]", "#GP(0)")]
    [InlineData("0x40220", "xor ecx, ecx; mov eax, 3; xor edx, edx; xsetbv; vmovdqa ymm0, [0x8000]", "#UD")]
    [InlineData("0x220", "xor ecx, ecx; mov eax, 7; xor edx, edx; xsetbv", "#UD")]
    [InlineData("0x220", "xor ecx, ecx; xgetbv", "#UD")]
    [InlineData("0x40220", "mov ecx, 1; mov eax, 7; xor edx, edx; xsetbv", "#GP(0)")]
    [InlineData("0x40220", "xor ecx, ecx; mov eax, 0; xor edx, edx; xsetbv", "#GP(0)")]
    [InlineData("0x40220", "xor ecx, ecx; mov eax, 5; xor edx, edx; xsetbv", "#GP(0)")]
    [InlineData("0x40220", "mov rcx, 0x100000000; mov eax, 7; xor edx, edx; xsetbv", null)]
    public void XSETBV_and_the_instructions_that_follow_it(string cr4, string code, string? fault)
    {
        foreach (string host in (ReadOnlySpan<string>)["intel-haswell", "amd-genoa", "intel-sapphire-rapids"])
        {
            JsonElement step = Run(host, "6.12.107",
                $"{Supported},{{\"op\":\"set_sregs\",\"cr4\":\"{cr4}\"}},{{\"op\":\"guest\",\"code\":\"{code}\"}}")[2];
            Assert.Equal(fault, step.TryGetProperty("fault", out JsonElement found) ? found.GetString() : null);
        }
    }

    internal static JsonElement[] Run(LinuxHost host, string steps)
    {
        using StringReader input = new($"{{\"name\":\"a\",\"steps\":[{steps}]}}");
        Scenario scenario = Assert.Single(ScenarioReader.Read(input, new IcedAssembler()));
        using MemoryStream output = new();
        ScenarioRunner.Run(scenario, new ModelBackend(host, new IcedDecoder()), output);
        return [.. JsonDocument.Parse(output.ToArray()).RootElement.GetProperty("steps").EnumerateArray()];
    }

    private static JsonElement[] Run(string host, string kernel, string steps)
    {
        Assert.True(KernelRelease.TryParse(kernel, out KernelRelease release));
        HostRecord record = new()
        {
            Name = host,
            Cpuid = SampleHosts.Open(host).Cpuid,
            Provenance = new Provenance(FactSource.Given, "test")
        };
        return Run(new LinuxHost(record, KernelBehavior.Of(release)), steps);
    }
}
