using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Processor;
using static Xstate.Architecture.XsaveFormat;

namespace Xstate.Linux.Tests.Processor.Bochs;

/// <summary>Makes cases: mostly valid ones, since a case that faults early compares little, with every rule broken now and then.</summary>
internal sealed class BochsCaseGenerator
{
    private const int Line = 64;
    private static readonly uint[] Msrs = [ModelSpecificRegisters.Xss, 0x6A0, 0x6A4, 0x6A5, 0x6A6, 0x6A7];

    private static readonly BochsOperation[] Operations =
    [
        .. Repeat(BochsOperation.Xrstors, 24), .. Repeat(BochsOperation.Xrstor, 16), .. Repeat(BochsOperation.Xsaves, 16),
        .. Repeat(BochsOperation.Xsavec, 8), .. Repeat(BochsOperation.Xsave, 8), .. Repeat(BochsOperation.Xsaveopt, 8),
        .. Repeat(BochsOperation.Wrmsr, 8), .. Repeat(BochsOperation.Rdmsr, 2), .. Repeat(BochsOperation.Init, 4),
        .. Repeat(BochsOperation.Xsetbv, 3), .. Repeat(BochsOperation.Xgetbv, 2),
        BochsOperation.Rdpkru, BochsOperation.Wrpkru, BochsOperation.MovToCr4,
    ];

    private readonly BochsModel _model;
    private readonly StateComponentSet _all;
    private SplitMix64 _random;
    private int _number;

    public BochsCaseGenerator(ulong seed, BochsModel model)
    {
        _random = new SplitMix64(seed);
        _model = model;
        _all = model.User | model.Supervisor;
    }

    public BochsCase Next()
    {
        _number++;
        BochsOperation operation = _random.Pick(Operations);
        bool init = operation == BochsOperation.Init;
        bool is64BitMode = init || !_random.OneIn(6);
        int cpl = !init && _random.OneIn(6) ? 3 : 0;
        (Cr0 cr0, Cr4 cr4) = ((Cr0)BochsImage.BaseCr0, (Cr4)BochsImage.BaseCr4);
        bool keys = operation is BochsOperation.Rdpkru or BochsOperation.Wrpkru && !_random.OneIn(4);

        // A restore may close key 0, which is that of the image's own memory: with keys in force nothing could go on.
        bool loads = operation is BochsOperation.Xrstor or BochsOperation.Xrstors;
        cr4 |= keys || (_random.OneIn(16) && !loads) ? Cr4.ProtectionKeys : Cr4.None;
        cr4 &= _random.OneIn(32) ? ~Cr4.OsXsave : ~Cr4.None;
        cr0 |= _random.OneIn(24) ? Cr0.TaskSwitched : Cr0.None;
        cr0 |= _random.OneIn(24) ? Cr0.Emulation : Cr0.None;
        if (init && _random.OneIn(2))
        {
            cr0 |= Cr0.CacheDisable | (_random.OneIn(2) ? Cr0.NotWriteThrough : Cr0.None);
        }

        StateComponentSet xcr0 = _random.OneIn(2) ? _model.User : Xcr0();
        StateComponentSet xss = _random.OneIn(2) ? _model.Supervisor : new StateComponentSet(_random.Next() & _model.Supervisor.Bits);
        (ulong rax, ulong rdx, ulong rcx) = Operands(operation, (xcr0 | xss).Bits, cr4);
        int area = Line * _random.Below((BochsCase.MemoryLength - AreaLength()) / Line);
        bool misaligned = operation <= BochsOperation.Xrstors && _random.OneIn(24);
        area += misaligned ? _random.Pick(1, 2, 3, 4, 6, 8, 16, 32) : 0;
        bool alignmentCheck = misaligned && cpl == 3 && _random.OneIn(2);
        cr0 |= alignmentCheck ? Cr0.AlignmentMask : Cr0.None;

        // Whether #AC or the #GP of such an address comes first no manual says.
        bool noncanonical = is64BitMode && operation <= BochsOperation.Xrstors && !alignmentCheck && _random.OneIn(64);
        uint high = noncanonical ? _random.Pick(0x8000_0000U, 0x0001_0000U, 0x0000_8000U, 0x7FFF_FFFFU) : 0;
        byte[] memory = new byte[BochsCase.MemoryLength];
        _random.Fill(memory);
        if (operation is BochsOperation.Xrstor or BochsOperation.Xrstors)
        {
            MakeArea(memory.AsSpan(area), operation, xcr0, xss);
        }
        else if (operation <= BochsOperation.Xsaves && _random.OneIn(2))
        {
            BinaryPrimitives.WriteUInt64LittleEndian(memory.AsSpan(area + XstateBvOffset), _random.Next() & _model.User.Bits);
        }

        if (!is64BitMode)
        {
            (rax, rdx, rcx) = ((uint)rax, (uint)rdx, (uint)rcx);
        }

        return new BochsCase(_number, operation)
        {
            Image = MakeImage(),
            Memory = memory,
            AreaOffset = area,
            AddressHigh = high,
            Operand = _random.OneIn(3) ? XsaveOperand.Legacy : XsaveOperand.Rex64,
            Is64BitMode = is64BitMode,
            Cpl = cpl,
            AlignmentCheck = alignmentCheck,
            Cr0 = cr0,
            Cr4 = cr4,
            Xcr0 = xcr0,
            Xss = xss,
            Rax = rax,
            Rcx = rcx,
            Rdx = rdx,
        };
    }

