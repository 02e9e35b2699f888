using Xstate.Processor;

namespace Xstate.Tests.Processor;

public class InstructionEncodingTests
{
    [Theory]
    [InlineData("0FAE23", StateInstruction.Xsave)]
    [InlineData("0FAE33", StateInstruction.Xsaveopt)]
    [InlineData("0FC723", StateInstruction.Xsavec)]
    [InlineData("0FC72B", StateInstruction.Xsaves)]
    [InlineData("0FAE2B", StateInstruction.Xrstor)]
    [InlineData("0FC71B", StateInstruction.Xrstors)]
    [InlineData("0FAE03", StateInstruction.Fxsave)]
    [InlineData("0FAE0B", StateInstruction.Fxrstor)]
    [InlineData("0F01D0", StateInstruction.Xgetbv)]
    [InlineData("0F01D1", StateInstruction.Xsetbv)]
    [InlineData("0F01EE", StateInstruction.Rdpkru)]
    [InlineData("0F01EF", StateInstruction.Wrpkru)]
    public void Every_instruction_has_its_encoding(string code, StateInstruction expected)
    {
        byte[] bytes = Convert.FromHexString(code);

        Assert.Equal(new InstructionEncoding(expected, XsaveOperand.Legacy, 2), InstructionEncoding.Decode(bytes, is64BitMode: true));
        Assert.Equal(new InstructionEncoding(expected, XsaveOperand.Rex64, 3),
            InstructionEncoding.Decode([0x48, .. bytes], is64BitMode: true));
        Assert.Equal(new InstructionEncoding(expected, XsaveOperand.Legacy, 3),
            InstructionEncoding.Decode([0x41, .. bytes], is64BitMode: true));
        Assert.Equal(new InstructionEncoding(expected, XsaveOperand.Legacy, 3),
            InstructionEncoding.Decode([0x65, .. bytes], is64BitMode: false));
    }

    [Theory]
    [InlineData("F00FAE23")]
    [InlineData("F0F00FAE23")]
    [InlineData("660FAE23")]
    [InlineData("F20FAE23")]
    [InlineData("F30FC723")]
    [InlineData("F00F01D0")]
    [InlineData("660F01D0")]
    [InlineData("F30F01D0")]
    [InlineData("0FC7E0")]
    [InlineData("0FC7D8")]
    [InlineData("0FC7E8")]
    public void A_prefix_or_a_register_operand_makes_it_invalid(string code)
    {
        Assert.Equal(StateInstruction.Invalid, InstructionEncoding.Decode(Convert.FromHexString(code), is64BitMode: true).Instruction);
    }

    [Theory]
    [InlineData("F30FAE23")]
    [InlineData("660FAE33")]
    [InlineData("F30FAE33")]
    [InlineData("0FAEE8")]
    [InlineData("0FAEC0")]
    [InlineData("0FAE13")]
    [InlineData("0FAE3B")]
    [InlineData("0FC70B")]
    [InlineData("0F01D5")]
    [InlineData("0FA2")]
    [InlineData("0FA2C0")]
    [InlineData("90")]
    [InlineData("")]
    [InlineData("66")]
    [InlineData("48")]
    [InlineData("0FAE")]
    public void Other_instructions_are_left_to_others(string code)
    {
        Assert.Equal(default, InstructionEncoding.Decode(Convert.FromHexString(code), is64BitMode: true));
    }

    [Fact]
    public void A_rex_prefix_is_an_instruction_of_its_own_outside_64_bit_mode()
    {
        Assert.Equal(default, InstructionEncoding.Decode([0x48, 0x0F, 0xAE, 0x23], is64BitMode: false));
    }
}
