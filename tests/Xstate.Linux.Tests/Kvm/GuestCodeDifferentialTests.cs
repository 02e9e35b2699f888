using System.Text.Json;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Cli.GuestCode;
using Xstate.Linux.Kvm;
using Xstate.Scenarios;
using Xstate.Tests.Support;

namespace Xstate.Linux.Tests.Kvm;

/// <summary>
/// Random code in a guest of this machine's KVM and on the model of it: registers, faults, memory, and what KVM returns of the state
/// afterwards.
/// </summary>
public sealed class GuestCodeDifferentialTests(ITestOutputHelper output)
{
    private const ulong Seed = 20261121;
    private const int FullCount = 800;
    private const int MaxRepetitions = 3;

    // Data, an area for the XSAVE family in the page with key 0 (QEMU reads the header before it writes, so that another key gives another
    // error code), one for FXSAVE.
    private const string Dumps = "[[\"0x8000\",128],[\"0x9000\",64],[\"0x8400\",2752],[\"0xf000\",512]]";
    private const string Touch = "or byte ptr [0x7000], 0; or byte ptr [0x8000], 0; or byte ptr [0x9000], 0; or byte ptr [0xf000], 0; ";
    private static readonly string[] Registers32 = ["eax", "ebx", "ecx", "edx", "esi", "edi", "ebp"];
    private static readonly string[] Registers64 = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r9", "r15"];
    private static readonly string[] Registers8 = ["al", "bl", "ch", "dh"];

    // Those that need a REX prefix, beside which AH to BH cannot stand.
    private static readonly string[] Registers8Long = ["al", "bl", "sil", "dil", "r9b", "r15b"];
    private static readonly string[] Conditions = ["o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g"];
    // TEST, the last, has no form that reads its second operand from memory.
    private static readonly string[] Two = ["add", "sub", "adc", "sbb", "and", "or", "xor", "cmp", "mov", "test"];
    private static readonly ulong[] Xcr0Values = [1, 3, 7, 0x203, 0x207, 5, 0, 0x1000007, 2];

    private SplitMix64 _random = new(Seed);
    private int _label;

    [Fact]
    public void Kernel_and_model_execute_random_guest_code_alike()
    {
        using KvmDevice device = LocalKvm.Open();
        bool pvm = LocalKvm.Record.Flavour == KvmFlavour.Pvm;
        bool keys = LocalKvm.Record.SupportedCpuid!.UserComponents.Contains(StateComponent.Pkru);
        bool xsave = LocalKvm.Record.SupportedCpuid.UserComponents.Contains(StateComponent.Avx);
        Assert.SkipUnless(xsave, "the generated code uses AVX state");
        ModelBackend model = new(LocalKvm.Host, new IcedDecoder());
        KernelScenarioBackend kernel = new(device);
        int count = Math.Max(10, (int)(FullCount * Repository.Scale));
        int compared = 0;
        int faults = 0;
        int repeated = 0;
        for (int number = 0; number < count; number++)
        {
            string script = Script(pvm, keys);
            using StringReader input = new(script);
            Scenario scenario = ScenarioReader.Read(input, new IcedAssembler()).Single();
            string[] expected = Answers(scenario, model);
            string[] real = Answers(scenario, kernel);

            // An interrupt of the host between XSETBV and what depends on it brings XCR0 back on a processor without that intercept.
            for (int attempt = 0; attempt < MaxRepetitions && !expected.SequenceEqual(real); attempt++)
            {
                real = Answers(scenario, kernel);
                repeated++;
            }

            for (int i = 0; i < expected.Length; i++)
            {
                Assert.True(expected[i] == real[i],
                    $"{script}\nmodel  {Shorten(expected[i], real[i])}\nkernel {Shorten(real[i], expected[i])}");
                compared++;
                faults += expected[i].Contains("\"fault\"", StringComparison.Ordinal) ? 1 : 0;
            }
        }

        output.WriteLine($"{count} scenarios, {compared} answers compared, {faults} of them faults in guest code, {repeated} repeated");
        Assert.True(count < 100 || faults > count / 10);
        Assert.InRange(repeated, 0, 3 + (count / 50));
    }

