using Xstate.Cli.GuestCode;
using Xstate.Guests;

namespace Xstate.Cli.Tests;

public class GuestCodeTests
{
    private static readonly IcedAssembler Assembler = new();

    [Theory]
    [InlineData("xsetbv", "0f01d1")]
    [InlineData("xsave64 [0x8000]", "480fae242500800000")]
    [InlineData("xrstor [rdi]", "0fae2f")]
    [InlineData("mov eax, 0x207; xor ecx, ecx; rdpkru", "b80702000031c90f01ee")]
    [InlineData("mov rax, 0xdead00000007", "48b807000000adde0000")]
    [InlineData("mov rax, -1", "48c7c0ffffffff")]
    [InlineData("add eax, 0xffffffff", "83c0ff")]
    [InlineData("mov byte ptr [rbx+rcx*4-8], 1", "c6448bf801")]
    [InlineData("mov cr4, rax", "0f22e0")]
    [InlineData("rep stosq", "f348ab")]
    [InlineData("lock add dword [rax], ecx", "f00108")]
    [InlineData("jz end; nop; end:", "74019090")]
    [InlineData("again: dec ecx # count\n jnz again", "ffc975fc")]
    [InlineData("out 0x10, al; in eax, dx", "e610ed")]
    [InlineData("vmovdqu ymm1, ymmword ptr [rsi]", "c5fe6f0e")]
    [InlineData("vmovdqu64 zmm17, [rsi]", "62e1fe486f0e")]
    [InlineData("tileloadd tmm1, [rax+rbx]", "c4e27b4b0c18")]
    [InlineData("kmovq k1, rax", "c4e1fb92c8")]
    [InlineData("fld st(2)", "d9c2")]
    [InlineData("mov r9b, 3", "41b103")]
    public void Code_of_64_bit_mode_is_what_assemblers_make_of_it(string source, string expected) =>
        Assert.Equal(expected, Convert.ToHexStringLower(Assembler.Assemble(source, GuestMode.Long, 0x1000)));

    [Theory]
    [InlineData("xor ecx, ecx; xgetbv", "6631c90f01d0")]
    [InlineData("mov [di+2], ax", "894502")]
    [InlineData("mov ebx, [0x8100]", "668b1e0081")]
    [InlineData("xsave [di]", "0fae25")]
    [InlineData("jmp end; nop; end: hlt", "eb0190f4")]
    public void Code_of_real_mode_has_its_own_encodings(string source, string expected) =>
        Assert.Equal(expected, Convert.ToHexStringLower(Assembler.Assemble(source, GuestMode.Real, 0x1000)));