    private static IEnumerable<BochsOperation> Repeat(BochsOperation operation, int count) => Enumerable.Repeat(operation, count);

    private int AreaLength() => (_model.Profile.Layout.StandardLength + (2 * Line) - 1) & -Line;

    // A value that XSETBV takes.
    private StateComponentSet Xcr0()
    {
        StateComponentSet value;
        do
        {
            value = new StateComponentSet(_random.Next() & _model.User.Bits | 1);
        }
        while (Xcr0Rules.FirstViolation(value, _model.User) is not null);
        return value;
    }

    private (ulong Rax, ulong Rdx, ulong Rcx) Operands(BochsOperation operation, ulong enabled, Cr4 cr4)
    {
        ulong high = _random.OneIn(2) ? _random.Next() & ~(ulong)uint.MaxValue : 0;
        ulong bad = _random.OneIn(8) ? 1UL << _random.Below(32) : 0;
        switch (operation)
        {
            case BochsOperation.Xgetbv:
                return (high, high, high | (_random.OneIn(8) ? _random.Pick<ulong>(2, 3, 0x8000_0000) : (ulong)_random.Below(2)));
            case BochsOperation.Rdpkru:
                return (high | (uint)_random.Next(), high | 5, high | bad);
            case BochsOperation.Wrpkru:
                // The image's own memory has key 0.
                return (high | (uint)_random.Next() & 0xFFFF_FFFC, high | (_random.OneIn(8) ? 1UL : 0), high | bad);
            case BochsOperation.Xsetbv:
                ulong value = _random.OneIn(2) ? Xcr0().Bits : _random.Next() & _model.User.Bits;
                value ^= _random.OneIn(8) ? 1UL << _random.Below(64) : 0;
                return (high | (uint)value, high | value >> 32, high | bad);
            case BochsOperation.MovToCr4:
                Cr4 flips = _random.Pick(
                    Cr4.ProtectionKeys, Cr4.OsXsave, Cr4.ControlFlowEnforcement, Cr4.SupervisorKeys, Cr4.UserInterrupts, Cr4.OsFxsr);
                return ((ulong)(cr4 ^ flips), high, high);
            case BochsOperation.Rdmsr:
                return (_random.Next(), _random.Next(), high | _random.Pick(Msrs));
            case BochsOperation.Wrmsr:
                uint msr = _random.Pick(Msrs);
                ulong components = _random.Next() & _model.Supervisor.Bits ^ (_random.OneIn(4) ? 1UL << _random.Below(64) : 0);
                ulong written = msr == ModelSpecificRegisters.Xss ? components : MsrValue(msr);
                return (high | (uint)written, high | written >> 32, high | msr);
            case BochsOperation.Init:
                return (0, 0, 0);
            default:
                ulong mask = _random.Below(4) switch
                {
                    0 => ulong.MaxValue,
                    1 => _random.Next() & _random.Next(),
                    _ => _random.Next() & enabled,
                };
                return (high | (uint)mask, high | mask >> 32, _random.Next());
        }
    }

    // Half of them are good; the others break one rule, mostly.
    private ulong MsrValue(uint msr)
    {
        ulong address = _random.Next() & 0x0000_7FFF_FFFF_F000;
        ulong low = msr == 0x6A0 ? 0xC3F & ~(_random.OneIn(2) ? 0x400UL : 0x800UL) : 0xFF8;
        ulong value = address | (_random.Next() & low);
        return _random.Below(8) switch
        {
            0 => value ^ (1UL << _random.Below(64)),
            1 => _random.Next(),
            2 => value | 0xFFFF_8000_0000_0000,
            3 => value ^ (1UL << _random.Below(12)),
            4 => 0,
            _ => value,
        };
    }

