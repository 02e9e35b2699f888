using System.Buffers.Binary;
using System.Numerics;
using Xstate.Architecture;
using static Xstate.Architecture.XsaveFormat;

namespace Xstate.Processor;

/// <summary>
/// The x87 registers of a <see cref="RegisterFile"/>. ST registers are held relative to TOP, as every image holds them, while the tag word
/// names <i>physical</i>
/// registers: FTW bit j belongs to Rj, which is ST((j − TOP) mod 8).
/// </summary>
/// <threadsafety>One thread at a time, as the processor they belong to.</threadsafety>
public sealed class X87Registers
{
    private const ushort ExceptionFlags = 0x3F;
    private const ushort ErrorSummary = 0x80;
    private const ushort Busy = 0x8000;
    private const int TopShift = 11;
    private const int EnvironmentLength = 28;
    private const ushort TopMask = 7 << TopShift;

    private readonly RegisterFile _file;

    internal X87Registers(RegisterFile file)
    {
        _file = file;
    }

    /// <summary>The control word. Setting it, as FLDCW does, recomputes FSW.ES and FSW.B.</summary>
    public ushort Fcw
    {
        get => Read16(FcwOffset);
        set
        {
            Write16(FcwOffset, MaskControl(value));
            Write16(FswOffset, WithSummary(Read16(FswOffset), Fcw));
        }
    }

    /// <summary>
    /// The status word with TOP. Setting it recomputes ES and B from the flags and the masks in FCW; the ST registers keep their slots.
    /// </summary>
    public ushort Fsw
    {
        get => Read16(FswOffset);
        set => Write16(FswOffset, WithSummary(value, Fcw));
    }

    /// <summary>The abridged tag word: bit j is set while physical register Rj is not empty.</summary>
    public byte AbridgedFtw
    {
        get => _file.Legacy[FtwOffset];
        set
        {
            _file.Touch(StateComponentSet.Of(StateComponent.X87));
            _file.Legacy[FtwOffset] = value;
        }
    }

    /// <summary>
    /// The full tag word, two bits per physical register, computed from the contents as every load does (SDM Vol. 1, 8.1.7).
    /// </summary>
    public ushort Ftw
    {
        get
        {
            int tags = 0;
            for (int physical = 0; physical < 8; physical++)
            {
                int tag = (AbridgedFtw >> physical & 1) == 0 ? 3 : Tag(St((physical - Top) & 7));
                tags |= tag << (physical * 2);
            }

            return (ushort)tags;
        }
    }

    /// <summary>TOP: which physical register ST0 is.</summary>
    public int Top => Fsw >> TopShift & 7;

    /// <summary>The opcode of the last x87 instruction that was not a control instruction, 11 bits.</summary>
    public ushort Fop
    {
        get => Read16(FopOffset);
        set => Write16(FopOffset, (ushort)(value & 0x7FF));
    }

    /// <summary>The instruction pointer that belongs to <see cref="Fop"/>.</summary>
    public ulong Fip
    {
        get => Read64(FipOffset);
        set => Write64(FipOffset, value);
    }

    /// <summary>The data pointer that belongs to <see cref="Fop"/>.</summary>
    public ulong Fdp
    {
        get => Read64(FdpOffset);
        set => Write64(FdpOffset, value);
    }

    /// <summary>FSW.ES: an exception is pending that FCW does not mask.</summary>
    public bool HasPendingException => (Fsw & ErrorSummary) != 0;

    /// <summary>The ten bytes of a register, counted from the top of the stack.</summary>
    public ReadOnlySpan<byte> St(int index) => _file.Legacy.Slice(StOffset + (CheckIndex(index) * StSlotLength), StLength);

