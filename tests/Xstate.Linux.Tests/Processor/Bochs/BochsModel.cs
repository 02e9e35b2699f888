using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Linux.Tests.Processor.Bochs;

/// <summary>Executes cases on the model, with what the image in Bochs does before and after them.</summary>
internal sealed class BochsModel(ProcessorProfile profile)
{
    private const ulong LongModeActive = 0x500;
    private readonly ProcessorState _cpu = new(profile);

    /// <summary>The components that XCR0 can enable.</summary>
    public StateComponentSet User { get; } = profile.UserComponents.With(StateComponent.X87);

    /// <summary>The components that IA32_XSS can enable.</summary>
    public StateComponentSet Supervisor { get; } = profile.SupervisorComponents;

    /// <summary>What it models.</summary>
    public ProcessorProfile Profile => profile;

    /// <summary>What comes of a case, as <see cref="BochsResult"/> lays it out.</summary>
    public byte[] Execute(BochsCase next, out Fault fault)
    {
        byte[] result = new byte[BochsResult.Length + BochsCase.MemoryLength];
        void Put(int offset, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(result.AsSpan(offset), value);
        Span<byte> memory = result.AsSpan(BochsResult.Length);
        next.Memory.CopyTo(memory);
        byte[] nothing = new byte[BochsCase.ImageLength];
        ulong everything = XsaveFormat.CompactedFlag | (User | Supervisor).Bits;
        BinaryPrimitives.WriteUInt64LittleEndian(nothing.AsSpan(XsaveFormat.XcompBvOffset), everything);

        Enter64BitMode();
        _cpu.Efer = LongModeActive;
        Assert.Equal(Fault.None, Instructions.Xrstors(_cpu, nothing, 0, ulong.MaxValue));
        Assert.Equal(Fault.None, Instructions.Xrstors(_cpu, next.Image, 0, ulong.MaxValue));
        (_cpu.Xss, _cpu.Xcr0, _cpu.Cr4, _cpu.Cr0) = (next.Xss, next.Xcr0, next.Cr4, next.Cr0);
        (_cpu.Cpl, _cpu.Is64BitMode, _cpu.AlignmentCheck) = (next.Cpl, next.Is64BitMode, next.AlignmentCheck);

        (ulong rax, ulong rdx) = (next.Rax, next.Rdx);
        fault = Run(next, memory[next.AreaOffset..], next.OperandAddress, ref rax, ref rdx);
        bool init = next.Operation == BochsOperation.Init;
        if (init)
        {
            Put(BochsResult.VectorOffset, BochsResult.InitVector);
            Put(BochsResult.EferOffset, _cpu.Efer);
        }
        else
        {
            Put(BochsResult.VectorOffset, fault.IsFault ? (ulong)fault.Vector : BochsResult.EndVector);
            Put(BochsResult.ErrorOffset, fault.ErrorCode);
            Put(BochsResult.RipOffset, BochsImage.Exec + (fault.IsFault ? 0 : (ulong)next.Code.Length + 2));
            Put(BochsResult.RaxOffset, rax);
            Put(BochsResult.RcxOffset, next.Rcx);
            Put(BochsResult.RdxOffset, rdx);
        }

        Put(BochsResult.Cr0Offset, (ulong)_cpu.Cr0);
        Put(BochsResult.Cr4Offset, (ulong)_cpu.Cr4);

        Enter64BitMode(keepEnabled: true);
        Instructions.Xgetbv(_cpu, 0, out ulong xcr0);
        Instructions.Xgetbv(_cpu, 1, out ulong inUse);
        Put(BochsResult.Xcr0Offset, xcr0);
        Put(BochsResult.InUseOffset, inUse);
        for (int i = 0; i < BochsResult.Msrs.Length; i++)
        {
            Assert.Equal(Fault.None, Instructions.Rdmsr(_cpu, BochsResult.Msrs[i], out ulong value));
            Put(BochsResult.MsrOffset + (i * sizeof(ulong)), value);
        }

        Enter64BitMode();
        Span<byte> image = result.AsSpan(BochsResult.ImageOffset, BochsResult.ImageLength);
        Assert.Equal(Fault.None, Instructions.Xsave(_cpu, image, 0, ulong.MaxValue));
        byte[] scratch = new byte[BochsCase.ImageLength];
        Assert.Equal(Fault.None, Instructions.Xsaves(_cpu, scratch, 0, ulong.MaxValue));
        Put(BochsResult.AllInUseOffset, BinaryPrimitives.ReadUInt64LittleEndian(scratch.AsSpan(XsaveFormat.XstateBvOffset)));
        return result;
    }

    private void Enter64BitMode(bool keepEnabled = false)
    {
        (_cpu.Cr0, _cpu.Cr4) = ((Cr0)BochsImage.BaseCr0, (Cr4)BochsImage.BaseCr4);
        (_cpu.Cpl, _cpu.Is64BitMode, _cpu.AlignmentCheck) = (0, true, false);
        if (!keepEnabled)
        {
            (_cpu.Xcr0, _cpu.Xss) = (User, Supervisor);
        }
    }

    private Fault Run(BochsCase next, Span<byte> memory, ulong address, ref ulong rax, ref ulong rdx)
    {
        ulong edxEax = rdx << 32 | (uint)rax;
        XsaveOperand operand = next.Is64BitMode ? next.Operand : XsaveOperand.Legacy;
        uint ecx = (uint)next.Rcx;
        Fault fault = Fault.None;
        bool reads = false;
        switch (next.Operation)
        {
            case BochsOperation.Xsave:
                return Instructions.Xsave(_cpu, memory, address, edxEax, operand);
            case BochsOperation.Xsaveopt:
                return Instructions.Xsaveopt(_cpu, memory, address, edxEax, operand);
            case BochsOperation.Xsavec:
                return Instructions.Xsavec(_cpu, memory, address, edxEax, operand);
            case BochsOperation.Xsaves:
                return Instructions.Xsaves(_cpu, memory, address, edxEax, operand);
            case BochsOperation.Xrstor:
                return Instructions.Xrstor(_cpu, memory, address, edxEax, operand);
            case BochsOperation.Xrstors:
                return Instructions.Xrstors(_cpu, memory, address, edxEax, operand);
            case BochsOperation.Xsetbv:
                return Instructions.Xsetbv(_cpu, ecx, edxEax);
            case BochsOperation.Wrpkru:
                return Instructions.Wrpkru(_cpu, ecx, edxEax);
            case BochsOperation.Wrmsr:
                return Instructions.Wrmsr(_cpu, ecx, edxEax);
            case BochsOperation.MovToCr4:
                return Instructions.MovToCr4(_cpu, (Cr4)rax);
            case BochsOperation.Xgetbv:
                (fault, reads) = (Instructions.Xgetbv(_cpu, ecx, out edxEax), true);
                break;
            case BochsOperation.Rdpkru:
                (fault, reads) = (Instructions.Rdpkru(_cpu, ecx, out edxEax), true);
                break;
            case BochsOperation.Rdmsr:
                (fault, reads) = (Instructions.Rdmsr(_cpu, ecx, out edxEax), true);
                break;
            default:
                _cpu.Init();
                break;
        }

        if (reads && !fault.IsFault)
        {
            (rax, rdx) = ((uint)edxEax, edxEax >> 32);
        }

        return fault;
    }
}
