using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.WorldSwitch;

/// <summary>
/// What the instructions of a guest and of its host do to PKRU and to what manages it. Every answer is what <see cref="Instructions"/> did
/// once on a processor of the given profile; an exploration asks millions of times, so the answers are kept in tables over the few values
/// that protocols know.
/// </summary>
internal sealed class SwitchInstructions
{
    private const int Values = 3;
    private const int RegisterStates = 2 * Values;

    private static readonly PkruValue[] PkruValues = Enum.GetValues<PkruValue>();
    private static readonly Xcr0Value[] Xcr0Values = Enum.GetValues<Xcr0Value>();

    private readonly ProcessorProfile _profile;
    private readonly Outcome[] _rdpkru = new Outcome[2 * RegisterStates];
    private readonly Outcome[] _wrpkru = new Outcome[2 * Values];
    private readonly Outcome[] _xsave = new Outcome[2 * 2 * RegisterStates];
    private readonly Outcome[] _xrstor = new Outcome[2 * 2 * 2 * Values];
    private readonly bool[] _xsetbv = new bool[2 * 2];
    private readonly bool[] _wrmsrXss = new bool[3];
    private readonly bool[] _tileTrap = new bool[2 * 2 * 2];

    /// <summary>Executes every instruction on every value.</summary>
    /// <exception cref="ArgumentException">The processor has no protection keys, or a value of <see cref="RegisterValues"/> is not one it
    /// can hold.</exception>
    public SwitchInstructions(ProcessorProfile profile)
    {
        ArgumentNullException.ThrowIfNull(profile);
        _profile = profile;
        if (!profile.HasProtectionKeys || !profile.UserComponents.ContainsAll(Of(Xcr0Value.Host)))
        {
            throw new ArgumentException($"processor {profile.Name} lacks protection keys or AVX", nameof(profile));
        }

        foreach (bool enabled in (bool[])[false, true])
        {
            FillPkruTables(enabled);
            FillXsaveTables(enabled);
        }

        foreach (XssValue value in Enum.GetValues<XssValue>())
        {
            _wrmsrXss[(int)value] = !Instructions.Wrmsr(NewProcessor(), ModelSpecificRegisters.Xss, RegisterValues.Of(value).Bits).IsFault;
        }
    }

    /// <summary>A processor whose XINUSE[9] stays 1 after WRPKRU, even of 0, and which has AMX.</summary>
    public static SwitchInstructions Intel { get; } = new(ProcessorProfiles.IntelSapphireRapids);

    /// <summary>A processor whose XINUSE[9] says whether PKRU is 0 now.</summary>
    public static SwitchInstructions Amd { get; } = new(ProcessorProfiles.AmdZen4);

    /// <summary>The processor has IA32_XFD.</summary>
    public bool HasXfd => _profile.HasXfd;

    /// <summary>RDPKRU; false when it is #UD.</summary>
    public bool Rdpkru(bool cr4Pke, PkruValue pkru, bool inUse, out PkruValue read)
    {
        Outcome outcome = _rdpkru[Index(cr4Pke) * RegisterStates + StateIndex(pkru, inUse)];
        read = outcome.Value;
        return outcome.Completes;
    }

    /// <summary>WRPKRU; false when it is #UD.</summary>
    public bool Wrpkru(bool cr4Pke, PkruValue value, ref PkruValue pkru, ref bool inUse)
    {
        Outcome outcome = _wrpkru[Index(cr4Pke) * Values + (int)value];
        if (outcome.Completes)
        {
            pkru = outcome.Value;
            inUse = outcome.Bit;
        }

        return outcome.Completes;
    }

    /// <summary>XSAVE with RFBM[9]; false when it is #UD or does not reach PKRU.</summary>
    public bool Xsave(bool cr4Osxsave, Xcr0Value xcr0, PkruValue pkru, bool inUse, out bool xstateBv9, out PkruValue stored)
    {
        Outcome outcome = _xsave[(Index(cr4Osxsave) * 2 + (int)xcr0) * RegisterStates + StateIndex(pkru, inUse)];
        xstateBv9 = outcome.Bit;
        stored = outcome.Value;
        return outcome.Completes;
    }