    /// <summary>Writes a register counted from the top of the stack. Its tag is a matter of <see cref="AbridgedFtw"/>.</summary>
    /// <exception cref="ArgumentException">The value is not ten bytes long.</exception>
    public void SetSt(int index, ReadOnlySpan<byte> value)
    {
        if (value.Length != StLength)
        {
            throw new ArgumentException($"an x87 register has {StLength} bytes, not {value.Length}", nameof(value));
        }

        _file.Touch(StateComponentSet.Of(StateComponent.X87));
        value.CopyTo(_file.Legacy.Slice(StOffset + (CheckIndex(index) * StSlotLength), StLength));
    }

    /// <summary>Pushes a value, as FLD does: TOP decreases, every other register moves one slot up, and the new top is not empty.</summary>
    public void Push(ReadOnlySpan<byte> value)
    {
        Span<byte> slots = _file.Legacy.Slice(StOffset, 8 * StSlotLength);
        Span<byte> last = stackalloc byte[StSlotLength];
        slots[(7 * StSlotLength)..].CopyTo(last);
        slots[..(7 * StSlotLength)].CopyTo(slots[StSlotLength..]);
        last.CopyTo(slots);
        int top = (Top - 1) & 7;
        Write16(FswOffset, (ushort)((Fsw & ~TopMask) | top << TopShift));
        AbridgedFtw |= (byte)(1 << top);
        SetSt(0, value);
    }

    /// <summary>Pops, as FSTP does: the top becomes empty and TOP increases.</summary>
    public void Pop()
    {
        AbridgedFtw &= (byte)~(1 << Top);
        MoveTop(1);
    }

    /// <summary>FINCSTP (1) and FDECSTP (-1): TOP moves and nothing else does.</summary>
    public void MoveTop(int by)
    {
        int top = (Top + by) & 7;
        RotateTo(top);
        Write16(FswOffset, (ushort)((Fsw & ~TopMask) | top << TopShift));
    }

    /// <summary>Whether a register, counted from the top of the stack, is empty.</summary>
    public bool IsEmpty(int index) => (AbridgedFtw >> ((Top + CheckIndex(index)) & 7) & 1) == 0;

    /// <summary>Says of a register, counted from the top of the stack, whether it is empty.</summary>
    public void SetEmpty(int index, bool empty)
    {
        int bit = 1 << ((Top + CheckIndex(index)) & 7);
        AbridgedFtw = (byte)(empty ? AbridgedFtw & ~bit : AbridgedFtw | bit);
    }

    /// <summary>
    /// FNINIT: control, status, tags and pointers become initial; the contents of the registers stay (and keep XINUSE[0] set where it is by
    /// value).
    /// </summary>
    public void Fninit()
    {
        // The stack keeps its physical registers while TOP returns to 0, so slots move.
        RotateTo(0);
        Span<byte> legacy = _file.Legacy;
        legacy[..MxcsrOffset].Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(legacy, InitialFcw);
        _file.Fcs = 0;
        _file.Fds = 0;
        _file.Touch(StateComponentSet.Of(StateComponent.X87));
    }

    /// <summary>
    /// The environment in its 32-bit form of protected mode, 28 bytes, as FNSTENV stores it: words that are not used have all bits set
    /// (SDM Vol. 1, figure 8-9). What saves hide of the pointers it shows.
    /// </summary>
    internal void WriteEnvironment(Span<byte> image, ProcessorProfile profile)
    {
        image[..EnvironmentLength].Fill(0xFF);
        BinaryPrimitives.WriteUInt16LittleEndian(image, Fcw);
        BinaryPrimitives.WriteUInt16LittleEndian(image[4..], Fsw);
        BinaryPrimitives.WriteUInt16LittleEndian(image[8..], Ftw);
        bool hidden = profile.X87PointersNotKept;
        BinaryPrimitives.WriteUInt32LittleEndian(image[12..], hidden ? 0 : (uint)Fip);
        BinaryPrimitives.WriteUInt16LittleEndian(image[16..], hidden ? (ushort)0 : _file.Fcs);
        BinaryPrimitives.WriteUInt16LittleEndian(image[18..], hidden ? (ushort)0 : Fop);
        BinaryPrimitives.WriteUInt32LittleEndian(image[20..], hidden ? 0 : (uint)Fdp);
        BinaryPrimitives.WriteUInt16LittleEndian(image[24..], hidden ? (ushort)0 : _file.Fds);
    }

