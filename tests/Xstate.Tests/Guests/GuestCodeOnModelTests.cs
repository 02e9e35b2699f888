using System.Text.Json;
using Xstate.Captures;
using Xstate.Cli.GuestCode;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Processor;
using Xstate.Scenarios;
using Xstate.Tests.Support;

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
    [InlineData("mov eax, 0x80000001; shr eax, 1; setc bl; mov ecx, 0x80000000; sar ecx, 4; mov edx, 3; shl edx, 31", 0x40000000, 1,
        0xf8000000, 0x80000000)]
    [InlineData("stc; mov eax, 5; adc eax, 6; mov ebx, 4; cmp ebx, 5; sbb ebx, 1; mov ecx, 1; neg ecx; not edx", 12, 2, 0xffffffff,
        0xffffffff)]
    [InlineData("mov ecx, 5; next: add eax, ecx; loop next; call sub; jmp end; sub: push 7; pop rbx; ret; nop; end:", 15, 7, 0, 0)]
    [InlineData("mov ecx, 3; mov edi, 0x8000; mov eax, 0x41; rep stosb; mov ebx, [0x8000]; mov esi, 0x8000; lodsw; mov edx, esi", 0x4141,
        0x414141, 0, 0x8002)]
    [InlineData("mov eax, 2; cmp eax, 2; mov ebx, 9; cmove ecx, ebx; cmovne edx, ebx; lea rax, [rbx+rbx*2-1]", 26, 9, 9, 0)]
    [InlineData("mov r8, 0; mov r12, 0; mov r8b, 0x11; mov r12b, 0x22; mov rax, r8; mov rbx, r12; mov sil, 3; movzx ecx, sil; mov r15b, "
        + "cl; movzx edx, r15b", 0x11, 0x22, 3, 3)]
    [InlineData("mov rax, cr4; mov rbx, cr0; and ebx, 0x11; mov rcx, cr3", 0x440220, 0x11, 0x12000, 0)]
    [InlineData("mov ecx, 300; call next; next: pop rdi; again: mov bl, 1; cmp ecx, 100; jne skip; mov byte ptr [rdi+2], 2; skip: loop "
        + "again", 0, 2, 0, 0)]
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
    [InlineData("mul ebx", 0, "unsupported")]
    [InlineData("mov rax, cr4; or eax, 0x1000000; mov cr4, rax", 0, "#GP(0)")]
    [InlineData("mov rax, cr4; and eax, -0x21; mov cr4, rax", 0, "#GP(0)")]
    [InlineData("mov rax, cr4; or eax, 0x1000; mov cr4, rax", 0, "#GP(0)")]
    [InlineData("mov rax, cr4; or eax, 0x20000; mov cr4, rax", 0, null)]
    [InlineData("mov rax, cr3; or eax, 1; mov cr3, rax; mov rax, cr4; or eax, 0x20000; mov cr4, rax", 0, "#GP(0)")]
    [InlineData("mov rax, cr0; and eax, 0x7fffffff; mov cr0, rax", 0, "#GP(0)")]
    [InlineData("mov rax, cr0; and eax, -2; mov cr0, rax", 0, "#GP(0)")]
    [InlineData("mov rax, cr0; or eax, 0x20000000; mov cr0, rax", 0, "#GP(0)")]
    [InlineData("mov rax, cr0; bts rax, 32; mov cr0, rax", 0, "#GP(0)")]
    [InlineData("mov ecx, 0x6e1; rdmsr", 0, "#GP(0)")]
    [InlineData("mov ecx, 0x6e1; xor eax, eax; xor edx, edx; wrmsr", 0, "#GP(0)")]
    [InlineData("mov ecx, 0xc0000080; rdmsr; or eax, 2; wrmsr", 0, "#GP(0)")]
    [InlineData("mov ecx, 0xc0000080; rdmsr; or eax, 0x1000; wrmsr", 0, "#GP(0)")]
    [InlineData("mov ecx, 0xc0000080; rdmsr; and eax, -0x101; wrmsr", 0, "#GP(0)")]
    [InlineData("mov ecx, 0xc0000080; rdmsr; or eax, 0x801; and eax, -0x401; wrmsr", 0, null)]
    [InlineData("mov rax, cr0; or eax, 8; mov cr0, rax; fninit", 0, "#NM")]
    [InlineData("mov rax, cr0; or eax, 4; mov cr0, rax; fld1", 0, "#NM")]
    [InlineData("mov rax, cr0; or eax, 8; mov cr0, rax; wait", 0, null)]
    [InlineData("mov rax, cr0; or eax, 10; mov cr0, rax; wait", 0, "#NM")]
    [InlineData("mov rax, cr0; or eax, 4; mov cr0, rax; wait", 0, null)]
    [InlineData("mov rax, cr0; or eax, 4; mov cr0, rax; emms", 0, "#UD")]
    [InlineData("mov rax, cr0; or eax, 4; mov cr0, rax; ldmxcsr [0x8000]", 0, "#UD")]
    [InlineData("mov rax, cr0; or eax, 8; mov cr0, rax; stmxcsr [0x8000]", 0, "#NM")]
    [InlineData("mov rax, cr0; or eax, 4; mov cr0, rax; fxsave64 [0x8000]", 0, "#NM")]
    [InlineData("mov rax, cr0; or eax, 0x20; mov cr0, rax; mov word ptr [0x8000], 0x300; fldcw [0x8000]; fstp qword ptr [0x8000]; fld1", 0,
        "#MF")]
    [InlineData("tilerelease", 0, "#UD")]
    [InlineData("mov rbx, 0x1000000000000; mov eax, [rbx]", 0, "#GP(0)")]
    [InlineData("mov rbp, 0x1000000000000; mov eax, [rbp]", 0, "#SS(0)")]
    [InlineData("mov rsp, 0x1000000000000; push rax", 0, "#SS(0)")]
    public void A_fault_is_named_as_the_handler_finds_it(string code, int cpl, string? fault)
    {
        JsonElement step = Run($"{Everything},{{\"op\":\"guest\",\"cpl\":{cpl},\"code\":\"xor ecx, ecx; {code}\"}}")[2];
        Assert.Equal(fault, step.TryGetProperty("unsupported", out _) ? "unsupported" : step.TryGetProperty("fault", out JsonElement found)
            ? found.GetString() : null);
    }

    [Fact]
    public void State_goes_into_the_guest_and_comes_back_to_KVM()
    {
        const string Steps = Everything
            + ",{\"op\":\"set_xcrs\",\"xcr0\":\"0x7\"},{\"op\":\"set_xsave\",\"xstateBv\":\"0x7\",\"fcw\":\"0x37f\",\"mxcsr\":\"0x1f80\","
            + "\"components\":{\"avx\":\"a1a2\"}},"
            + "{\"op\":\"guest\",\"code\":\"vmovdqu [0x8000], ymm0; mov eax, 0x77; vmovd xmm2, eax\",\"dump\":[[\"0x8010\",2]]},"
            + "{\"op\":\"get_xsave\"}";
        JsonElement[] steps = Run(Steps);
        Assert.Equal("a1a2", steps[4].GetProperty("result").GetProperty("memory").GetProperty("0x8010").GetString());
        byte[] area = Convert.FromHexString(steps[5].GetProperty("result").GetProperty("hex").GetString()!);
        Assert.Equal((0x77, 0xa1), (area[160 + 32], area[576]));
    }

    [Fact]
    public void A_port_ends_the_run_only_when_no_exits_are_left()
    {
        const string Code = "\"code\":\"mov ebx, 1; out 0x10, al; mov ebx, 2; in eax, dx; mov ebx, 3\"";
        JsonElement[] steps =
            Run($"{Everything},{{\"op\":\"guest\",{Code}}},{{\"op\":\"guest\",{Code},\"maxExits\":2}},{{\"op\":\"guest\",{Code},"
                + $"\"maxExits\":3}}");
        Assert.Equal(["io", "io", "hlt"], steps[2..].Select(step => step.GetProperty("result").GetProperty("exit").GetString()));
        Assert.Equal([1UL, 2UL, 3UL], steps[2..].Select(step => Registers(step).Rbx));
        Assert.Equal(0xffffffff, Registers(steps[3]).Rax);
    }

    [Fact]
    public void Code_without_an_end_is_interrupted_and_a_lost_interrupt_table_is_a_shutdown()
    {
        JsonElement[] steps =
            Run($"{Everything},{{\"op\":\"guest\",\"code\":\"again: jmp again\"}},{{\"op\":\"guest\",\"code\":\"lidt [0x8800]; ud2\"}},"
                + $"{{\"op\":\"get_sregs\"}}");
        Assert.Equal("EINTR", steps[2].GetProperty("errno").GetString());
        Assert.Equal("{\"exit\":\"shutdown\"}", steps[3].GetProperty("result").GetRawText());
        Assert.Equal("0x12000", steps[4].GetProperty("result").GetProperty("cr3").GetString());
        Assert.Equal("0x0", Run($"{Everything},{{\"op\":\"guest\",\"code\":\"lidt [0x8800]; ud2\"}},{{\"op\":\"get_sregs\"}}",
            "amd-genoa")[3].GetProperty("result").GetProperty("cr3").GetString());
    }

    [Fact]
    public void Real_mode_has_its_own_registers_and_no_error_codes()
    {
        JsonElement[] steps =
            Run($"{Everything},{{\"op\":\"guest\",\"mode\":\"real\",\"code\":\"mov ax, 0x1234; mov cx, 2; mov di, 0x8000; rep stosw; xor "
                + $"ecx, ecx; mov eax, 5; xsetbv\",\"dump\":[[\"0x8000\",6]]}},{{\"op\":\"get_sregs\"}}");
        Assert.Equal(("#GP(0)", "341234120000"), (steps[2].GetProperty("fault").GetString(),
            steps[2].GetProperty("result").GetProperty("memory").GetProperty("0x8000").GetString()));
        Assert.Equal("0x10", steps[3].GetProperty("result").GetProperty("cr0").GetString());
    }

    [Fact]
    public void The_component_that_IA32_XFD_disables_is_written_down_and_kept()
    {
        // XRSTOR of tile data with IA32_XFD[18] raises #NM; KVM hands XFD_ERR to user space.
        const string Steps = "{\"op\":\"req_guest_perm\",\"component\":18}," + Everything
            + ",{\"op\":\"set_xcrs\",\"xcr0\":\"0x60007\"},{\"op\":\"set_msr\",\"index\":\"0x1c4\",\"value\":\"0x40000\"},"
            + "{\"op\":\"guest\",\"code\":\"mov dword ptr [0xa200], 0x40000; mov eax, 0x40000; xor edx, edx; xrstor [0xa000]\"},"
            + "{\"op\":\"get_msr\",\"index\":\"0x1c5\"},"
            + "{\"op\":\"guest\",\"code\":\"mov ecx, 0x1c5; rdmsr; mov ebx, eax; xor eax, eax; xor edx, edx; wrmsr\"},"
            + "{\"op\":\"get_msr\",\"index\":\"0x1c5\"}";
        JsonElement[] steps = Run(Steps, "intel-sapphire-rapids");
        Assert.Equal(("#NM", "0x40000"), (steps[5].GetProperty("fault").GetString(),
            steps[6].GetProperty("result").GetProperty("value").GetString()));
        Assert.Equal((0x40000UL, "0x0"), (Registers(steps[7]).Rbx, steps[8].GetProperty("result").GetProperty("value").GetString()));
    }

    [Fact]
    public void CPUID_inside_follows_XCR0_and_XSS_as_the_guest_sets_them()
    {
        JsonElement[] steps = Run(
            Everything
            + ",{\"op\":\"guest\",\"code\":\"xor ecx, ecx; mov eax, 0x207; xor edx, edx; xsetbv; mov eax, 0xd; cpuid; mov r8d, ebx; mov "
            + "ecx, 0xda0; mov eax, 0x1800; xor edx, edx; wrmsr; mov eax, 0xd; mov ecx, 1; cpuid; mov eax, r8d\"}",
            "intel-sapphire-rapids",
            "6.18");
        Assert.Equal((2696UL, 576UL + 256 + 8 + 16 + 24), Registers(steps[2]) is var (rax, rbx, _, _) ? (rax, rbx) : default);
    }

    [Theory]
    [InlineData("fninit; fnstcw [0x8000]; fnstsw [0x8008]", "7f030000000000000000")]
    [InlineData("fninit; fld1; fstp qword ptr [0x8000]; fnstsw [0x8008]", "000000000000f03f0000")]
    [InlineData("fninit; fldpi; fstp tbyte ptr [0x8000]", "35c26821a2da0fc90040")]
    [InlineData("fninit; fldpi; fstp dword ptr [0x8000]; fnstsw [0x8008]", "db0f4940000000002002")]
    [InlineData("fninit; mov word ptr [0x8000], 0xc7f; fldcw [0x8000]; fldpi; fstp dword ptr [0x8000]; fnstsw [0x8008]",
        "da0f4940000000002000")]
    [InlineData("fninit; mov rax, 0x7ff0000000000001; mov [0x8000], rax; fld qword ptr [0x8000]; fstp qword ptr [0x8000]; fnstsw [0x8008]",
        "010000000000f87f0100")]
    [InlineData("fninit; fld1; fchs; fld1; fxch st(0), st(1); fstp qword ptr [0x8000]; fnstsw [0x8008]", "000000000000f0bf0038")]
    [InlineData("fninit; mov qword ptr [0x8000], -3; fild qword ptr [0x8000]; fstp tbyte ptr [0x8000]", "00000000000000c000c0")]
    [InlineData("fninit; fstp qword ptr [0x8000]; fnstsw [0x8008]", "000000000000f8ff4108")]
    [InlineData("fninit; fldpi; fnsave [0x8100]; fld1; frstor [0x8100]; fstp tbyte ptr [0x8000]", "35c26821a2da0fc90040")]
    [InlineData("fninit; fldpi; fxsave [0x8100]; fninit; fxrstor [0x8100]; fstp tbyte ptr [0x8000]", "35c26821a2da0fc90040")]
    [InlineData("fninit; fld1; emms; fnstenv [0x8100]; mov eax, [0x8108]; mov [0x8000], eax; mov dword ptr [0x8004], 0; mov word ptr "
        + "[0x8008], 0", "ffffffff000000000000")]
    public void X87_values_go_in_and_come_out(string code, string expected)
    {
        JsonElement step = Run($"{Everything},{{\"op\":\"guest\",\"code\":\"{code}\",\"dump\":[[\"0x8000\",10]]}}")[2];
        Assert.Equal(expected, step.GetProperty("result").GetProperty("memory").GetProperty("0x8000").GetString());
    }

    [Fact]
    public void X87_state_that_a_guest_makes_is_in_what_KVM_returns()
    {
        JsonElement[] steps = Run($"{Everything},{{\"op\":\"guest\",\"code\":\"fninit; fld1; fldpi\"}},{{\"op\":\"get_xsave\"}}");
        byte[] area = Convert.FromHexString(steps[3].GetProperty("result").GetProperty("hex").GetString()!);
        Assert.Equal(("7f030030c0", "35c26821a2da0fc90040", "0000000000000080ff3f"),
            (Convert.ToHexStringLower(area[..5]), Convert.ToHexStringLower(area[32..42]), Convert.ToHexStringLower(area[48..58])));
        Assert.Equal(1, area[512] & 1);
    }

    [Theory]
    [InlineData("", "supervisor", null)]
    [InlineData("", "user", null)]
    [InlineData("mov rax, cr4; bts eax, 21; mov cr4, rax; ", "user", "#PF(0x1)")]
    [InlineData("mov rax, cr4; bts eax, 21; mov cr4, rax; ", "supervisor", null)]
    [InlineData("mov rax, cr4; bts eax, 21; mov cr4, rax; stac; ", "user", null)]
    [InlineData("mov rax, cr4; bts eax, 21; mov cr4, rax; stac; clac; ", "user", "#PF(0x1)")]
    [InlineData("xor ecx, ecx; xor edx, edx; mov eax, 4; wrpkru; ", "supervisor", null)]
    [InlineData("xor ecx, ecx; xor edx, edx; mov eax, 4; wrpkru; ", "user", "#PF(0x21)")]
    [InlineData("xor ecx, ecx; xor edx, edx; mov eax, 8; wrpkru; ", "user", null)]
    [InlineData("xor ecx, ecx; xor edx, edx; mov eax, 8; wrpkru; mov dword ptr [0x9000], 1; ", "user", null)]
    [InlineData("mov rax, cr0; bts eax, 16; mov cr0, rax; xor ecx, ecx; xor edx, edx; mov eax, 8; wrpkru; mov dword ptr [0x9000], 1; ",
        "user", "#PF(0x23)")]
    [InlineData("mov rax, cr0; bts eax, 16; mov cr0, rax; xor ecx, ecx; xor edx, edx; mov eax, 8; wrpkru; mov dword ptr [0x9000], 1; ",
        "supervisor", null)]
    [InlineData("mov rax, cr4; bts eax, 20; mov cr4, rax; mov byte ptr [0x9000], 0xf4; mov ebx, 0x9000; jmp rbx; nop; ", "user",
        "#PF(0x11)")]
    public void User_pages_from_CPL_0_have_their_own_rules(string before, string pages, string? fault)
    {
        JsonElement step = Run($"{Everything},{{\"op\":\"guest\",\"dataPages\":\"{pages}\",\"code\":\"{before}mov ebx, [0x9000]\"}}")[2];
        Assert.Equal(fault, step.TryGetProperty("fault", out JsonElement found) ? found.GetString() : null);
    }

    [Fact]
    public void Four_level_tables_read_as_five_are_a_shutdown()
    {
        const string Steps = "{\"op\":\"set_cpuid2\",\"cpuid\":\"supported\"},{\"op\":\"set_sregs\",\"cr4\":\"0x1220\"},"
            + "{\"op\":\"guest\",\"code\":\"nop\"}";
        JsonElement[] steps = Run(Steps);
        Assert.Equal("0", steps[1].GetProperty("errno").GetRawText());
        Assert.Equal("{\"exit\":\"shutdown\"}", steps[2].GetProperty("result").GetRawText());
    }

    [Fact]
    public void Tiles_are_configured_loaded_stored_and_released()
    {
        // Palette 1; tile 3 has two rows of four bytes, which lie 16 bytes apart.
        const string Setup = "{\"op\":\"req_guest_perm\",\"component\":18}," + Everything + ",{\"op\":\"set_xcrs\",\"xcr0\":\"0x60007\"}";
        const string Configure = "mov byte ptr [0x9000], 1; mov word ptr [0x9016], 4; mov byte ptr [0x9033], 2; ldtilecfg [0x9000]; ";
        const string Load = "mov dword ptr [0x8000], 0x11223344; mov dword ptr [0x8010], 0x55667788; mov ebx, 0x8000; mov ecx, 16; "
            + "tileloadd tmm3, [rbx+rcx]; ";
        JsonElement[] steps = Run(
            Setup
            + $",{{\"op\":\"guest\",\"code\":\"{Configure}{Load}mov edx, 0x8100; mov ecx, 8; tilestored [rdx+rcx], tmm3; sttilecfg "
            + $"[0x8200]\",\"dump\":[[\"0x8100\",12],[\"0x8216\",2]]}},{{\"op\":\"get_xsave2\"}},"
            + $"{{\"op\":\"guest\",\"code\":\"tilerelease; sttilecfg [0x8200]\",\"dump\":[[\"0x8216\",2]]}},{{\"op\":\"guest\","
            + $"\"code\":\"tilezero tmm3\"}},{{\"op\":\"guest\",\"code\":\"{Configure}tilezero tmm2\"}}",
            "intel-sapphire-rapids");
        JsonElement memory = steps[4].GetProperty("result").GetProperty("memory");
        Assert.Equal(("443322110000000088776655", "0400"),
            (memory.GetProperty("0x8100").GetString(), memory.GetProperty("0x8216").GetString()));
        byte[] area = Convert.FromHexString(steps[5].GetProperty("result").GetProperty("hex").GetString()!);
        Assert.Equal("44332211", Convert.ToHexStringLower(area.AsSpan(2816 + (3 * 1024), 4)));
        Assert.Equal("0000", steps[6].GetProperty("result").GetProperty("memory").GetProperty("0x8216").GetString());
        Assert.Equal(["#UD", "#UD"], steps[7..9].Select(step => step.GetProperty("fault").GetString()));
    }

    [Fact]
    public void A_tile_instruction_under_XFD_raises_NM_and_says_why()
    {
        const string Steps = "{\"op\":\"req_guest_perm\",\"component\":18}," + Everything
            + ",{\"op\":\"set_xcrs\",\"xcr0\":\"0x60007\"},{\"op\":\"set_msr\",\"index\":\"0x1c4\",\"value\":\"0x40000\"},"
            + "{\"op\":\"guest\",\"code\":\"mov byte ptr [0x9000], 1; mov word ptr [0x9010], 4; mov byte ptr [0x9030], 2; ldtilecfg "
            + "[0x9000]; mov ebx, 0x8000; xor ecx, ecx; tileloadd tmm0, [rbx+rcx]\"},{\"op\":\"get_msr\",\"index\":\"0x1c5\"}";
        JsonElement[] steps = Run(Steps, "intel-sapphire-rapids");
        Assert.Equal(("#NM", "0x40000"), (steps[5].GetProperty("fault").GetString(),
            steps[6].GetProperty("result").GetProperty("value").GetString()));
    }

    [Fact]
    public void TCG_looks_at_privilege_before_OSXSAVE_and_not_at_TS()
    {
        const string Xsetbv =
            "{\"op\":\"set_cpuid2\",\"cpuid\":\"supported\"},{\"op\":\"set_sregs\",\"cr4\":\"0x220\"},{\"op\":\"guest\",\"cpl\":3,"
            + "\"code\":\"xor ecx, ecx; xsetbv\"}";
        const string Xrstor = Everything
            + ",{\"op\":\"guest\",\"code\":\"mov rax, cr0; or eax, 8; mov cr0, rax; xor eax, eax; xor edx, edx; xrstor [0x8000]\"}";
        Assert.Equal(("#GP(0)", "#UD"), (Run(Xsetbv, "qemu-tcg")[2].GetProperty("fault").GetString(),
            Run(Xsetbv)[2].GetProperty("fault").GetString()));
        Assert.False(Run(Xrstor, "qemu-tcg")[2].TryGetProperty("fault", out _));
        Assert.Equal("#NM", Run(Xrstor)[2].GetProperty("fault").GetString());
    }

    [Fact]
    public void A_guest_step_has_one_budget_of_instructions_over_all_its_exits()
    {
        // Three hundred thousand exits of a loop each would be 90 billion instructions.
        JsonElement step = Run(
            $"{Everything},{{\"op\":\"guest\",\"maxExits\":1000000,\"code\":\"a: mov ecx, 300000; b: dec ecx; jnz b; out 0x10, al; jmp "
            + $"a\"}}")[2];
        Assert.Equal("EINTR", step.GetProperty("errno").GetString());
        JsonElement repeated =
            Run($"{Everything},{{\"op\":\"guest\",\"maxExits\":1000000,\"code\":\"a: mov ecx, 600000; mov edi, 0x8000; xor eax, eax; b: "
                + $"mov ecx, 0x1000; mov edi, 0x8000; rep stosb; out 0x10, al; jmp a\"}}")[2];
        Assert.Equal("EINTR", repeated.GetProperty("errno").GetString());
    }

    private static (ulong Rax, ulong Rbx, ulong Rcx, ulong Rdx) Registers(JsonElement step)
    {
        JsonElement registers = step.GetProperty("result").GetProperty("regs");
        ulong Value(string name) => Convert.ToUInt64(registers.GetProperty(name).GetString(), 16);
        return (Value("rax"), Value("rbx"), Value("rcx"), Value("rdx"));
    }

    // jmp far [0x8000] with offsets of 16, 32 and 64 bits, call far the same.
    [Theory]
    [InlineData("66ff2c2500800000")]
    [InlineData("ff2c2500800000")]
    [InlineData("48ff2c2500800000")]
    [InlineData("48ff1c2500800000")]
    public void A_far_pointer_in_memory_is_not_modelled(string hex)
    {
        JsonElement step = Run($"{Everything},{{\"op\":\"guest\",\"code\":{{\"hex\":\"{hex}\"}}}}")[2];
        Assert.Contains("unsupported", step.ToString(), StringComparison.Ordinal);
    }

    private static JsonElement[] Run(string steps, string host = "intel-icelake", string kernel = "6.12")
    {
        using StringReader input = new($"{{\"name\":\"a\",\"steps\":[{steps}]}}");
        Scenario scenario = Assert.Single(ScenarioReader.Read(input, new IcedAssembler()));
        Assert.True(KernelRelease.TryParse(kernel, out KernelRelease release));
        HostRecord record = new()
        {
            Name = host,
            Cpuid = host == "qemu-tcg" ? ProcessorProfiles.QemuTcg.Cpuid : SampleHosts.Cpuid(host),
            Provenance = new Provenance(FactSource.Given, "test")
        };
        using MemoryStream output = new();
        ScenarioRunner.Run(scenario, new ModelBackend(new LinuxHost(record, KernelBehavior.Of(release)), new IcedDecoder()), output);
        return [.. JsonDocument.Parse(output.ToArray()).RootElement.GetProperty("steps").EnumerateArray()];
    }
}
