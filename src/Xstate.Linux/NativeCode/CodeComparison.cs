using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.Intrinsics.X86;
using System.Runtime.Versioning;
using Xstate.Architecture;
using Xstate.Guests;
using Xstate.Processor;

namespace Xstate.Linux.NativeCode;

/// <summary>
/// Ordinary instructions of guest code, x87 and vector moves on the real processor and on the model: registers, defined flags, memory,
/// extended state and faults of seeded cases. The processor
/// comparison of the XSAVE family is <see cref="ProcessorComparison"/>.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class CodeComparison
{
    private const int MaxDisagreements = 10;
    private const int MaxRepeats = 3;
    private const int CasesPerInstruction = 50;
    private const int MaxSteps = 16;
    private const int Margin = 1024;
    private const int StackPointer = 4;
    private const ulong ChangeableFlags = 0xCD5;
    private const ulong AlwaysSet = 0x202;
    private const int FinalHeaderOffset = XsaveFormat.XstateBvOffset;
    private static readonly Lock OneAtATime = new();

    private readonly CodeProbe _probe = CodeProbe.Instance;
    private readonly ProcessorState _cpu;
    private readonly CodeInterpreter _model;
    private readonly CodeCaseGenerator _generator;
    private readonly byte[] _memory;
    private readonly byte[] _before = new byte[CodeProbe.DataLength];
    private readonly byte[] _final = new byte[4096];
    private readonly ulong[] _registers = new ulong[16];
    private readonly List<string> _disagreements = [];
    private SplitMix64 _random;
    private ulong _flags;

    /// <summary>A comparison whose cases follow from a seed.</summary>
    /// <param name="seed">The seed.</param>
    /// <param name="assembler">Makes the code.</param>
    /// <param name="decoder">Reads it for the model.</param>
    public CodeComparison(ulong seed, IGuestAssembler assembler, IGuestDecoder decoder)
    {
        _random = new SplitMix64(seed);
        _cpu = ProcessorState.ForUserProcess(NativeProcessor.Profile);
        _cpu.Xcr0 = _probe.Managed;
        _cpu.Cr0 |= Cr0.NumericError | Cr0.MonitorCoprocessor;
        _memory = _probe.Whole.ToArray();
        _model = new CodeInterpreter(_cpu, decoder, _memory, _probe.Address);

        // What x87 instructions leave in C1 and in the pointers was measured on Intel's processors; of others it is not known.
        bool withX87 = ProcessorIdentity.From(NativeProcessor.Profile.Cpuid).IsIntelSilicon;
        _generator = new CodeCaseGenerator(seed, assembler, _probe.CodeAddress, Avx.IsSupported, withX87);
    }

    /// <summary>Runs cases until there are enough, or enough disagreements.</summary>
    public ComparisonReport Run(int cases)
    {
        lock (OneAtATime)
        {
            SortedDictionary<string, int> perInstruction = new(StringComparer.Ordinal);
            int done = 0;
            int faults = 0;
            int repeated = 0;
            while (done < cases && _disagreements.Count < MaxDisagreements)
            {
                CodeCase next = _generator.Next();
                _probe.SetCode(next.Code);
                _probe.Whole[..CodeProbe.DataOffsetInWhole].CopyTo(_memory);

                // One disagreement of an instruction is enough.
                int many = Math.Min(CasesPerInstruction, cases - done);
                int known = _disagreements.Count;
                for (int i = 0; i < many && _disagreements.Count == known; i++)
                {
                    Prepare(next);
                    string? difference = RunOne(next, out bool faulted);
                    repeated += difference is not null && Repeat(next, difference, ref faulted) ? 1 : 0;
                    faults += faulted ? 1 : 0;
                    done++;
                }

                perInstruction[next.Kind] = perInstruction.GetValueOrDefault(next.Kind) + many;
            }

            ImmutableSortedDictionary<string, int> counts = perInstruction.ToImmutableSortedDictionary(StringComparer.Ordinal);
            return new ComparisonReport(done, faults, repeated, counts, [.. _disagreements]);
        }
    }

    // Whether it agreed when executed again; else it is a disagreement.
    private bool Repeat(CodeCase next, string first, ref bool faulted)
    {
        for (int attempt = 0; attempt < MaxRepeats; attempt++)
        {
            if (RunOne(next, out faulted) is null)
            {
                return true;
            }
        }

        string registers = string.Join(' ', _registers.Select(register => register.ToString("x", CultureInfo.InvariantCulture)));
        string x87 = Convert.ToHexStringLower(_probe.InitialImage[..32]);
        _disagreements.Add(
            $"{next.Text} ({Convert.ToHexStringLower(next.Code)}), {first}; RFLAGS {_flags:x}, registers {registers}, x87 {x87}");
        return false;
    }

    private void Prepare(CodeCase next)
    {
        foreach (ref ulong register in _registers.AsSpan())
        {
            register = _random.Below(4) switch
            {
                0 => (ulong)_random.Below(256),
                1 => ulong.MaxValue - (uint)_random.Next(),
                2 => 1UL << _random.Below(64),
                _ => _random.Next(),
            };
        }

        ulong data = _probe.Address + (ulong)CodeProbe.DataOffsetInWhole;
        ulong Place(int alignment) => data + Margin + ((ulong)_random.Below(CodeProbe.DataLength - (3 * Margin)) & ~((ulong)alignment - 1));
        _flags = _random.Next() & ChangeableFlags | AlwaysSet;
        _registers[StackPointer] = Place(1);
        _registers[5] = next.Text.StartsWith("leave", StringComparison.Ordinal) ? Place(1) : _registers[5];
        if (next.CountsWithCl)
        {
            _registers[1] = (_registers[1] & ~0xFFUL) + (ulong)_random.Below(80);
        }

        if (next.IsString)
        {
            (_registers[1], _registers[6], _registers[7]) = ((ulong)_random.Below(32), Place(1), Place(1));
        }

        if (next.Base >= 0)
        {
            SetAddress(next, Place(_random.OneIn(16) ? 1 : next.Alignment));
        }

        _random.Fill(_probe.Data.Slice(_random.Below(CodeProbe.DataLength / 64) * 64, 64));
        MakeImage();
        _probe.Data.CopyTo(_before);
    }

    private void SetAddress(CodeCase next, ulong place)
    {
        ulong offset = unchecked((ulong)(long)next.Displacement);
        if (next.Index >= 0)
        {
            long index = _random.Below(64) - 32;
            _registers[next.Index] = unchecked((ulong)index);
            offset += unchecked((ulong)(index * next.Scale));
        }

        ulong address = place - offset;
        _registers[next.Base] = next.Has32BitAddress ? (ulong)(uint)address | _random.Next() << 32 : address;
    }

    private void MakeImage()
    {
        Span<byte> image = _probe.InitialImage;
        _random.Fill(image[..XsaveFormat.LegacyLength]);
        XsaveAreaWriter writer = new XsaveAreaWriter(image).ClearHeader().WriteMxcsr(Mxcsr.Initial);

        // Mostly all exceptions masked and none pending: a pending one only shows as #MF.
        BinaryPrimitives.WriteUInt16LittleEndian(image, (ushort)(_random.Below(0x1000) & 0xF3F | (_random.OneIn(8) ? 0 : 0x3F)));
        Numbers(image[XsaveFormat.StOffset..]);
        if (image.Length > XsaveFormat.ExtendedOffset)
        {
            _random.Fill(image.Slice(XsaveFormat.ExtendedOffset, 256));
        }

        writer.WriteXstateBv(_probe.Managed);
    }

    // Numbers near the borders of the formats that FST converts to, and zeros, infinities, NaNs and what is none of these.
    private void Numbers(Span<byte> slots)
    {
        for (int slot = 0; slot < 8; slot++)
        {
            Span<byte> number = slots[(slot * 16)..];
            int exponent = _random.Below(7) switch
            {
                0 => 0,
                1 => 0x7FFF,
                2 => 0x3FFF - 1022 - _random.Below(60),
                3 => 0x3FFF + 1020 + _random.Below(8),
                4 => 0x3FFF - 126 - _random.Below(30),
                5 => 0x3FFF + 126 + _random.Below(4),
                _ => _random.Below(0x8000),
            };
            ulong significand = _random.Below(6) switch
            {
                0 => 0,
                1 => 1UL << 63,
                2 => ulong.MaxValue,
                3 => _random.Next(),
                4 => _random.Next() & ~0x3FFUL | 1UL << 63,
                _ => _random.Next() | 1UL << 63,
            };
            BinaryPrimitives.WriteUInt64LittleEndian(number, significand);
            BinaryPrimitives.WriteUInt16LittleEndian(number[8..], (ushort)(exponent + (_random.OneIn(2) ? 0x8000 : 0)));
        }
    }

    private string? RunOne(CodeCase next, out bool faulted)
    {
        _before.CopyTo(_probe.Data);
        _before.CopyTo(_memory.AsSpan(CodeProbe.DataOffsetInWhole));
        Fault real = _probe.Execute(_registers, _flags);
        faulted = real.IsFault;

        _cpu.AlignmentCheck = false;
        Fault start = Instructions.Xrstor(_cpu, _probe.InitialImage, 0, ulong.MaxValue);
        _registers.CopyTo(_model.Registers);
        _model.Flags = _flags;
        _model.Rip = _probe.CodeAddress;
        ulong end = _probe.CodeAddress + (ulong)next.Code.Length;
        Fault model = start;
        for (int step = 0; step < MaxSteps && !model.IsFault && _model.Rip != end; step++)
        {
            model = _model.Step(out string? unknown);
            if (unknown is not null)
            {
                return $"not modelled: {unknown}";
            }
        }

        return real != model
            ? $"fault {real} at {real.Address:x}, model {model} at {model.Address:x}"
            : RegisterDifference(next) ?? StateDifference();
    }

    private string? RegisterDifference(CodeCase next)
    {
        for (int i = 0; i < _registers.Length; i++)
        {
            if (_model.Registers[i] != _probe.Register(i))
            {
                return $"register {i} {_probe.Register(i):x}, model {_model.Registers[i]:x}";
            }
        }

        ulong defined = ChangeableFlags & ~next.UndefinedFlags;
        return (_model.Flags & defined) == (_probe.Flags & defined)
            ? null
            : $"flags {_probe.Flags & defined:x}, model {_model.Flags & defined:x}";
    }

    private string? StateDifference()
    {
        ReadOnlySpan<byte> model = _memory.AsSpan(CodeProbe.DataOffsetInWhole, CodeProbe.DataLength);
        int at = model.CommonPrefixLength(_probe.Data);
        if (at != model.Length)
        {
            return $"memory byte {at:x}: {_probe.Data[at]:x2}, model {model[at]:x2}";
        }

        X87Registers x87 = _cpu.Registers.X87;
        ReadOnlySpan<byte> environment = _probe.FinalEnvironment;
        (ushort Fcw, ushort Fsw, ushort Ftw) real = (
            BinaryPrimitives.ReadUInt16LittleEndian(environment),
            BinaryPrimitives.ReadUInt16LittleEndian(environment[4..]),
            BinaryPrimitives.ReadUInt16LittleEndian(environment[8..]));
        if (real != (x87.Fcw, x87.Fsw, x87.Ftw))
        {
            return $"FCW, FSW, FTW {real.Fcw:x} {real.Fsw:x} {real.Ftw:x}, model {x87.Fcw:x} {x87.Fsw:x} {x87.Ftw:x}";
        }

        Instructions.Xsave(_cpu, _final, 0, ulong.MaxValue);
        int length = _cpu.Profile.Layout.StandardLengthFor(_probe.Managed);
        int same = _final.AsSpan(0, FinalHeaderOffset).CommonPrefixLength(_probe.FinalImage[..FinalHeaderOffset]);
        Range extended = XsaveFormat.ExtendedOffset..length;
        same = same < FinalHeaderOffset
            ? same
            : XsaveFormat.ExtendedOffset + _final.AsSpan(extended).CommonPrefixLength(_probe.FinalImage[extended]);
        return same >= length ? null : $"state byte {same}: {_probe.FinalImage[same]:x2}, model {_final[same]:x2}";
    }
}