    private static string[] Answers(Scenario scenario, ScenarioBackend backend)
    {
        using MemoryStream stream = new();
        ScenarioRunner.Run(scenario, backend, stream);
        using JsonDocument json = JsonDocument.Parse(stream.ToArray());
        return [.. json.RootElement.GetProperty("steps").EnumerateArray().Select(step =>
        {
            string text = step.GetRawText();
            int why = text.IndexOf(",\"why\":", StringComparison.Ordinal);
            return why < 0 ? text : text[..why] + "}";
        })];
    }

    private static string Shorten(string text, string other)
    {
        int at = text.AsSpan().CommonPrefixLength(other);
        return at < 200 || text.Length < 600 ? text : $"at {at}: …{text.AsSpan(at - 60, Math.Min(240, text.Length - at + 60))}";
    }

    private string Script(bool pvm, bool keys)
    {
        // QEMU asks for CPL 0 before it asks for CR4.OSXSAVE: without the latter code stays at CPL 0.
        bool osxsave = !_random.OneIn(6);
        ulong cr4 = 0x220 | (osxsave ? 1UL << 18 : 0) | (keys && !_random.OneIn(4) ? 1UL << 22 : 0);

        // The mask is given as the processor would store it: XSAVES leaves the bytes alone while nothing was modified.
        List<string> steps = [
            "{\"op\":\"set_cpuid2\",\"cpuid\":\"supported\"}",
            $"{{\"op\":\"set_sregs\",\"cr4\":\"0x{cr4:x}\"}}",
            $"{{\"op\":\"set_xcrs\",\"xcr0\":\"0x{(keys && _random.OneIn(2) ? 0x207 : 7):x}\"}}",
            $"{{\"op\":\"set_xsave\",\"xstateBv\":\"0x7\",\"fcw\":\"0x37f\",\"mxcsr\":\"0x1f80\","
            + $"\"mxcsrMask\":\"0x{LocalKvm.Host.MxcsrMask:x}\",\"bytes\":{{\"32\":\"{_random.Next():x16}\","
            + $"\"160\":\"{_random.Next():x16}\",\"576\":\"{_random.Next():x16}\"}}}}",
        ];
        int runs = 1 + _random.Below(3);
        for (int run = 0; run < runs; run++)
        {
            bool real = pvm || _random.OneIn(5);
            bool user = !real && osxsave && _random.OneIn(2);

            // The first access to a page is an exit to KVM, which puts back the XCR0 that it knows: all pages are touched before anything
            // else.
            string code = Touch + string.Join("; ", Enumerable.Range(0, 3 + _random.Below(16)).Select(_ => Instruction(real, pvm, user)));
            steps.Add(
                $"{{\"op\":\"guest\",\"mode\":\"{(real ? "real" : "long")}\",\"cpl\":{(user ? 3 : 0)},"
                + $"\"maxExits\":{1 + _random.Below(3)},\"code\":\"{code}\",\"dump\":{Dumps}}}");
        }

        steps.Add("{\"op\":\"get_xsave\"}");
        steps.Add("{\"op\":\"get_xcrs\"}");
        steps.Add("{\"op\":\"get_sregs\"}");
        return $"{{\"name\":\"random\",\"steps\":[{string.Join(',', steps)}]}}";
    }

