using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text.Json;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Tests.Support;

namespace Xstate.Tests.Scenarios;

/// <summary>
/// What kernels in QEMU's code generator answered where a model was wrong before, with the recorded host of that laboratory as HOST and
/// ten seeded variants of every rule: distribution kernels, KVM_SET_SREGS, KVM_GET_SUPPORTED_CPUID and guest programs.
/// </summary>
public class RecordedHostRulesTests
{
    private const string HostName = "qemu-tcg-max";
    private const int Variants = 10;
    private const string Supported = "{\"op\":\"set_cpuid2\",\"cpuid\":\"supported\"}";
    private const int PkruOffset = 2688;
    private static readonly string[] Kernels = ["5.10.262", "6.1.192", "6.12.117", "7.2.13", "7.3.4"];

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, Variants)];

    /// <summary>MOV to CR4 with PKS is #GP: KVM offers it to no guest.</summary>
    [Theory]
    [MemberData(nameof(Seeds))]
    public void A_guest_cannot_set_a_bit_of_CR4_that_KVM_reserves(int seed)
    {
        SplitMix64 random = new((ulong)seed);
        foreach (string kernel in Kernels)
        {
            ulong now = 0x40220 | (random.OneIn(2) ? 1UL << 22 : 0) | (random.OneIn(2) ? 1UL << 7 : 0);
            ulong bad = seed == 1 ? 1UL << 24 : 1UL << random.Pick(14, 15, 19, 24, 25, 27, 29, 31, 32, 36, 63);
            string code = $"mov rax, cr4; mov rbx, 0x{bad:x}; or rax, rbx; mov cr4, rax";
            JsonElement[] steps = Run(Host(kernel), $"{Supported},{Sregs(now)},{Guest(code)},{{\"op\":\"get_sregs\"}}");
            Assert.Equal("#GP(0)", steps[2].GetProperty("fault").GetString());
            Assert.Equal($"0x{now:x}", steps[3].GetProperty("result").GetProperty("cr4").GetString());

            // Without the bit the same program goes through.
            steps = Run(Host(kernel), $"{Supported},{Sregs(now)},{Guest("mov rax, cr4; mov cr4, rax")}");
            Assert.Equal("hlt", steps[2].GetProperty("result").GetProperty("exit").GetString());
        }
    }

    /// <summary>QEMU's code generator asks for privilege before CR4.OSXSAVE; silicon after.</summary>
    [Theory]
    [MemberData(nameof(Seeds))]
    public void XSETBV_at_CPL_3_without_OSXSAVE_is_GP_in_the_code_generator_and_UD_on_silicon(int seed)
    {
        SplitMix64 random = new((ulong)seed);
        string code = $"mov ecx, {random.Below(3)}; mov eax, 0x{random.Next() & 0x21F:x}; xor edx, edx; xsetbv";
        foreach (string kernel in Kernels)
        {
            string steps = $"{Supported},{Sregs(0x220)},{Guest(code, "\"cpl\":3")},{Guest(code)}";
            Assert.Equal(["#GP(0)", "#UD"], Run(Host(kernel), steps)[2..].Select(Fault));
            Assert.Equal(["#UD", "#UD"], Run(Host(kernel, "amd-genoa"), steps)[2..].Select(Fault));
        }
    }

    /// <summary>QEMU's XRSTOR does not look at CR0.TS.</summary>
    [Theory]
    [MemberData(nameof(Seeds))]
    public void XRSTOR_with_TS_executes_in_the_code_generator_and_is_NM_on_silicon(int seed)
    {
        SplitMix64 random = new((ulong)seed);
        uint mask = (uint)random.Next() & 0x207 | 1;
        string code = $"xor edx, edx; mov eax, 0x{mask:x}; xsave [0x8000]; mov rbx, cr0; or rbx, 8; mov cr0, rbx; mov eax, 0x{mask:x}; "
            + "xrstor [0x8000]";
        foreach (string kernel in Kernels)
        {
            string steps = $"{Supported},{Sregs(0x40220)},{Guest(code)},{Guest(code.Replace("xrstor", "xsave", StringComparison.Ordinal))}";
            Assert.Equal([null, "#NM"], Run(Host(kernel), steps)[2..].Select(Fault));
            Assert.Equal(["#NM", "#NM"], Run(Host(kernel, "amd-genoa"), steps)[2..].Select(Fault));
        }
    }

    /// <summary>Four-level tables are read as five, and the guest shuts down.</summary>
    [Theory]
    [MemberData(nameof(Seeds))]
    public void A_guest_with_LA57_and_tables_of_four_levels_shuts_down(int seed)
    {
        SplitMix64 random = new((ulong)seed);
        ulong cr4 = 0x40220 | (random.OneIn(2) ? 1UL << 22 : 0);
        string code = random.Pick("nop", "xor eax, eax", "mov rax, [0x8000]", "fninit");
        foreach (string kernel in Kernels)
        {
            string steps = $"{Supported},{Guest(code)},{{\"op\":\"get_sregs\"}},{Sregs(cr4 | 1 << 12)},{Guest(code)}";
            JsonElement[] answers = Run(Host(kernel), steps);
            Assert.Equal("hlt", answers[1].GetProperty("result").GetProperty("exit").GetString());
            Assert.Equal(0, answers[3].GetProperty("errno").GetInt32());
            Assert.Equal("shutdown", answers[4].GetProperty("result").GetProperty("exit").GetString());
        }
    }

    /// <summary>x87 instructions run in guest code, and KVM_GET_XSAVE shows what they left.</summary>
    [Theory]
    [MemberData(nameof(Seeds))]
    public void X87_instructions_run_in_a_guest(int seed)
    {
        SplitMix64 random = new((ulong)seed);
        int loads = 1 + random.Below(7);
        string code = "fninit; " + string.Join("; ", Enumerable.Repeat("fld1", loads)) + "; fnstcw [0x8000]; fnstsw ax";
        foreach (string kernel in Kernels)
        {
            JsonElement[] steps = Run(Host(kernel), $"{Supported},{Guest(code)},{{\"op\":\"get_xsave\"}}");
            Assert.Equal("hlt", steps[1].GetProperty("result").GetProperty("exit").GetString());
            byte[] area = Area(steps[2]);
            Assert.Equal(0x37F, BitConverter.ToUInt16(area, 0));
            Assert.Equal(8 - loads, BitConverter.ToUInt16(area, 2) >> 11 & 7);
            Assert.Equal(loads, BitOperations.PopCount(area[4]));
            Assert.All(Enumerable.Range(0, loads), slot => Assert.Equal(0x3FFF, BitConverter.ToUInt16(area, 32 + (16 * slot) + 8)));
        }
    }

    /// <summary>What KVM drops, clears and adds of leaves 1 and 7, whatever else the processor has.</summary>
    [Theory]
    [MemberData(nameof(Seeds))]
    public void Leaves_1_and_7_of_the_supported_CPUID_are_KVMs(int seed)
    {
        SplitMix64 random = new((ulong)seed);
        CpuidTable cpuid = Lab().Cpuid;
        foreach (string kernel in Kernels)
        {
            CpuidRegisters one = cpuid.Read(1);
            CpuidRegisters seven = cpuid.Read(7);
            const uint Mpx = 1 << 14;
            const uint Pcommit = 1 << 22;
            const uint Pks = 1u << 31;
            one = one with
            {
                Ecx = one.Ecx & ~(1u << 21) | ((uint)random.Next() & (1 << 3)),
                Edx = one.Edx | ((uint)random.Next() & (1 << 22)),
            };
            seven = seven with
            {
                Ebx = (seven.Ebx | ((uint)random.Next() & (Mpx | Pcommit))) & ~2u | (seed == 1 ? Mpx | Pcommit : 0),
                Ecx = seven.Ecx | ((uint)random.Next() & Pks) | (seed == 1 ? Pks : 0),
            };
            LinuxHost host = Host(kernel, cpuid.With(1, 0, one).With(7, 0, seven));
            CpuidTable supported = Xstate.Hypervisors.Kvm.SupportedCpuid.Of(host, host.UserFeatures);

            Assert.Equal(0u, supported.Read(7).Ebx & (Mpx | Pcommit));
            Assert.Equal(0u, supported.Read(7).Ecx & Pks);
            Assert.Equal(2u, supported.Read(7).Ebx & 2);
            Assert.Equal((0u, 1u << 21), (supported.Read(1).Ecx & (1 << 3), supported.Read(1).Ecx & (1 << 21)));
            Assert.Equal(0u, supported.Read(1).Edx & (1 << 22));
            Assert.Equal(0x207u, supported.Read(0xD).Eax);
        }
    }

    /// <summary>KVM_SET_SREGS refuses CR0, CR4 and EFER as each kernel does, on a virtual CPU with the supported CPUID.</summary>
    [Theory]
    [MemberData(nameof(Seeds))]
    public void KVM_SET_SREGS_refuses_what_the_kernels_of_the_lab_refused(int seed)
    {
        SplitMix64 random = new((ulong)seed);
        ulong reserved = 1UL << random.Pick(13, 14, 15, 19, 24, 31, 36, 63);
        ulong high = 1UL << (32 + random.Below(32));
        foreach (string kernel in Kernels)
        {
            bool checksCr0 = kernel != "5.10.262";
            bool checksEfer = kernel is "6.12.117" or "7.2.13" or "7.3.4";
            JsonElement[] steps = Run(Host(kernel), string.Join(',',
                Supported,
                Sregs(0x220 | reserved),
                "{\"op\":\"set_sregs\",\"cr0\":\"0x80000011\",\"cr4\":\"0x200\",\"efer\":\"0x500\"}",
                "{\"op\":\"set_sregs\",\"cr0\":\"0x80000011\",\"cr4\":\"0x220\",\"efer\":\"0x100\"}",
                "{\"op\":\"set_sregs\",\"cr0\":\"0x11\",\"cr4\":\"0x220\",\"efer\":\"0x400\"}",
                $"{{\"op\":\"set_sregs\",\"cr0\":\"0x{0x11 | high:x}\",\"cr4\":\"0x220\",\"efer\":\"0x0\"}}",
                "{\"op\":\"set_sregs\",\"cr0\":\"0x20000011\",\"cr4\":\"0x220\",\"efer\":\"0x0\"}",
                "{\"op\":\"set_sregs\",\"cr0\":\"0x11\",\"cr4\":\"0x220\",\"efer\":\"0x2\"}",
                "{\"op\":\"set_sregs\",\"cr0\":\"0x11\",\"cr4\":\"0x220\",\"efer\":\"0x0\"}"));
            Assert.Equal(
                [false, false, false, false, !checksCr0, !checksCr0, !checksEfer, true],
                steps[1..].Select(step => step.GetProperty("errno").ValueKind == JsonValueKind.Number));
        }
    }

    /// <summary>64-bit code that has run leaves CS.L, with which 32-bit control registers are refused.</summary>
    [Theory]
    [MemberData(nameof(Seeds))]
    public void Thirty_two_bit_control_registers_after_long_mode_are_refused(int seed)
    {
        SplitMix64 random = new((ulong)seed);
        string cr4 = $"0x{0x220 | (random.Next() & 0x1DF):x}";
        string code = random.Pick("nop", "xor eax, eax", "mov ebx, 1");
        foreach (string kernel in Kernels)
        {
            string last = $"{{\"op\":\"set_sregs\",\"cr0\":\"0x11\",\"cr4\":\"{cr4}\",\"efer\":\"0x0\"}}";
            Assert.Equal("EINVAL", Run(Host(kernel), $"{Supported},{Guest(code)},{last}")[2].GetProperty("errno").GetString());
            Assert.Equal(0, Run(Host(kernel), $"{Supported},{last}")[1].GetProperty("errno").GetInt32());
        }
    }

    /// <summary>
    /// Ubuntu 22.04's 5.15.0-204 copies out as 5.16 does, but trims as 5.15 does, and writes the guest's PKRU whether or not bit 9 is set.
    /// </summary>
    [Theory]
    [MemberData(nameof(Seeds))]
    public void Ubuntus_5_15_copies_out_as_5_16_and_trims_as_5_15(int seed)
    {
        SplitMix64 random = new((ulong)seed);
        KernelBehavior behavior = Behavior("5.15.189")
            .Set(KernelDifference.KvmGetRaw, false)
            .Set(KernelDifference.KvmGetSoftwareMask, true)
            .Set(KernelDifference.KvmSetMxcsrLazy, true);
        Assert.True(behavior.Has(KernelDifference.X86FpuPkruShown));
        uint pkru = (uint)random.Next() & ~3u;
        string padding = $"{random.Next() & 0xFFFF_FFFF:x8}";
        JsonElement[] steps = Run(Host(behavior), string.Join(',',
            Supported,
            SetXsave("0x203", "0x1fa0", $"\"components\":{{\"pkru\":\"{Little(pkru)}00000000\"}}"),
            SetXsave("0x1", "0x1fa0", $"\"bytes\":{{\"464\":\"{padding}\"}}"),
            "{\"op\":\"get_xsave\"}"));
        byte[] area = Area(steps[3]);
        Assert.Equal(0x21FUL, BitConverter.ToUInt64(area, 464));
        Assert.Equal(0UL, BitConverter.ToUInt64(area, 512) & ~0x207UL);
        Assert.Equal(0x1F80U, BitConverter.ToUInt32(area, 24));
        Assert.Equal(0UL, BitConverter.ToUInt64(area, 512) & 0x200);
        Assert.Equal(pkru, BitConverter.ToUInt32(area, PkruOffset));
    }

    /// <summary>Ubuntu 22.04's 5.19.0-50: KVM_SET_XSAVE without bit 9 sets the guest's PKRU to 0.</summary>
    [Theory]
    [MemberData(nameof(Seeds))]
    public void Ubuntus_5_19_sets_PKRU_to_0_where_other_kernels_keep_it(int seed)
    {
        SplitMix64 random = new((ulong)seed);
        uint pkru = (uint)random.Next() & ~3u | 8;
        string steps = string.Join(',',
            Supported,
            SetXsave("0x207", "0x1f80", $"\"components\":{{\"pkru\":\"{Little(pkru)}00000000\"}}"),
            SetXsave("0x3", "0x1f80", "\"bytes\":{}"),
            "{\"op\":\"run_immediate_exit\"}",
            "{\"op\":\"get_xsave\"}");
        foreach ((bool keeps, uint expected) in new[] { (true, pkru), (false, 0U) })
        {
            byte[] area = Area(Run(Host(Behavior("5.19.17").Set(KernelDifference.KvmSetPkruKeep, keeps)), steps)[4]);
            Assert.Equal((0x207UL, expected), (BitConverter.ToUInt64(area, 512), BitConverter.ToUInt32(area, PkruOffset)));
        }
    }

    /// <summary>Ubuntu's 6.8.0-149 carries the check of EFER: a guest whose CPUID has no long mode does not get it.</summary>
    [Theory]
    [MemberData(nameof(Seeds))]
    public void Ubuntus_6_8_refuses_long_mode_to_a_guest_without_it(int seed)
    {
        SplitMix64 random = new((ulong)seed);
        string without = "{\"op\":\"set_cpuid2\",\"cpuid\":\"supported\",\"and\":{\"0x80000001.0.edx\":\"0xdfffffff\"}}";
        ulong cr4 = 0x20 | (random.Next() & 0x7DF);
        string sregs = $"{{\"op\":\"set_sregs\",\"cr0\":\"0x80000011\",\"cr4\":\"0x{cr4:x}\",\"efer\":\"0x500\"}}";
        foreach ((bool looks, bool taken) in new[] { (true, false), (false, true) })
        {
            LinuxHost host = Host(Behavior("6.8.12").Set(KernelDifference.KvmEferNeedsCpuid, looks));
            JsonElement answer = Run(host, $"{without},{sregs}")[1];
            Assert.Equal(taken, answer.GetProperty("errno").ValueKind == JsonValueKind.Number);
        }
    }

    private static JsonElement[] Run(LinuxHost host, string steps) => KvmOwnTestsTests.Run(host, steps);

    private static string? Fault(JsonElement step) => step.TryGetProperty("fault", out JsonElement fault) ? fault.GetString() : null;

    private static string Sregs(ulong cr4) => $"{{\"op\":\"set_sregs\",\"cr4\":\"0x{cr4:x}\"}}";

    private static string Guest(string code, string more = "\"cpl\":0") => $"{{\"op\":\"guest\",\"code\":\"{code}\",{more}}}";

    private static string SetXsave(string xstateBv, string mxcsr, string more) =>
        $"{{\"op\":\"set_xsave\",\"xstateBv\":\"{xstateBv}\",\"mxcsr\":\"{mxcsr}\",\"fcw\":\"0x37f\",{more}}}";

    private static byte[] Area(JsonElement step) => Convert.FromHexString(step.GetProperty("result").GetProperty("hex").GetString()!);

    private static string Little(uint value) => BinaryPrimitives.ReverseEndianness(value).ToString("x8", CultureInfo.InvariantCulture);

    private static HostRecord Lab() => SampleHosts.Open(HostName) with { Kernel = null };

    private static KernelBehavior Behavior(string kernel)
    {
        Assert.True(KernelRelease.TryParse(kernel, out KernelRelease release));
        return KernelBehavior.Of(release);
    }

    private static LinuxHost Host(string kernel, string name) => new(SampleHosts.Open(name) with { Kernel = null }, Behavior(kernel));

    private static LinuxHost Host(string kernel) => Host(Behavior(kernel));

    private static LinuxHost Host(KernelBehavior behavior) => new(Lab(), behavior);

    private static LinuxHost Host(string kernel, CpuidTable cpuid) =>
        new(Lab() with { Cpuid = cpuid, SupportedCpuid = null }, Behavior(kernel));
}