    [Theory]
    [InlineData("fly eax", "there is no instruction fly in 64-bit code")]
    [InlineData("pusha", "there is no instruction pusha in 64-bit code")]
    [InlineData("mov eax, rbx", "mov has no form with these operands")]
    [InlineData("mov [rax], 1", "the size of the memory is not clear: it could have 1, 2, 4, 8 bytes")]
    [InlineData("mov al, 256", "mov has no form with these operands")]
    [InlineData("jmp nowhere", "jmp has no form with these operands")]
    [InlineData("mov eax, [rbx+rcx+rdx]", "rdx cannot be part of an address here")]
    [InlineData("mov eax,", "an operand is missing")]
    [InlineData("mov eax, ?", "? is no register, number, label or [address]")]
    [InlineData("a: nop; a: nop", "there is a label a already")]
    [InlineData("mov eax, huge ptr [rbx]", "huge is no size of memory")]
    public void An_instruction_that_cannot_be_assembled_is_named(string source, string problem)
    {
        GuestCodeException error = Assert.Throws<GuestCodeException>(() => Assembler.Assemble(source, GuestMode.Long, 0x1000));
        Assert.Contains(problem, error.Message, StringComparison.Ordinal);
        Assert.Contains(error.Instruction, source, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(GuestMode.Long)]
    [InlineData(GuestMode.Real)]
    public void Every_instruction_that_the_decoder_prints_assembles_to_itself(Enum modeValue)
    {
        GuestMode mode = (GuestMode)modeValue;
        IcedDecoder decoder = new();
        SplitMix64 random = new(20261121);
        byte[] bytes = new byte[15];
        int compared = 0;
        HashSet<string> mnemonics = [];
        for (int number = 0; number < 200_000 && compared < 20_000; number++)
        {
            random.Fill(bytes);
            if (random.OneIn(2))
            {
                // The wide opcode maps, which random bytes seldom reach.
                ReadOnlySpan<byte> start = random.Below(3) switch { 0 => [0x0F], 1 => [0xC5], _ => [0x0F, 0x38] };
                start.CopyTo(bytes);
            }

            GuestInstruction instruction = decoder.Decode(bytes, 0x1000, mode);
            if (!instruction.IsValid || instruction.IsMasked || !IsWritable(instruction))
            {
                continue;
            }

            byte[] assembled = Assembler.Assemble(instruction.Text, mode, 0x1000);
            GuestInstruction again = decoder.Decode(assembled, 0x1000, mode);

            // One byte more where the text no longer says that an address was relative, or which of two sizes moves to a segment register.
            Assert.True(again.Text == instruction.Text && assembled.Length <= instruction.Length + 1,
                $"{Convert.ToHexStringLower(bytes.AsSpan(0, instruction.Length))} is {instruction.Text}, assembled to "
                + $"{Convert.ToHexStringLower(assembled)}, which is {again.Text}");
            compared++;
            mnemonics.Add(instruction.Mnemonic);
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{compared} instructions of {mnemonics.Count} mnemonics compared");
        Assert.True(compared >= 10_000 && mnemonics.Count > 300);
    }

    [Fact]
    public void Every_register_has_its_number_in_encodings()
    {
        // SDM Vol. 2A, table 3-1. MOV r, imm: the low three bits of the opcode and REX.B are the number.
        string[][] names =
        [
            ["al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil", "r8b", "r9b", "r10b", "r11b", "r12b", "r13b", "r14b", "r15b"],
            ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di", "r8w", "r9w", "r10w", "r11w", "r12w", "r13w", "r14w", "r15w"],
            ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "r8d", "r9d", "r10d", "r11d", "r12d", "r13d", "r14d", "r15d"],
            ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"],
        ];
        IcedDecoder decoder = new();
        for (int width = 0; width < names.Length; width++)
        {
            for (int number = 0; number < names[width].Length; number++)
            {
                GuestInstruction decoded = decoder.Decode(Assembler.Assemble($"mov {names[width][number]}, 1", GuestMode.Long, 0x1000),
                    0x1000, GuestMode.Long);
                Assert.Equal(new GuestRegister(GuestRegisterClass.General, number, 1 << width), decoded.Operands[0].Register);
            }
        }

        foreach ((string name, int number) in (ReadOnlySpan<(string, int)>)[("ah", 0), ("ch", 1), ("dh", 2), ("bh", 3)])
        {
            GuestInstruction decoded = decoder.Decode(Assembler.Assemble($"mov {name}, 1", GuestMode.Long, 0x1000), 0x1000, GuestMode.Long);
            Assert.Equal(new GuestRegister(GuestRegisterClass.HighByte, number, 1), decoded.Operands[0].Register);
        }
    }

    // Far pointers, jumps to numbers, other names of an instruction and operands that are shown or not shown although they are implied have
    // no place in scenarios.
    private static bool IsWritable(GuestInstruction instruction) =>
        !instruction.Operands.Any(operand => operand.Kind == GuestOperandKind.Target || operand.HasOtherSegment)
        && !instruction.Operands.Any(operand => operand is { Kind: GuestOperandKind.Memory, Base.Size: 0, IndexedBy.Size: 0 }
            && (operand.AddressSize == 8 ? (long)operand.Value != (int)operand.Value : operand.Value > ushort.MaxValue))
        && instruction.Text.Count(c => c == ',') + 1 == Math.Max(instruction.Operands.Length, 1)
        && instruction.Text.Split(' ').SkipWhile(word => word is "lock" or "rep" or "repe").First() == instruction.Mnemonic
        && !instruction.Text.Contains(" far", StringComparison.Ordinal) && !instruction.Text.Contains("st(0)", StringComparison.Ordinal)
        && !instruction.Text.Contains("es:[", StringComparison.Ordinal)
        && instruction.Mnemonic is not ("nop" or "ret" or "frstor" or "clzero" or "invlpgb" or "vmload" or "maskmovq" or "maskmovdqu"
            or "vmaskmovdqu");
}