    /// <summary>
    /// XRSTOR with RFBM[9] from an image with the given XSTATE_BV[9] and PKRU; false when it faults or does not reach PKRU.
    /// </summary>
    public bool Xrstor(bool cr4Osxsave, Xcr0Value xcr0, bool xstateBv9, PkruValue image, ref PkruValue pkru, ref bool inUse)
    {
        Outcome outcome = _xrstor[((Index(cr4Osxsave) * 2 + (int)xcr0) * 2 + Index(xstateBv9)) * Values + (int)image];
        if (outcome.Completes)
        {
            pkru = outcome.Value;
            inUse = outcome.Bit;
        }

        return outcome.Completes;
    }

    /// <summary>XSETBV(0) at CPL 0; false when it is #UD or #GP.</summary>
    public bool Xsetbv(bool cr4Osxsave, Xcr0Value value) => _xsetbv[Index(cr4Osxsave) * 2 + (int)value];

    /// <summary>WRMSR of IA32_XSS at CPL 0; false when it is #GP.</summary>
    public bool WrmsrXss(XssValue value) => _wrmsrXss[(int)value];

    /// <summary>Whether an instruction that touches tile data raises #NM and sets IA32_XFD_ERR.</summary>
    public bool TileUseTrapsByXfd(bool cr4Osxsave, Xcr0Value xcr0, bool xfdArmed) =>
        _tileTrap[(Index(cr4Osxsave) * 2 + (int)xcr0) * 2 + Index(xfdArmed)];

    /// <summary>The number behind an XCR0 value on this processor.</summary>
    public StateComponentSet Of(Xcr0Value value)
    {
        StateComponentSet avx = StateComponentSet.Legacy.With(StateComponent.Avx);
        StateComponentSet tiles = StateComponentSet.Of(StateComponent.TileCfg, StateComponent.TileData) & _profile.UserComponents;
        return value == Xcr0Value.Host ? avx.With(StateComponent.Pkru) | tiles : avx;
    }

    private void FillPkruTables(bool cr4Pke)
    {
        Cr4 cr4 = cr4Pke ? Cr4.OsXsave | Cr4.ProtectionKeys : Cr4.OsXsave;
        foreach (PkruValue value in PkruValues)
        {
            foreach (bool inUse in (bool[])[false, true])
            {
                ProcessorState cpu = With(value, inUse);
                cpu.Cr4 = cr4;
                bool completes = !Instructions.Rdpkru(cpu, 0, out ulong read).IsFault;
                _rdpkru[Index(cr4Pke) * RegisterStates + StateIndex(value, inUse)] = completes
                    ? new Outcome(true, ValueOf(read), false) : default;
            }

            ProcessorState target = NewProcessor();
            target.Cr4 = cr4;
            bool written = !Instructions.Wrpkru(target, 0, RegisterValues.Of(value).Value).IsFault;
            _wrpkru[Index(cr4Pke) * Values + (int)value] = written ? OutcomeOf(target) : default;
        }
    }

    private void FillXsaveTables(bool osxsave)
    {
        foreach (Xcr0Value xcr0 in Xcr0Values)
        {
            int at = Index(osxsave) * 2 + (int)xcr0;
            foreach (PkruValue value in PkruValues)
            {
                foreach (bool inUse in (bool[])[false, true])
                {
                    _xsave[at * RegisterStates + StateIndex(value, inUse)] = RunXsave(Enable(With(value, inUse), osxsave, xcr0));
                    _xrstor[(at * 2 + Index(inUse)) * Values + (int)value] = RunXrstor(osxsave, xcr0, xstateBv9: inUse, value);
                }
            }

            ProcessorState cpu = Enable(NewProcessor(), osxsave, Xcr0Value.Host);
            _xsetbv[at] = !Instructions.Xsetbv(cpu, 0, Of(xcr0).Bits).IsFault;
            if (_profile.HasXfd)
            {
                foreach (bool armed in (bool[])[false, true])
                {
                    _tileTrap[at * 2 + Index(armed)] = RunTileInstruction(Enable(NewProcessor(), osxsave, xcr0), armed);
                }
            }
        }
    }

