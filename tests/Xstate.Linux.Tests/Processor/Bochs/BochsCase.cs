using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Linux.Tests.Processor.Bochs;

/// <summary>What a case executes.</summary>
internal enum BochsOperation
{
    Xsave,
    Xsaveopt,
    Xsavec,
    Xsaves,
    Xrstor,
    Xrstors,
    Xgetbv,
    Xsetbv,
    Rdpkru,
    Wrpkru,
    Rdmsr,
    Wrmsr,
    MovToCr4,
    Init,
}

/// <summary>
/// One case: the registers that an XRSTORS from <see cref="Image"/> gives with everything enabled, then control registers and a mode, one
/// instruction, and the memory that it works on.
/// </summary>
internal sealed record BochsCase(int Number, BochsOperation Operation)
{
    public const int Length = 0x1A00;
    public const int RaxOffset = 0x18;
    public const int RcxOffset = 0x20;
    public const int RdxOffset = 0x28;
    public const int RdiOffset = 0x30;
    public const int CsOffset = 0x38;
    public const int SsOffset = 0x40;
    public const int FlagsOffset = 0x48;
    public const int Cr0Offset = 0x50;
    public const int Cr4Offset = 0x58;
    public const int Xcr0Offset = 0x60;
    public const int XssOffset = 0x68;
    public const int InitOffset = 0x70;
    public const int ImageOffset = 0x100;
    public const int ImageLength = 0xB00;
    public const int MemoryOffset = ImageOffset + ImageLength;
    public const int MemoryLength = Length - MemoryOffset;

    private const ulong AlwaysSet = 2;
    private const ulong AlignmentCheckFlag = 1 << 18;

    public required byte[] Image { get; init; }

    public required byte[] Memory { get; init; }

    /// <summary>Where in the memory the operand is.</summary>
    public int AreaOffset { get; init; }

    /// <summary>What replaces the upper half of the operand's address, to make it one that no memory has; 0 to leave it.</summary>
    public uint AddressHigh { get; init; }

    public XsaveOperand Operand { get; init; } = XsaveOperand.Rex64;

    public bool Is64BitMode { get; init; } = true;

    public int Cpl { get; init; }

    public bool AlignmentCheck { get; init; }

    public Cr0 Cr0 { get; init; } = (Cr0)BochsImage.BaseCr0;

    public Cr4 Cr4 { get; init; } = (Cr4)BochsImage.BaseCr4;

    public StateComponentSet Xcr0 { get; init; }

    public StateComponentSet Xss { get; init; }

    public ulong Rax { get; init; }

    public ulong Rcx { get; init; }

    public ulong Rdx { get; init; }

    /// <summary>The code without what ends the case.</summary>
    public byte[] Code
    {
        get
        {
            byte[] code = Operation switch
            {
                BochsOperation.Xsave => [0x0F, 0xAE, 0x27],
                BochsOperation.Xsaveopt => [0x0F, 0xAE, 0x37],
                BochsOperation.Xsavec => [0x0F, 0xC7, 0x27],
                BochsOperation.Xsaves => [0x0F, 0xC7, 0x2F],
                BochsOperation.Xrstor => [0x0F, 0xAE, 0x2F],
                BochsOperation.Xrstors => [0x0F, 0xC7, 0x1F],
                BochsOperation.Xgetbv => [0x0F, 0x01, 0xD0],
                BochsOperation.Xsetbv => [0x0F, 0x01, 0xD1],
                BochsOperation.Rdpkru => [0x0F, 0x01, 0xEE],
                BochsOperation.Wrpkru => [0x0F, 0x01, 0xEF],
                BochsOperation.Rdmsr => [0x0F, 0x32],
                BochsOperation.Wrmsr => [0x0F, 0x30],
                BochsOperation.MovToCr4 => [0x0F, 0x22, 0xE0],

                // Bit 0 of port 92h pulses INIT.
                BochsOperation.Init => [0xB0, 0x01, 0xE6, 0x92, 0xF4],
                _ => throw new InvalidOperationException(Operation.ToString()),
            };
            return Operation <= BochsOperation.Xrstors && Operand == XsaveOperand.Rex64 && Is64BitMode ? [0x48, .. code] : code;
        }
    }

    /// <summary>The case as the image reads it.</summary>
    public byte[] Write()
    {
        byte[] bytes = new byte[Length];
        void Put(int offset, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(offset), value);
        byte[] code = [.. Code, 0xCD, BochsResult.EndVector];
        code.CopyTo(bytes, 0);
        Put(RaxOffset, Rax);
        Put(RcxOffset, Rcx);
        Put(RdxOffset, Rdx);
        Put(RdiOffset, OperandAddress);
        Put(CsOffset, (ulong)((Cpl, Is64BitMode) switch
        {
            (0, true) => BochsImage.KernelCode,
            (0, false) => BochsImage.KernelCode32,
            (_, true) => BochsImage.UserCode,
            _ => BochsImage.UserCode32,
        }));
        Put(SsOffset, Cpl == 0 ? (ulong)BochsImage.KernelData : BochsImage.UserData);
        Put(FlagsOffset, AlwaysSet | (AlignmentCheck ? AlignmentCheckFlag : 0));
        Put(Cr0Offset, (ulong)Cr0);
        Put(Cr4Offset, (ulong)Cr4);
        Put(Xcr0Offset, Xcr0.Bits);
        Put(XssOffset, Xss.Bits);
        Put(InitOffset, Operation == BochsOperation.Init ? 1UL : 0);
        Image.CopyTo(bytes, ImageOffset);
        Memory.CopyTo(bytes, MemoryOffset);
        return bytes;
    }

    /// <summary>The linear address of the operand.</summary>
    public ulong OperandAddress => BochsImage.Case + MemoryOffset + (ulong)AreaOffset | (ulong)AddressHigh << 32;

    public override string ToString() =>
        $"case {Number}: {Operation}{(Operand == XsaveOperand.Rex64 && Is64BitMode ? "64" : "")} CPL {Cpl}{(Is64BitMode ? "" : ", 32-bit")}"
        + $" at +{AreaOffset} EDX:EAX={(uint)Rdx:x8}'{(uint)Rax:x8} ECX={(uint)Rcx:x} XCR0={Xcr0.Bits:x} XSS={Xss.Bits:x}"
        + $" CR0={(ulong)Cr0:x} CR4={(ulong)Cr4:x}{(AlignmentCheck ? " AC" : "")}{(AddressHigh != 0 ? $" high {AddressHigh:x}" : "")}"
        + $" image BV {BinaryPrimitives.ReadUInt64LittleEndian(Image.AsSpan(XsaveFormat.XstateBvOffset)):x}";
}