    private string Instruction(bool real, bool pvm, bool user)
    {
        if (!pvm && _random.OneIn(3))
        {
            return StateInstruction(real);
        }

        if (_random.OneIn(real ? 40 : 25))
        {
            return Fault(real, user);
        }

        string[] registers = real || _random.OneIn(2) ? Registers32 : Registers64;
        string size = registers == Registers64 ? "qword" : "dword";
        string a = Any(registers);
        string b = Any(registers);
        string place = $"{size} ptr [0x{0x8000 + (8 * _random.Below(14)):x}]";
        return _random.Below(12) switch
        {
            0 => $"mov {a}, 0x{_random.Next() & 0x7FFF_FFFF:x}",
            1 => $"mov {place}, {a}",
            2 => $"{Two[_random.Below(Two.Length - 1)]} {a}, {place}",
            3 when !real && _random.OneIn(2) => $"{Any(Two)} {Any(Registers8Long)}, {Any(Registers8Long)}",
            3 => $"{Any(Two)} {Any(Registers8)}, {Any(Registers8)}",
            4 => $"{(_random.OneIn(2) ? "inc" : "dec")} {a}",
            5 => $"{(_random.OneIn(2) ? "neg" : "not")} {a}",
            6 => $"{(_random.Below(3) switch { 0 => "shl", 1 => "shr", _ => "sar" })} {a}, 1",
            7 => $"set{Any(Conditions)} {Any(real ? Registers8 : Registers8Long)}",
            8 => real ? $"xchg {a}, {b}" : $"cmov{Any(Conditions)} {a}, {b}",
            9 => Skip(a),
            10 => real ? $"push {a}; pop {b}" : $"push {Registers64[_random.Below(8)]}; pop {Registers64[_random.Below(8)]}",
            _ => $"{Any(Two)} {a}, {b}",
        };
    }

    private string Skip(string register)
    {
        string label = $"l{_label++}";
        return $"j{Any(Conditions)} {label}; inc {register}; {label}: nop";
    }

    private string StateInstruction(bool real) => _random.Below(real ? 8 : 14) switch
    {
        0 => "xor ecx, ecx; xgetbv",
        1 => $"mov eax, 0x{Xcr0Values[_random.Below(Xcr0Values.Length)]:x}; xor edx, edx; xor ecx, ecx; xsetbv",
        2 => "xor ecx, ecx; rdpkru",
        3 => $"mov eax, 0x{_random.Next() & 0xFFFF_FFFC:x}; xor edx, edx; xor ecx, ecx; wrpkru",
        4 => $"mov eax, 0x{_random.Below(4) switch { 0 => 0, 1 => 1, 2 => 7, _ => 0xd }:x}; mov ecx, {_random.Below(3)}; cpuid",
        5 or 6 => $"mov eax, 0x{_random.Below(0x400):x}; xor edx, edx; {(_random.OneIn(2) ? "xsave" : "xsaveopt")} [0x8400]",
        7 => $"mov eax, 0x{_random.Below(0x400):x}; xor edx, edx; xrstor [0x8400]",
        8 => "fxsave64 [0xf000]",
        9 => $"mov rax, 0x{_random.Next():x}; movq xmm{_random.Below(16)}, rax; movups [0x9000], xmm{_random.Below(16)}",
        10 => $"vmovdqu ymm{_random.Below(16)}, [0x8000]; vmovdqu [0x9020], ymm{_random.Below(16)}",
        11 => "fninit; fld1; fldz; fstp qword ptr [0x8000]; fnstcw [0x8008]; fnstsw [0x800a]",

        // Exact values: QEMU does not tell of rounding in C1.
        12 => "mov qword ptr [0x8010], 0x40080000; fninit; fild qword ptr [0x8010]; fstp tbyte ptr [0x8020]",
        _ => "fxrstor64 [0xf000]",
    };

    private string Fault(bool real, bool user) => _random.Below(real ? 3 : 8) switch
    {
        0 => "ud2",
        1 => "int3",
        2 => user ? "out 0x10, al" : "out 0x10, al; in al, dx",
        3 => "hlt",
        4 => "mov eax, [0x100000]",
        5 => "mov [0xb000], eax",
        6 => "mov rbx, cr0",
        _ => "xsave [0x8408]",
    };

    private T Any<T>(T[] of) => of[_random.Below(of.Length)];
}
