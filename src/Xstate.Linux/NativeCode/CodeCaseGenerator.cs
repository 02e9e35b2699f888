using Xstate.Guests;

namespace Xstate.Linux.NativeCode;

/// <summary>
/// Makes instructions of every operand form that the assembler can write: general registers of all sizes, AH to BH, memory with every
/// kind of address, x87, MMX and vector moves.
/// </summary>
internal sealed class CodeCaseGenerator(ulong seed, IGuestAssembler assembler, ulong address, bool hasAvx, bool withX87)
{
    private const ulong Carry = 1;
    private const ulong Adjust = 1 << 4;
    private const ulong Overflow = 1 << 11;
    private const ulong BitTestUndefined = 1 << 2 | Adjust | 1 << 7 | Overflow;

    private static readonly string[][] Registers =
    [
        ["al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil", "r8b", "r9b", "r10b", "r11b", "r12b", "r13b", "r14b", "r15b", "ah", "ch",
            "dh", "bh"],
        ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di", "r8w", "r9w", "r10w", "r11w", "r12w", "r13w", "r14w", "r15w"],
        ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "r8d", "r9d", "r10d", "r11d", "r12d", "r13d", "r14d", "r15d"],
        ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"],
    ];

    private static readonly string[] Sizes = ["byte", "word", "dword", "qword"];
    private static readonly string[] Conditions = ["o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g"];
    private static readonly string[] Arithmetic = ["add", "adc", "sub", "sbb", "cmp", "and", "or", "xor", "test", "mov"];
    private static readonly string[] Plain =
    [
        "cbw", "cwde", "cdqe", "cwd", "cdq", "cqo", "clc", "stc", "cmc", "cld", "std", "lahf", "sahf", "pushfq", "nop", "leave",
    ];

    private static readonly string[] X87Plain =
    [
        "fninit", "fnclex", "fld1", "fldz", "fldpi", "fldl2e", "fldl2t", "fldlg2", "fldln2", "fincstp", "fdecstp", "fchs", "fabs",
            "fnstsw ax", "emms", "fnop", "wait",
    ];

    private static readonly (string Text, int Alignment)[] X87Memory =
    [
        ("fnstcw word ptr {0}", 1), ("fldcw word ptr {0}", 1), ("fnstsw word ptr {0}", 1), ("fld dword ptr {0}", 1),
            ("fld qword ptr {0}", 1), ("fld tbyte ptr {0}", 1), ("fst dword ptr {0}", 1),
        ("fst qword ptr {0}", 1), ("fstp dword ptr {0}", 1), ("fstp qword ptr {0}", 1), ("fstp tbyte ptr {0}", 1),
            ("fild word ptr {0}", 1), ("fild dword ptr {0}", 1), ("fild qword ptr {0}", 1),
        ("fxsave64 {0}", 16), ("fxrstor64 {0}", 16), ("fxsave {0}", 16), ("ldmxcsr {0}", 1), ("stmxcsr {0}", 1), ("fnsave {0}", 1),
            ("frstor {0}", 1), ("fnstenv {0}", 1), ("fldenv {0}", 1),
    ];

    private SplitMix64 _random = new(seed);

    /// <summary>The next instruction that exists. Forms that cannot be encoded, such as AH beside R8, are tried and left out.</summary>
    public CodeCase Next()
    {
        while (true)
        {
            CodeCase draft = Draft();
            try
            {
                byte[] code = assembler.Assemble(draft.Text, GuestMode.Long, address);
                return draft with { Code = code, Kind = draft.Text.Split(' ')[0] };
            }
            catch (GuestCodeException)
            {
                // No such form.
            }
        }
    }

    private CodeCase Draft() => _random.Below(hasAvx ? 20 : 18) switch
    {
        0 or 1 or 2 => TwoOperands(),
        3 => Extension(),
        4 => Address(),
        5 => OneOperand(),
        6 => Shift(),
        7 => BitTest(),
        8 => Conditional(),
        9 => new CodeCase(Any(Plain), []),
        10 => Stack(),
        11 => Strings(),
        12 => Jump(),
        13 => Exchange(),
        14 or 15 or 16 when !withX87 => TwoOperands(),
        14 => X87Registers(),
        15 or 16 => OfMemory(X87Memory[_random.Below(X87Memory.Length)]),
        17 => Vector(extended: false),
        _ => Vector(extended: true),
    };

    private CodeCase TwoOperands()
    {
        int size = _random.Below(4);
        string name = Any(Arithmetic);
        ulong undefined = name is "and" or "or" or "xor" or "test" ? Adjust : 0;
        return _random.Below(5) switch
        {
            0 => Memory($"{name} {Sizes[size]} ptr {{0}}, {Any(Registers[size])}", undefined),
            1 when name != "test" => Memory($"{name} {Any(Registers[size])}, {Sizes[size]} ptr {{0}}", undefined),
            2 => Memory($"{name} {Sizes[size]} ptr {{0}}, {Constant(size)}", undefined),
            3 => new CodeCase($"{name} {Any(Registers[size])}, {Constant(size)}", []) { UndefinedFlags = undefined },
            _ => new CodeCase($"{name} {Any(Registers[size])}, {Any(Registers[size])}", []) { UndefinedFlags = undefined },
        };
    }

    private CodeCase Extension()
    {
        int from = _random.Below(3);
        int to = _random.OneIn(4) ? 3 : from + 1;
        string name = from == 2 ? "movsxd" : _random.OneIn(2) ? "movzx" : "movsx";
        return _random.OneIn(2)
            ? new CodeCase($"{name} {Any(Registers[to])}, {Any(Registers[from])}", [])
            : Memory($"{name} {Any(Registers[to])}, {Sizes[from]} ptr {{0}}", 0);
    }

    private CodeCase Address() => Memory($"lea {Any(Registers[1 + _random.Below(3)])}, {{0}}", 0);

    private CodeCase OneOperand()
    {
        int size = _random.Below(4);
        string name = _random.Pick("inc", "dec", "neg", "not", "bswap");
        return name == "bswap" ? new CodeCase($"bswap {Any(Registers[2 + _random.Below(2)])}", [])
            : _random.OneIn(2) ? new CodeCase($"{name} {Any(Registers[size])}", [])
            : Memory($"{name} {Sizes[size]} ptr {{0}}", 0);
    }

    private CodeCase Shift()
    {
        int size = _random.Below(4);
        string name = _random.Pick("shl", "shr", "sar");
        string count = _random.Below(3) switch { 0 => "1", 1 => "cl", _ => $"{_random.Below(80)}" };

        // The last bit that left is not defined for counts beyond the operand, nor is overflow for counts other than 1.
        ulong undefined = Adjust | (count == "1" ? 0 : Overflow) | (size < 2 && count != "1" ? Carry : 0);
        CodeCase made = _random.OneIn(2)
            ? new CodeCase($"{name} {Any(Registers[size])}, {count}", []) { UndefinedFlags = undefined }
            : Memory($"{name} {Sizes[size]} ptr {{0}}, {count}", undefined);
        return made with { CountsWithCl = count == "cl" };
    }

    private CodeCase BitTest()
    {
        int size = 1 + _random.Below(3);
        string name = _random.Pick("bt", "bts", "btr", "btc");
        return _random.Below(3) switch
        {
            0 => new CodeCase($"{name} {Any(Registers[size])}, {Any(Registers[size])}", []) { UndefinedFlags = BitTestUndefined },
            1 => new CodeCase($"{name} {Any(Registers[size])}, {_random.Below(128)}", []) { UndefinedFlags = BitTestUndefined },
            _ => Memory($"{name} {Sizes[size]} ptr {{0}}, {_random.Below(128)}", BitTestUndefined),
        };
    }

    private CodeCase Conditional()
    {
        int size = 1 + _random.Below(3);
        return _random.Below(4) switch
        {
            0 => new CodeCase($"set{Any(Conditions)} {Any(Registers[0])}", []),
            1 => Memory($"set{Any(Conditions)} byte ptr {{0}}", 0),
            2 => new CodeCase($"cmov{Any(Conditions)} {Any(Registers[size])}, {Any(Registers[size])}", []),
            _ => Memory($"cmov{Any(Conditions)} {Any(Registers[size])}, {Sizes[size]} ptr {{0}}", 0),
        };
    }

    private CodeCase Stack()
    {
        int size = _random.OneIn(4) ? 1 : 3;
        return _random.Below(5) switch
        {
            0 => new CodeCase($"push {Any(Registers[size])}", []),
            1 => new CodeCase($"pop {Any(Registers[size])}", []),
            2 => Memory($"push {Sizes[size]} ptr {{0}}", 0),
            3 => Memory($"pop {Sizes[size]} ptr {{0}}", 0),
            _ => new CodeCase($"push {_random.Next() & 0x7FFF_FFFF}", []),
        };
    }

    private CodeCase Strings()
    {
        string name = _random.Pick("stos", "movs", "lods") + _random.Pick("b", "w", "d", "q");
        return new CodeCase($"{(_random.OneIn(2) ? "rep " : "")}{name}", []) { IsString = true };
    }

    private CodeCase Jump()
    {
        string jump = _random.Below(5) switch
        {
            0 => "jmp",
            1 => "loop",
            2 => _random.Pick("loope", "loopne"),
            3 =>
            _random.Pick("jecxz", "jrcxz"),
            _ => $"j{Any(Conditions)}"
        };
        return new CodeCase($"{jump} over; mov {Any(Registers[3])}, {_random.Below(1 << 20)}; over: nop",
            [])
        { CountsWithCl = _random.OneIn(2) };
    }

    private CodeCase Exchange()
    {
        int size = _random.Below(4);
        string name = _random.Pick("xchg", "xadd");
        return _random.OneIn(2)
            ? new CodeCase($"{name} {Any(Registers[size])}, {Any(Registers[size])}", [])
            : Memory($"{name} {Sizes[size]} ptr {{0}}, {Any(Registers[size])}", 0);
    }

    private CodeCase X87Registers() => _random.Below(3) switch
    {
        0 => new CodeCase($"{_random.Pick("fld", "fxch st(0),", "ffree", "fst", "fstp")} st({_random.Below(8)})", []),
        _ => new CodeCase(Any(X87Plain), []),
    };

    private CodeCase OfMemory((string Text, int Alignment) form) => Memory(form.Text, 0) with { Alignment = form.Alignment };

    private CodeCase Vector(bool extended)
    {
        string v = extended ? "v" : "";
        bool wide = extended && _random.OneIn(2);
        string Register() => $"{(wide ? "ymm" : "xmm")}{_random.Below(16)}";
        string size = wide ? "ymmword" : "xmmword";
        int bytes = wide ? 32 : 16;
        string move = _random.Pick("movdqu", "movups", "movupd", "movdqa", "movaps", "movapd");
        int alignment = move[3] is 'd' && move[^1] == 'a' || move.Contains("ap", StringComparison.Ordinal) ? bytes : 1;
        string logic = _random.Pick("pxor", "xorps", "xorpd");
        return _random.Below(7) switch
        {
            0 => new CodeCase($"{v}{move} {Register()}, {Register()}", []),
            1 => Memory($"{v}{move} {Register()}, {size} ptr {{0}}", 0) with { Alignment = alignment },
            2 => Memory($"{v}{move} {size} ptr {{0}}, {Register()}", 0) with { Alignment = alignment },
            3 => new CodeCase(extended ? $"v{logic} {Register()}, {Register()}, {Register()}" : $"{logic} {Register()}, {Register()}", []),
            4 => new CodeCase(_random.OneIn(2)
                ? $"{v}movq xmm{_random.Below(16)}, {Any(Registers[3])}" : $"{v}movd {Any(Registers[2])}, xmm{_random.Below(16)}", []),
            5 => Memory(_random.OneIn(2)
                ? $"{v}movq qword ptr {{0}}, xmm{_random.Below(16)}" : $"{v}movd xmm{_random.Below(16)}, dword ptr {{0}}", 0),
            _ => new CodeCase(extended ? _random.Pick("vzeroupper", "vzeroall") : $"movq xmm{_random.Below(16)}, xmm{_random.Below(16)}",
                []),
        };
    }

    private CodeCase Memory(string form, ulong undefinedFlags)
    {
        bool narrow = _random.OneIn(6);
        string[] names = Registers[narrow ? 2 : 3];
        int of = _random.Below(16);

        // The stack pointer stays whole.
        of = narrow && of == 4 ? 5 : of;
        int index = _random.OneIn(2) ? -1 : _random.Below(16);
        index = index is 4 || index == of ? -1 : index;
        int scale = 1 << _random.Below(4);
        int displacement = _random.Below(4) switch { 0 => 0, 1 => _random.Below(256) - 128, _ => _random.Below(4096) - 2048 };
        string scaled = index < 0 ? "" : $"+{names[index]}*{scale}";
        string place = $"[{names[of]}{scaled}{(displacement < 0 ? "-" : "+")}{Math.Abs(displacement)}]";
        return new CodeCase(form.Replace("{0}", place, StringComparison.Ordinal), [])
        {
            UndefinedFlags = undefinedFlags,
            Base = of,
            Index = index,
            Scale = scale,
            Displacement = displacement,
            Has32BitAddress = narrow,
        };
    }

    private string Constant(int size) => size switch
    {
        0 => $"{_random.Below(256)}",
        1 => $"{_random.Below(65536)}",
        _ => _random.OneIn(2) ? $"{_random.Below(256) - 128}" : $"{_random.Next() & 0x7FFF_FFFF}",
    };

    private T Any<T>(T[] of) => of[_random.Below(of.Length)];
}
