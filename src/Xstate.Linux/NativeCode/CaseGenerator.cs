using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Runtime.Versioning;
using Xstate.Architecture;
using Xstate.Processor;
using static Xstate.Architecture.XsaveFormat;

namespace Xstate.Linux.NativeCode;

/// <summary>One case of a comparison. Its register state and memory lie in the probe.</summary>
[SupportedOSPlatform("linux")]
internal readonly record struct ProbedCase(
    ulong Number, ProbedInstruction Instruction, int AreaOffset, int Misalignment, ulong Rax, ulong Rdx, ulong Rcx, bool AlignmentCheck)
{
    public override string ToString() =>
        $"case {Number}: {Instruction} at -{InstructionProbe.MemoryLength - AreaOffset}+{Misalignment} EDX:EAX={Rdx << 32 | (uint)Rax:x} "
        + $"ECX={(uint)Rcx:x}"
        + (AlignmentCheck ? " AC" : "");
}

/// <summary>Makes cases: mostly valid ones, since a case that faults early compares little, with every rule broken now and then.</summary>
[SupportedOSPlatform("linux")]
internal sealed class CaseGenerator
{
    private const int PoolLength = 1 << 16;
    private const int LinesBeyondArea = 4;
    private const int Line = 64;
    private const int TileCount = 8;
    private const int TileColumnsOffset = 16;
    private const int TileRowsOffset = 48;
    private readonly InstructionProbe _probe;
    private readonly ImmutableArray<ProbedInstruction> _instructions;
    private readonly StateComponentSet _components;
    private readonly int _areaLength;
    private readonly byte[] _pool = new byte[PoolLength];
    private SplitMix64 _random;
    private ulong _number;

    public CaseGenerator(ulong seed, InstructionProbe probe, bool withCompatibilityMode)
    {
        _random = new SplitMix64(seed);
        _random.Fill(_pool);
        _probe = probe;
        _areaLength = (probe.Profile.Layout.StandardLengthFor(probe.Enabled) + Line - 1) & -Line;
        _components = probe.Managed;

        // XSETBV and the supervisor forms only fault in a process, and instructions without memory have few operands.
        _instructions =
        [
            .. ProbedInstruction.All.Where(instruction => instruction.Is64BitMode || withCompatibilityMode)
                .SelectMany(instruction => Enumerable.Repeat(instruction, WeightOf(instruction))),
        ];
    }

    public ProbedCase Next()
    {
        _number++;
        ProbedInstruction instruction = _instructions[_random.Below(_instructions.Length)];
        MakeInitialImage();

        // An area that is cut short raises #PF. Where the processor has then already stored or loaded a part, nothing can be compared: in
        // the model nothing is written before the last check that can fault. So such a processor (QEMU's TCG) gets areas of full length
        // only, and no #PF.
        int lines = _random.OneIn(16) && !_probe.Profile.Has(ProcessorQuirks.AreaAccessedPiecewise)
            ? _random.Below((_areaLength / Line) + 1)
            : (_areaLength / Line) + _random.Below(LinesBeyondArea);
        int offset = InstructionProbe.MemoryLength - (lines * Line);
        int misalignment = _random.OneIn(48) ? _random.Pick(1, 2, 4, 8, 16, 32, 48) : 0;
        if (lines == 0 || misalignment >= lines * Line)
        {
            misalignment = 0;
        }

        if (instruction.Instruction is StateInstruction.Fxsave or StateInstruction.Fxrstor && lines > 0)
        {
            misalignment = _random.OneIn(2) ? misalignment : 16 * _random.Below(4);
        }

        MakeMemory(instruction, _probe.Memory[offset..], misalignment);
        (ulong rax, ulong rdx, ulong rcx) = Operands(instruction);
        bool alignmentCheck = misalignment != 0 && _random.OneIn(4);
        return new ProbedCase(_number, instruction, offset, misalignment, rax, rdx, rcx, alignmentCheck);
    }

