using System.Text.Json;
using Xstate.Captures;
using Xstate.Cli.GuestCode;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Scenarios;
using SampleHosts = Xstate.Tests.Architecture.SampleHosts;

namespace Xstate.Tests.Guests;

/// <summary>Guest code on the modelled KVM, each test one script of steps.</summary>
public class GuestCodeOnModelTests
{
    private const string Everything = "{\"op\":\"set_cpuid2\",\"cpuid\":\"supported\"},{\"op\":\"set_sregs\",\"cr4\":\"0x440220\"}";

    [Theory]
    [InlineData("mov eax, 0x7fffffff; add eax, 1; seto bl; sets cl; setc dl", 0x80000000, 1, 1, 0)]
    [InlineData("mov al, 0xff; add al, 1; setc bl; setz cl; setp dl", 0, 1, 1, 1)]
    [InlineData("mov eax, 3; sub eax, 5; setb bl; setl cl; setg dl", 0xfffffffe, 1, 1, 0)]
    [InlineData("mov rax, -1; mov eax, eax; inc rax; mov ebx, 8; dec bl", 0x100000000, 7, 0, 0)]
    [InlineData("mov ah, 0x12; mov al, 0x34; xchg ah, al; movzx ebx, ax; movsx ecx, ah", 0x3412, 0x3412, 0x34, 0)]
    [InlineData("mov eax, 0x80000001; shr eax, 1; setc bl; mov ecx, 0x80000000; sar ecx, 4; mov edx, 3; shl edx, 31", 0x40000000, 1, 0xf8000000, 0x80000000)]
    [InlineData("stc; mov eax, 5; adc eax, 6; mov ebx, 4; cmp ebx, 5; sbb ebx, 1; mov ecx, 1; neg ecx; not edx", 12, 2, 0xffffffff, 0xffffffff)]
    [InlineData("mov ecx, 5; next: add eax, ecx; loop next; call sub; jmp end; sub: push 7; pop rbx; ret; nop; end:", 15, 7, 0, 0)]
    [InlineData("mov ecx, 3; mov edi, 0x8000; mov eax, 0x41; rep stosb; mov ebx, [0x8000]; mov esi, 0x8000; lodsw; mov edx, esi", 0x4141, 0x414141, 0, 0x8002)]
    [InlineData("mov eax, 2; cmp eax, 2; mov ebx, 9; cmove ecx, ebx; cmovne edx, ebx; lea rax, [rbx+rbx*2-1]", 26, 9, 9, 0)]
    [InlineData("mov r8, 0; mov r12, 0; mov r8b, 0x11; mov r12b, 0x22; mov rax, r8; mov rbx, r12; mov sil, 3; movzx ecx, sil; mov r15b, cl; movzx edx, r15b", 0x11, 0x22, 3, 3)]
    [InlineData("mov rax, cr4; mov rbx, cr0; and ebx, 0x11; mov rcx, cr3", 0x440220, 0x11, 0x12000, 0)]
    public void Ordinary_instructions_compute_what_the_manual_says(string code, ulong rax, ulong rbx, ulong rcx, ulong rdx)
    {
        JsonElement step = Run($"{Everything},{{\"op\":\"guest\",\"code\":\"{code}\"}}")[2];
        Assert.Equal("hlt", step.GetProperty("result").GetProperty("exit").GetString());
        Assert.Equal((rax, rbx, rcx, rdx), Registers(step));
    }