    /// <summary>The same, loaded, as FLDENV and FRSTOR do.</summary>
    /// <param name="image">The 28 bytes.</param>
    /// <param name="profile">The processor.</param>
    /// <param name="keepsPlaces">Whether the physical registers stay what they are, so that the slots move with TOP.</param>
    internal void ReadEnvironment(ReadOnlySpan<byte> image, ProcessorProfile profile, bool keepsPlaces)
    {
        ushort fsw = BinaryPrimitives.ReadUInt16LittleEndian(image[4..]);
        if (keepsPlaces)
        {
            RotateTo(fsw >> TopShift & 7);
        }

        // The order matters: setting one of the two recomputes ES of the other.
        Write16(FcwOffset, MaskControl(BinaryPrimitives.ReadUInt16LittleEndian(image)));
        Fsw = fsw;
        ushort tags = BinaryPrimitives.ReadUInt16LittleEndian(image[8..]);
        byte abridged = 0;
        for (int physical = 0; physical < 8; physical++)
        {
            abridged |= (byte)((tags >> (2 * physical) & 3) == 3 ? 0 : 1 << physical);
        }

        AbridgedFtw = abridged;
        Fip = BinaryPrimitives.ReadUInt32LittleEndian(image[12..]);
        Fop = BinaryPrimitives.ReadUInt16LittleEndian(image[18..]);
        Fdp = BinaryPrimitives.ReadUInt32LittleEndian(image[20..]);
        _file.Fcs = profile.DeprecatesSelectors ? (ushort)0 : BinaryPrimitives.ReadUInt16LittleEndian(image[16..]);
        _file.Fds = profile.DeprecatesSelectors ? (ushort)0 : BinaryPrimitives.ReadUInt16LittleEndian(image[24..]);
    }

    /// <summary>
    /// What an instruction that is no control instruction leaves in the pointers. Intel's processors note the opcode with an exception
    /// that is not masked only, and with FDP_EXCPTN_ONLY the data pointer
    /// too; AMD's note all and show them with such an exception only. Selectors are those of 64-bit code, which are 0 where FCS and FDS
    /// are deprecated.
    /// </summary>
    internal void NotePointers(ProcessorProfile profile, ushort opcode, ulong instruction, ulong? data)
    {
        bool raised = HasPendingException;
        Fip = instruction;
        Fop = raised || profile.X87PointersZeroWithoutError ? opcode : Fop;
        Fdp = data is { } address && (raised || !profile.UpdatesDataPointerOnErrorsOnly) ? address : Fdp;
    }

    /// <summary>FLD1, FLDZ, FLDPI, FLDL2E, FLDL2T, FLDLG2, FLDLN2 by number, rounded as FCW says (SDM Vol. 2A).</summary>
    internal byte[] Constant(int number)
    {
        // Exponent, significand rounded to the nearest, and whether that was upwards; what was rounded down becomes one more for RC = up
        // only.
        (int exponent, ulong significand, int error) = number switch
        {
            0 => (0x3FFF, 0x8000_0000_0000_0000, 0),
            1 => (0, 0UL, 0),
            2 => (0x4000, 0xC90F_DAA2_2168_C235, 1),
            3 => (0x3FFF, 0xB8AA_3B29_5C17_F0BC, 1),
            4 => (0x4000, 0xD49A_784B_CD1B_8AFE, -1),
            5 => (0x3FFD, 0x9A20_9A84_FBCF_F799, 1),
            _ => (0x3FFE, 0xB172_17F7_D1CF_79AC, 1),
        };
        significand = (Fcw >> 10 & 3) switch
        {
            1 or 3 when error > 0 => significand - 1,
            2 when error < 0 => significand + 1,
            _ => significand,
        };
        byte[] register = new byte[StLength];
        X87Number.Write(register, negative: false, exponent, significand);
        return register;
    }