    /// <summary>Saves PKRU into an area that held another value, to see whether the instruction reached it.</summary>
    private Outcome RunXsave(ProcessorState cpu)
    {
        Span<byte> area = NewArea(out Span<byte> slot);
        const uint Untouched = 0xDEAD_BEEF;
        BinaryPrimitives.WriteUInt32LittleEndian(slot, Untouched);
        Fault fault = Instructions.Xsave(cpu, area, 0, StateComponentSet.Of(StateComponent.Pkru).Bits);
        uint stored = BinaryPrimitives.ReadUInt32LittleEndian(slot);
        return fault.IsFault || stored == Untouched
            ? default : new Outcome(true, ValueOf(stored), new XsaveArea(area).XstateBv.Contains(StateComponent.Pkru));
    }

    /// <summary>Restores PKRU over two different values: the instruction reached the register if both end up the same.</summary>
    private Outcome RunXrstor(bool osxsave, Xcr0Value xcr0, bool xstateBv9, PkruValue image)
    {
        Span<byte> area = NewArea(out Span<byte> slot);
        BinaryPrimitives.WriteUInt32LittleEndian(slot, RegisterValues.Of(image).Value);
        new XsaveAreaWriter(area).WriteXstateBv(xstateBv9 ? StateComponentSet.Of(StateComponent.Pkru) : StateComponentSet.Empty);
        Outcome reached = default;
        foreach (PkruValue before in (PkruValue[])[PkruValue.HostThread, PkruValue.Guest])
        {
            ProcessorState cpu = Enable(With(before, inUse: true), osxsave, xcr0);
            bool completes = !Instructions.Xrstor(cpu, area, 0, StateComponentSet.Of(StateComponent.Pkru).Bits).IsFault;
            Outcome outcome = OutcomeOf(cpu);
            if (!completes || (reached.Completes && reached != outcome))
            {
                return default;
            }

            reached = outcome;
        }

        return reached;
    }

    private static bool RunTileInstruction(ProcessorState cpu, bool armed)
    {
        bool exists = !Instructions.Tilerelease(cpu).IsFault;
        return exists
            && !Instructions.Wrmsr(cpu, ModelSpecificRegisters.Xfd, RegisterValues.Xfd(armed).Bits).IsFault
            && Instructions.UseState(cpu, StateComponentSet.Of(StateComponent.TileData)).IsFault
            && cpu.XfdErr.Contains(StateComponent.TileData);
    }

    private ProcessorState NewProcessor()
    {
        ProcessorState cpu = ProcessorState.ForUserProcess(_profile);
        cpu.Cpl = 0;
        return cpu;
    }

    /// <summary>
    /// A processor with a PKRU and its XINUSE[9]. Where XINUSE follows the value there is only one of the two, whatever is asked for.
    /// </summary>
    private ProcessorState With(PkruValue value, bool inUse)
    {
        ProcessorState cpu = NewProcessor();
        if (inUse || value != PkruValue.Initial)
        {
            cpu.Registers.Pkru = RegisterValues.Of(value);
        }

        return cpu;
    }

    private ProcessorState Enable(ProcessorState cpu, bool osxsave, Xcr0Value xcr0)
    {
        cpu.Cr4 = osxsave ? Cr4.OsXsave : Cr4.None;
        cpu.Xcr0 = Of(xcr0);
        return cpu;
    }

    private byte[] NewArea(out Span<byte> slot)
    {
        byte[] area = new byte[_profile.Layout.StandardLengthFor(_profile.UserComponents)];
        slot = _profile.Layout.TryGetSlot(StateComponent.Pkru, out XsaveSlot place)
            ? area.AsSpan(place.Offset, sizeof(uint))
            : throw new InvalidOperationException("a processor with protection keys enumerates component 9");
        return area;
    }

    private static Outcome OutcomeOf(ProcessorState cpu) =>
        new(true, ValueOf(cpu.Registers.Pkru.Value), cpu.Xinuse.Contains(StateComponent.Pkru));

    private static PkruValue ValueOf(ulong pkru) => Array.Find(PkruValues, value => RegisterValues.Of(value).Value == pkru);

    private static int Index(bool value) => value ? 1 : 0;

    private static int StateIndex(PkruValue pkru, bool inUse) => (int)pkru * 2 + Index(inUse);

    /// <summary>What an instruction did.</summary>
    /// <param name="Completes">It did not fault and reached PKRU.</param>
    /// <param name="Value">PKRU as read, stored or left behind.</param>
    /// <param name="Bit">XINUSE[9], or XSTATE_BV[9] of what was stored.</param>
    private readonly record struct Outcome(bool Completes, PkruValue Value, bool Bit);
}