    // What the registers hold before: a compacted image that is always right.
    private byte[] MakeImage()
    {
        byte[] image = new byte[BochsCase.ImageLength];
        ulong xcompBv = CompactedFlag | _all.Bits;
        ulong present = _all.Bits & (_random.OneIn(4) ? _random.Next() : ulong.MaxValue);
        Payloads(image, xcompBv, bad: false);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(XstateBvOffset), present);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(XcompBvOffset), xcompBv);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(MxcsrOffset), LegalMxcsr());
        return image;
    }

    // The memory that a restore reads.
    private void MakeArea(Span<byte> area, BochsOperation operation, StateComponentSet xcr0, StateComponentSet xss)
    {
        bool compacted = _random.OneIn(operation == BochsOperation.Xrstors ? 24 : 2) != (operation == BochsOperation.Xrstors);
        ulong allowed = (operation == BochsOperation.Xrstors ? xcr0 | xss : xcr0).Bits;
        ulong inImage = allowed & (_random.OneIn(2) ? ulong.MaxValue : _random.Next());
        ulong xcompBv = compacted ? CompactedFlag | inImage : 0;
        ulong xstateBv = _random.Next() & (compacted ? inImage : xcr0.Bits) & (_random.OneIn(4) ? _random.Next() : ulong.MaxValue);
        xstateBv = _random.OneIn(4) ? (compacted ? inImage : xcr0.Bits) : xstateBv;
        Payloads(area, xcompBv, bad: _random.OneIn(6));
        Span<byte> reserved = area[ReservedHeaderOffset..ExtendedOffset];
        (compacted || _random.OneIn(2) ? reserved : reserved[..sizeof(ulong)]).Clear();
        switch (_random.Below(32))
        {
            case 0:
                reserved[_random.Below(reserved.Length)] |= (byte)(1 << _random.Below(8));
                break;
            case 1:
                xstateBv ^= 1UL << (_random.OneIn(4) ? 63 : _random.Below(64));
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

        BinaryPrimitives.WriteUInt64LittleEndian(area[XstateBvOffset..], xstateBv);
        BinaryPrimitives.WriteUInt64LittleEndian(area[XcompBvOffset..], xcompBv);
        BinaryPrimitives.WriteUInt32LittleEndian(area[MxcsrOffset..], _random.OneIn(12) ? (uint)_random.Next() & 0xF_FFFF : LegalMxcsr());

        // The image's own memory has key 0, wherever the final header says that PKRU is.
        if (_model.Profile.Layout.TryLocate(StateComponent.Pkru, xcompBv, area.Length, out int offset, out _))
        {
            area[offset] &= 0xFC;
        }
    }

    private void Payloads(Span<byte> area, ulong xcompBv, bool bad)
    {
        X87Payload(area);
        Payload(area[XmmOffset..XmmEnd]);
        foreach (StateComponent component in _all.Except(StateComponentSet.Legacy))
        {
            if (!_model.Profile.Layout.TryLocate(component, xcompBv, area.Length, out int offset, out int size))
            {
                continue;
            }

            Span<byte> bytes = area.Slice(offset, size);
            Payload(bytes);
            if (_model.Supervisor.Contains(component))
            {
                SupervisorPayload(component, bytes, bad);
            }
            else if (component == StateComponent.Pkru)
            {
                bytes[0] &= 0xFC;
            }
        }
    }

    private void SupervisorPayload(StateComponent component, Span<byte> bytes, bool bad)
    {
        bytes.Clear();
        if (_random.OneIn(6))
        {
            return;
        }

        foreach (StateMsr msr in StateMsrs.Of(component))
        {
            ulong value;
            do
            {
                value = MsrValue(msr.Address);
            }
            while (!bad && !msr.Accepts(_model.Profile, value));
            BinaryPrimitives.WriteUInt64LittleEndian(bytes[msr.Offset..], value);
        }
    }

    // Contents of every kind that decides something: random, initial, almost initial, and only where 32-bit code cannot see.
    private void Payload(Span<byte> bytes)
    {
        int kind = _random.Below(8);
        if (kind > 3)
        {
            _random.Fill(bytes);
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
        _random.Fill(area[..MxcsrOffset]);
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

    private uint LegalMxcsr() => _random.OneIn(2) ? Mxcsr.Initial : (uint)_random.Next() & _model.Profile.MxcsrMask;
}