    /// <summary>
    /// What RESET leaves: every register holds zero and is tagged so, all exceptions are unmasked (SDM Vol. 3A, table 10-1).
    /// </summary>
    internal void PowerUp()
    {
        Initialize(_file);
        Fcw = 0x40;
        AbridgedFtw = 0xFF;
    }

    internal static ushort MaskControl(ushort fcw) => (ushort)((fcw & 0x1F3F) | 0x40);

    internal static ushort WithSummary(ushort fsw, ushort fcw)
    {
        int kept = fsw & ~(ErrorSummary | Busy);
        return (ushort)((fsw & ~fcw & ExceptionFlags) != 0 ? kept | ErrorSummary | Busy : kept);
    }

    internal static ushort WithSummaryOf(ushort fsw) => (ushort)((fsw & ErrorSummary) != 0 ? fsw | Busy : fsw & ~Busy);

    internal static void Initialize(RegisterFile file)
    {
        Span<byte> legacy = file.Legacy;
        legacy[..MxcsrOffset].Clear();
        legacy[StOffset..XmmOffset].Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(legacy, InitialFcw);
        file.Fcs = 0;
        file.Fds = 0;
    }

    internal static bool IsInitial(RegisterFile file, bool ignorePointers)
    {
        ReadOnlySpan<byte> legacy = file.Legacy;

        // FCW, FSW and the tags in one look; FOP in the bytes above does not count (SDM Vol. 1, 13.6).
        ulong control = BinaryPrimitives.ReadUInt64LittleEndian(legacy) & 0x0000_00FF_FFFF_FFFF;
        return control == InitialFcw
            && !legacy[StOffset..XmmOffset].ContainsAnyExcept((byte)0)
            && (ignorePointers || (!legacy[FipOffset..MxcsrOffset].ContainsAnyExcept((byte)0) && (file.Fcs | file.Fds) == 0));
    }

    private static int CheckIndex(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(index, 7);
        return index;
    }

    private static int Tag(ReadOnlySpan<byte> value)
    {
        ulong significand = BinaryPrimitives.ReadUInt64LittleEndian(value);
        int exponent = BinaryPrimitives.ReadUInt16LittleEndian(value[sizeof(ulong)..]) & 0x7FFF;
        return exponent == 0 && significand == 0 ? 1 : exponent is 0 or 0x7FFF || BitOperations.LeadingZeroCount(significand) != 0 ? 2 : 0;
    }

    private void RotateTo(int top)
    {
        Span<byte> slots = _file.Legacy.Slice(StOffset, 8 * StSlotLength);
        Span<byte> old = stackalloc byte[8 * StSlotLength];
        slots.CopyTo(old);
        for (int index = 0; index < 8; index++)
        {
            int before = (index + top - Top) & 7;
            old.Slice(before * StSlotLength, StSlotLength).CopyTo(slots[(index * StSlotLength)..]);
        }
    }

    private ushort Read16(int offset) => BinaryPrimitives.ReadUInt16LittleEndian(_file.Legacy[offset..]);

    private ulong Read64(int offset) => BinaryPrimitives.ReadUInt64LittleEndian(_file.Legacy[offset..]);

    private void Write16(int offset, ushort value)
    {
        _file.Touch(StateComponentSet.Of(StateComponent.X87));
        BinaryPrimitives.WriteUInt16LittleEndian(_file.Legacy[offset..], value);
    }

    private void Write64(int offset, ulong value)
    {
        _file.Touch(StateComponentSet.Of(StateComponent.X87));
        BinaryPrimitives.WriteUInt64LittleEndian(_file.Legacy[offset..], value);
    }
}