    private static int WeightOf(ProbedInstruction instruction) => instruction.Instruction switch
    {
        StateInstruction.Xrstor => 24,
        StateInstruction.Xsave or StateInstruction.Xsavec => 12,
        StateInstruction.Xsaveopt => 8,
        StateInstruction.Fxsave or StateInstruction.Fxrstor => 6,
        StateInstruction.Xgetbv or StateInstruction.Rdpkru or StateInstruction.Wrpkru => 2,
        _ => 1,
    };

    private (ulong Rax, ulong Rdx, ulong Rcx) Operands(ProbedInstruction instruction)
    {
        ulong high = _random.OneIn(2) ? _random.Next() & ~(ulong)uint.MaxValue : 0;
        ulong mask = _random.Below(4) switch
        {
            0 => ulong.MaxValue,
            1 => _random.Next() & _random.Next(),
            _ => _random.Next() & _probe.Enabled.Bits,
        };
        switch (instruction.Instruction)
        {
            case StateInstruction.Xgetbv:
                return (high, high, high | (_random.OneIn(8) ? _random.Pick<ulong>(2, 3, 0x8000_0000) : (ulong)_random.Below(2)));
            case StateInstruction.Rdpkru:
                return (high | (uint)_random.Next(), high | 5, high | (_random.OneIn(8) ? 1UL : 0));
            case StateInstruction.Wrpkru:
                // Key 0 is the probe's own memory.
                return (high | (uint)_random.Next() & 0xFFFF_FFFC, high | (_random.OneIn(8) ? 1UL : 0),
                    high | (_random.OneIn(8) ? 1UL : 0));
            case StateInstruction.Xsetbv:
                return (high | _probe.Enabled.Bits & uint.MaxValue, high, high | (_random.OneIn(4) ? 1UL : 0));
            default:
                return (high | (uint)mask, high | mask >> 32, _random.Next());
        }
    }

    private void MakeInitialImage()
    {
        Span<byte> image = _probe.InitialImage;
        Payloads(image, 0);
        ulong present = _components.Bits;
        if (_random.OneIn(4))
        {
            present &= _random.Next();
        }

        OpenKeyZero(image, 0);
        new XsaveAreaWriter(image).ClearHeader().WriteXstateBv(new StateComponentSet(present)).WriteMxcsr(LegalMxcsr());
    }

    private void MakeMemory(ProbedInstruction instruction, Span<byte> memory, int misalignment)
    {
        for (int at = 0; at < memory.Length; at += Line)
        {
            _pool.AsSpan(_random.Below(PoolLength - Line), Line).CopyTo(memory[at..]);
        }

        Span<byte> area = memory[misalignment..];
        if (instruction.IsSave || !instruction.AccessesMemory || area.Length < ExtendedOffset)
        {
            return;
        }

        bool compacted = instruction.Instruction != StateInstruction.Fxrstor && _probe.Profile.HasXsavec && _random.OneIn(2);
        ulong inImage = _components.Bits & (_random.OneIn(2) ? ulong.MaxValue : _random.Next());
        ulong xcompBv = compacted ? CompactedFlag | inImage : 0;
        ulong xstateBv = _random.Next() & (compacted ? inImage : _components.Bits) & (_random.OneIn(4) ? _random.Next() : ulong.MaxValue);
        xstateBv = _random.OneIn(4) ? (compacted ? inImage : _components.Bits) : xstateBv;
        Payloads(area, xcompBv);
        if (instruction.Instruction != StateInstruction.Fxrstor)
        {
            Header(area, xstateBv, xcompBv, compacted);
        }

        new XsaveAreaWriter(area).WriteMxcsr(_random.OneIn(12) ? (uint)_random.Next() & 0xF_FFFF : LegalMxcsr());
    }