    [Theory]
    [InlineData("ud2", 0, "#UD")]
    [InlineData("int3", 3, "#BP")]
    [InlineData("hlt", 3, "#GP(0)")]
    [InlineData("mov rax, cr0", 3, "#GP(0)")]
    [InlineData("mov ecx, 0xda0; rdmsr", 3, "#GP(0)")]
    [InlineData("int 0x20", 3, "#GP(258)")]
    [InlineData("mov eax, [0x100000]", 0, "#PF(0x0)")]
    [InlineData("mov [0x100000], eax", 3, "#PF(0x6)")]
    [InlineData("mov eax, [0x10000]", 3, "#PF(0x5)")]
    [InlineData("mov rax, 0x8000000000000000; mov eax, [rax]", 0, "#GP(0)")]
    [InlineData("mov eax, -1; mov edx, eax; xsave [0x3ff08]", 0, "#GP(0)")]
    [InlineData("mov eax, -1; mov edx, eax; xsave [0x3ffc0]", 0, "#PF(0x2)")]
    [InlineData("mov eax, 4; xor edx, edx; wrpkru; mov eax, [0x9000]", 3, "#PF(0x25)")]
    [InlineData("mov eax, 8; xor edx, edx; wrpkru; mov eax, [0x9000]; mov [0x9000], eax", 3, "#PF(0x27)")]
    [InlineData("mov eax, 4; xor edx, edx; wrpkru; mov eax, [0x9000]", 0, null)]
    [InlineData("mov ecx, 1; rdpkru", 3, "#GP(0)")]
    [InlineData("mov eax, 5; xor edx, edx; xsetbv", 0, "#GP(0)")]
    [InlineData("mov eax, 7; xor edx, edx; xsetbv", 3, "#GP(0)")]
    [InlineData("vpxor ymm0, ymm0, ymm0", 0, "#UD")]
    [InlineData("mov eax, 7; xor edx, edx; xsetbv; vpxor ymm0, ymm0, ymm0", 0, null)]
    [InlineData("mov rax, cr0; or eax, 8; mov cr0, rax; xsave [0x8000]", 0, "#NM")]
    [InlineData("mov dword ptr [0x8000], 0xffff0000; ldmxcsr [0x8000]", 0, "#GP(0)")]
    [InlineData("mov rax, cr4; btr eax, 18", 0, "unsupported")]
    public void A_fault_is_named_as_the_handler_finds_it(string code, int cpl, string? fault)
    {
        JsonElement step = Run($"{Everything},{{\"op\":\"guest\",\"cpl\":{cpl},\"code\":\"xor ecx, ecx; {code}\"}}")[2];
        Assert.Equal(fault, step.TryGetProperty("unsupported", out _) ? "unsupported" : step.TryGetProperty("fault", out JsonElement found) ? found.GetString() : null);
    }

    [Fact]
    public void State_goes_into_the_guest_and_comes_back_to_KVM()
    {
        const string Steps = Everything + ",{\"op\":\"set_xcrs\",\"xcr0\":\"0x7\"},{\"op\":\"set_xsave\",\"xstateBv\":\"0x7\",\"fcw\":\"0x37f\",\"mxcsr\":\"0x1f80\",\"components\":{\"avx\":\"a1a2\"}},"
            + "{\"op\":\"guest\",\"code\":\"vmovdqu [0x8000], ymm0; mov eax, 0x77; vmovd xmm2, eax\",\"dump\":[[\"0x8010\",2]]},{\"op\":\"get_xsave\"}";
        JsonElement[] steps = Run(Steps);
        Assert.Equal("a1a2", steps[4].GetProperty("result").GetProperty("memory").GetProperty("0x8010").GetString());
        byte[] area = Convert.FromHexString(steps[5].GetProperty("result").GetProperty("hex").GetString()!);
        Assert.Equal((0x77, 0xa1), (area[160 + 32], area[576]));
    }

    [Fact]
    public void A_port_ends_the_run_only_when_no_exits_are_left()
    {
        const string Code = "\"code\":\"mov ebx, 1; out 0x10, al; mov ebx, 2; in eax, dx; mov ebx, 3\"";
        JsonElement[] steps = Run($"{Everything},{{\"op\":\"guest\",{Code}}},{{\"op\":\"guest\",{Code},\"maxExits\":2}},{{\"op\":\"guest\",{Code},\"maxExits\":3}}");
        Assert.Equal(["io", "io", "hlt"], steps[2..].Select(step => step.GetProperty("result").GetProperty("exit").GetString()));
        Assert.Equal([1UL, 2UL, 3UL], steps[2..].Select(step => Registers(step).Rbx));
        Assert.Equal(0xffffffff, Registers(steps[3]).Rax);
    }

    [Fact]
    public void Code_without_an_end_is_interrupted_and_a_lost_interrupt_table_is_a_shutdown()
    {
        JsonElement[] steps = Run($"{Everything},{{\"op\":\"guest\",\"code\":\"again: jmp again\"}},{{\"op\":\"guest\",\"code\":\"lidt [0x8800]; ud2\"}},{{\"op\":\"get_sregs\"}}");
        Assert.Equal("EINTR", steps[2].GetProperty("errno").GetString());
        Assert.Equal("{\"exit\":\"shutdown\"}", steps[3].GetProperty("result").GetRawText());
        Assert.Equal("0x12000", steps[4].GetProperty("result").GetProperty("cr3").GetString());
        Assert.Equal("0x0", Run($"{Everything},{{\"op\":\"guest\",\"code\":\"lidt [0x8800]; ud2\"}},{{\"op\":\"get_sregs\"}}", "amd-genoa")[3].GetProperty("result").GetProperty("cr3").GetString());
    }

