using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Tests.Processor.Vectors;

/// <summary>The register states and the memory image that the vectors name.</summary>
internal static class VectorStates
{
    public const uint FullMxcsr = 0x1FA0;

    /// <summary>Gives a processor the state FULL, INIT, INIT_MX, or one of the single-register states.</summary>
    public static void Apply(ProcessorState cpu, string state)
    {
        switch (state)
        {
            case "INIT":
                break;
            case "INIT_MX":
                cpu.Registers.Mxcsr = FullMxcsr;
                break;
            case "FULL":
                Fill(cpu);
                break;
            case "INIT with IA32_U_CET=1":
                Assert.Equal(Fault.None, AtCpl0(cpu, () => Instructions.Wrmsr(cpu, 0x6A0, 1)));
                break;
            case "UINV=0x20":
                Assert.Equal(Fault.None, AtCpl0(cpu, () => Instructions.Wrmsr(cpu, 0x988, 0x20UL << 32)));
                break;
            case "IA32_RTIT_CTL.TraceEn=1":
                Assert.Equal(Fault.None, AtCpl0(cpu, () => Instructions.Wrmsr(cpu, 0x570, 1)));
                break;
            case "tiles non-zero":
                cpu.Registers.Write(StateComponent.TileData).Fill(0x5A);
                break;
            default:
                Assert.Fail($"the vectors do not define the state {state}");
                break;
        }
    }

    /// <summary>Every user component non-initial, with an x87 stack of one value.</summary>
    private static void Fill(ProcessorState cpu)
    {
        RegisterFile file = cpu.Registers;
        foreach (StateComponent component in cpu.Xcr0.Except(StateComponentSet.Legacy).With(StateComponent.Sse))
        {
            Span<byte> bytes = file.Write(component);
            for (int i = 0; i < bytes.Length; i++)
            {
                bytes[i] = (byte)(0x10 + (int)component + (i % 0xB0));
            }
        }

        file.X87.Fcw = 0x027F;
        file.X87.Fsw = 0x3800;
        file.X87.AbridgedFtw = 0x80;
        for (int i = 0; i < 8; i++)
        {
            file.X87.SetSt(i, Extended(0x4000, 0x8000_0000_0000_0000 | (uint)(i + 1)));
        }

        file.Mxcsr = FullMxcsr;
    }

    /// <summary>A payload for one component of the image, different from FULL and from initial.</summary>
    public static byte[] ImageOf(StateComponent component, int length)
    {
        byte[] bytes = new byte[length];
        for (int i = 0; i < bytes.Length; i++)
        {
            bytes[i] = (byte)(0x80 + (int)component + (i % 0x60));
        }

        if (component == StateComponent.X87)
        {
            bytes.AsSpan(0, 32).Clear();
            BinaryPrimitives.WriteUInt16LittleEndian(bytes, 0x0F7F);
            bytes[XsaveFormat.FtwOffset] = 0x0F;
            for (int slot = XsaveFormat.StOffset; slot < bytes.Length; slot += XsaveFormat.StSlotLength)
            {
                bytes.AsSpan(slot + XsaveFormat.StLength, XsaveFormat.StSlotLength - XsaveFormat.StLength).Clear();
            }
        }

        return bytes;
    }

    /// <summary>Ten bytes of an x87 register.</summary>
    public static byte[] Extended(ushort signExponent, ulong significand)
    {
        byte[] bytes = new byte[XsaveFormat.StLength];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, significand);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(sizeof(ulong)), signExponent);
        return bytes;
    }

    private static Fault AtCpl0(ProcessorState cpu, Func<Fault> action)
    {
        int cpl = cpu.Cpl;
        cpu.Cpl = 0;
        Fault fault = action();
        cpu.Cpl = cpl;
        return fault;
    }
}