    private void Header(Span<byte> area, ulong xstateBv, ulong xcompBv, bool compacted)
    {
        Span<byte> reserved = area[ReservedHeaderOffset..ExtendedOffset];
        if (compacted || _random.OneIn(2))
        {
            reserved.Clear();
        }
        else
        {
            reserved[..sizeof(ulong)].Clear();
        }

        switch (_random.Below(32))
        {
            case 0:
                reserved[_random.Below(reserved.Length)] |= (byte)(1 << _random.Below(8));
                break;
            case 1:
                xstateBv ^= 1UL << _random.Below(64);
                break;
            case 2:
                xcompBv ^= 1UL << _random.Below(64);
                break;
            case 3:
                xcompBv &= ~CompactedFlag;
                break;
            default:
                break;
        }

        new XsaveAreaWriter(area).WriteXstateBv(new StateComponentSet(xstateBv)).WriteXcompBv(xcompBv);
        OpenKeyZero(area, xcompBv);
    }

    // The probe's own memory has key 0: a PKRU that closes it would end the process, wherever the final header says that PKRU is.
    private void OpenKeyZero(Span<byte> area, ulong xcompBv)
    {
        if (_components.Contains(StateComponent.Pkru)
            && _probe.Profile.Layout.TryLocate(StateComponent.Pkru, xcompBv, area.Length, out int offset, out _))
        {
            area[offset] &= 0xFC;
        }
    }

    // Contents of every kind that decides something: random, initial, almost initial, and only where 32-bit code cannot see.
    private void Payloads(Span<byte> area, ulong xcompBv)
    {
        X87Payload(area);
        Payload(area[XmmOffset..XmmEnd]);
        foreach (StateComponent component in _components.Except(StateComponentSet.Legacy))
        {
            if (_probe.Profile.Layout.TryLocate(component, xcompBv, area.Length, out int offset, out int size))
            {
                Payload(area.Slice(offset, size));
                if (component == StateComponent.TileCfg)
                {
                    TilePayload(area.Slice(offset, size));
                }
            }
        }
    }

    // Half of the configurations are ones that LDTILECFG would accept, and some of those are then broken in one place.
    private void TilePayload(Span<byte> bytes)
    {
        if (_random.OneIn(2))
        {
            return;
        }

        bytes.Clear();
        bytes[0] = 1;
        bytes[1] = (byte)(_random.OneIn(2) ? 0 : _random.Below(256));
        for (int tile = 0; tile < TileCount; tile++)
        {
            if (_random.OneIn(2))
            {
                bytes[TileColumnsOffset + (2 * tile)] = (byte)(1 + _random.Below(64));
                bytes[TileRowsOffset + tile] = (byte)(1 + _random.Below(16));
            }
        }

        if (_random.OneIn(4))
        {
            bytes[_random.Below(bytes.Length)] ^= (byte)(1 << _random.Below(8));
        }
    }

    private void Payload(Span<byte> bytes)
    {
        int kind = _random.Below(8);
        if (kind > 3)
        {
            _pool.AsSpan(_random.Below(PoolLength - bytes.Length), bytes.Length).CopyTo(bytes);
            return;
        }

        bytes.Clear();
        if (kind == 1)
        {
            bytes[_random.Below(bytes.Length)] = (byte)(1 + _random.Below(255));
        }
        else if (kind == 2)
        {
            bytes[(bytes.Length / 2)..].Fill(0x5A);
        }
    }

    private void X87Payload(Span<byte> area)
    {
        Payload(area[StOffset..XmmOffset]);
        _pool.AsSpan(_random.Below(PoolLength - MxcsrOffset), MxcsrOffset).CopyTo(area);
        switch (_random.Below(4))
        {
            case 0:
                area[..MxcsrOffset].Clear();
                BinaryPrimitives.WriteUInt16LittleEndian(area, InitialFcw);
                break;
            case 1:
                // All exceptions masked: no error, whatever the flags.
                area[FcwOffset] |= 0x3F;
                break;
            case 2:
                area[..FopOffset].Clear();
                BinaryPrimitives.WriteUInt16LittleEndian(area, InitialFcw);
                break;
            default:
                break;
        }
    }

    private uint LegalMxcsr() => _random.OneIn(2) ? Mxcsr.Initial : (uint)_random.Next() & _probe.Profile.MxcsrMask;
}
