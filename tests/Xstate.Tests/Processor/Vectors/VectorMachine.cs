using System.Text.Json;
using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Tests.Processor.Vectors;

/// <summary>Sets a processor up as a vector asks, and executes its instruction.</summary>
internal sealed class VectorMachine
{
    public const int AreaLength = 16384;
    private const ulong Base = 0x10_0000;

    private readonly JsonElement _vector;

    public VectorMachine(JsonElement vector, ProcessorProfile? profile = null)
    {
        _vector = vector;
        Cpu = ProcessorState.ForUserProcess(profile ?? ProfileOf(vector));
        Cpu.Xcr0 = new StateComponentSet(vector.Number("xcr0", 0xE7)) & Cpu.Profile.UserComponents;
        Cpu.Xss = new StateComponentSet(vector.Number("xss"));
        Cpu.Xfd = new StateComponentSet(vector.Number("ia32_xfd"));
        Cpu.Is64BitMode = vector.Number("mode", 64) == 64;
        Cpu.Cr4 = vector.Number("cr4_osxsave", 1) != 0 ? Cpu.Cr4 : Cpu.Cr4 & ~Cr4.OsXsave;
        Cpu.Cr4 = vector.Number("cr4_pke", 0) != 0 ? Cpu.Cr4 | Cr4.ProtectionKeys : Cpu.Cr4 & ~Cr4.ProtectionKeys;
        Cpu.Cr0 = vector.Number("cr0_ts") != 0 ? Cpu.Cr0 | Cr0.TaskSwitched : Cpu.Cr0;
        bool wasIn64BitMode = Cpu.Is64BitMode;
        Cpu.Is64BitMode = true;
        VectorStates.Apply(Cpu, vector.Text("state", "INIT"));
        Cpu.Is64BitMode = wasIn64BitMode;
        Cpu.Registers.Pkru = new Pkru((uint)vector.Number("pkru_before"));
        Cpu.Cpl = (int)vector.Number("cpl", 3);
    }

    public ProcessorState Cpu { get; }

    /// <summary>The profile that a vector speaks of.</summary>
    public static ProcessorProfile ProfileOf(JsonElement vector) => vector.Text("layout") switch
    {
        "intel-spr" => ProcessorProfiles.IntelSapphireRapids,
        "" when vector.Number("xss") is 0x4000 or 0x100 or 0x12000 => TestProcessors.EverySupervisorComponent,
        _ => ProcessorProfiles.AmdZen4,
    };

    /// <summary>Executes the instruction, or decodes and executes the encoding, on memory at the vector's address.</summary>
    public Fault Execute(Span<byte> memory)
    {
        ulong edxEax = _vector.Number("edx_eax");
        uint ecx = (uint)_vector.Number("ecx");
        ulong address = Base + _vector.Number("addr_mod64");
        if (_vector.Text("address") is { Length: > 0 } unmapped)
        {
            address = VectorReader.Number(JsonSerializer.SerializeToElement(unmapped.Split(' ')[0]));
            memory = memory[..0];
        }

        string name = _vector.Text("insn");
        if (Enum.TryParse(name, ignoreCase: true, out StateInstruction instruction))
        {
            ulong operand = instruction == StateInstruction.Wrpkru ? _vector.Number("edx") << 32 : edxEax;
            return Instructions.Execute(Cpu, new InstructionEncoding(instruction, XsaveOperand.Rex64, ModRmOffset: 0), memory, address, ecx,
                ref operand);
        }

        return name switch
        {
            "TILELOADD" => Instructions.UseState(Cpu, StateComponentSet.Of(StateComponent.TileCfg, StateComponent.TileData)),
            "TILERELEASE" => Instructions.Tilerelease(Cpu),
            "raw" => Encoded(_vector.Text("encoding")),
            string other => throw new NotSupportedException(other),
        };
    }

    /// <summary>The memory area that a restore vector describes.</summary>
    public byte[] Area(JsonElement area)
    {
        byte[] memory = new byte[AreaLength];
        ulong xcompBv = area.Number("xcomp_bv");
        if (area.Find("image") is not null)
        {
            VectorStates.ImageOf(StateComponent.X87, XsaveFormat.XmmOffset).CopyTo(memory, 0);
            VectorStates.ImageOf(StateComponent.Sse, XsaveFormat.XmmEnd - XsaveFormat.XmmOffset).CopyTo(memory, XsaveFormat.XmmOffset);
            foreach (StateComponent component in Cpu.Profile.UserComponents.Except(StateComponentSet.Legacy))
            {
                if (Cpu.Profile.Layout.TryLocate(component, xcompBv, memory.Length, out int offset, out int size))
                {
                    VectorStates.ImageOf(component, size).CopyTo(memory, offset);
                }
            }
        }

        BitConverter.TryWriteBytes(memory.AsSpan(XsaveFormat.MxcsrOffset), (uint)area.Number("mxcsr", Mxcsr.Initial));
        BitConverter.TryWriteBytes(memory.AsSpan(XsaveFormat.XstateBvOffset), area.Number("xstate_bv"));
        BitConverter.TryWriteBytes(memory.AsSpan(XsaveFormat.XcompBvOffset), xcompBv);
        foreach (JsonProperty dirty in area.Find("header_byte")?.EnumerateObject() ?? default)
        {
            memory[XsaveFormat.XstateBvOffset + int.Parse(dirty.Name)] = dirty.Value.GetByte();
        }

        if (area.Find("cet_u") is { } cet)
        {
            BitConverter.TryWriteBytes(memory.AsSpan(XsaveFormat.ExtendedOffset), cet.Number("u_cet"));
            BitConverter.TryWriteBytes(memory.AsSpan(XsaveFormat.ExtendedOffset + sizeof(ulong)), cet.Number("pl3_ssp"));
        }

        if (area.Find("tilecfg") is not null && Cpu.Profile.Layout.TryGetSlot(StateComponent.TileCfg, out XsaveSlot tileCfg))
        {
            memory[tileCfg.Offset] = 2;
        }

        return memory;
    }

    private Fault Encoded(string encoding)
    {
        byte[] code = [.. encoding.Split(' ').Select(part => Convert.ToByte(part, 16))];
        InstructionEncoding decoded = InstructionEncoding.Decode(code, Cpu.Is64BitMode);
        Assert.NotEqual(StateInstruction.None, decoded.Instruction);
        return decoded.Instruction == StateInstruction.Invalid ? Fault.InvalidOpcode : Fault.None;
    }
}