    [Fact]
    public void Real_mode_has_its_own_registers_and_no_error_codes()
    {
        JsonElement[] steps = Run($"{Everything},{{\"op\":\"guest\",\"mode\":\"real\",\"code\":\"mov ax, 0x1234; mov cx, 2; mov di, 0x8000; rep stosw; xor ecx, ecx; mov eax, 5; xsetbv\",\"dump\":[[\"0x8000\",6]]}},{{\"op\":\"get_sregs\"}}");
        Assert.Equal(("#GP(0)", "341234120000"), (steps[2].GetProperty("fault").GetString(), steps[2].GetProperty("result").GetProperty("memory").GetProperty("0x8000").GetString()));
        Assert.Equal("0x10", steps[3].GetProperty("result").GetProperty("cr0").GetString());
    }

    [Fact]
    public void The_component_that_IA32_XFD_disables_is_written_down_and_kept()
    {
        // XRSTOR of tile data with IA32_XFD[18] raises #NM; KVM hands XFD_ERR to user space.
        const string Steps = "{\"op\":\"req_guest_perm\",\"component\":18}," + Everything + ",{\"op\":\"set_xcrs\",\"xcr0\":\"0x60007\"},{\"op\":\"set_msr\",\"index\":\"0x1c4\",\"value\":\"0x40000\"},"
            + "{\"op\":\"guest\",\"code\":\"mov dword ptr [0xa200], 0x40000; mov eax, 0x40000; xor edx, edx; xrstor [0xa000]\"},{\"op\":\"get_msr\",\"index\":\"0x1c5\"},"
            + "{\"op\":\"guest\",\"code\":\"mov ecx, 0x1c5; rdmsr; mov ebx, eax; xor eax, eax; xor edx, edx; wrmsr\"},{\"op\":\"get_msr\",\"index\":\"0x1c5\"}";
        JsonElement[] steps = Run(Steps, "intel-sapphire-rapids");
        Assert.Equal(("#NM", "0x40000"), (steps[5].GetProperty("fault").GetString(), steps[6].GetProperty("result").GetProperty("value").GetString()));
        Assert.Equal((0x40000UL, "0x0"), (Registers(steps[7]).Rbx, steps[8].GetProperty("result").GetProperty("value").GetString()));
    }

    [Fact]
    public void CPUID_inside_follows_XCR0_and_XSS_as_the_guest_sets_them()
    {
        JsonElement[] steps = Run(
            Everything + ",{\"op\":\"guest\",\"code\":\"xor ecx, ecx; mov eax, 0x207; xor edx, edx; xsetbv; mov eax, 0xd; cpuid; mov r8d, ebx; mov ecx, 0xda0; mov eax, 0x1800; xor edx, edx; wrmsr; mov eax, 0xd; mov ecx, 1; cpuid; mov eax, r8d\"}",
            "intel-sapphire-rapids",
            "6.18");
        Assert.Equal((2696UL, 576UL + 256 + 8 + 16 + 24), Registers(steps[2]) is var (rax, rbx, _, _) ? (rax, rbx) : default);
    }

    private static (ulong Rax, ulong Rbx, ulong Rcx, ulong Rdx) Registers(JsonElement step)
    {
        JsonElement registers = step.GetProperty("result").GetProperty("regs");
        ulong Value(string name) => Convert.ToUInt64(registers.GetProperty(name).GetString(), 16);
        return (Value("rax"), Value("rbx"), Value("rcx"), Value("rdx"));
    }

    private static JsonElement[] Run(string steps, string host = "intel-icelake", string kernel = "6.12")
    {
        using StringReader input = new($"{{\"name\":\"a\",\"steps\":[{steps}]}}");
        Scenario scenario = Assert.Single(ScenarioReader.Read(input, new IcedAssembler()));
        Assert.True(KernelRelease.TryParse(kernel, out KernelRelease release));
        HostRecord record = new() { Name = host, Cpuid = SampleHosts.Cpuid(host), Provenance = new Provenance(FactSource.Given, "test") };
        using MemoryStream output = new();
        ScenarioRunner.Run(scenario, new ModelBackend(new LinuxHost(record, KernelBehavior.Of(release)), new IcedDecoder()), output);
        return [.. JsonDocument.Parse(output.ToArray()).RootElement.GetProperty("steps").EnumerateArray()];
    }
}
