using Xstate.Architecture;

namespace Xstate.Processor;

/// <summary>
/// One logical processor, as far as the XSAVE feature set and protection keys can see it: registers, control registers and mode. Mutable;
/// not for use by two threads at once. A new one is in the state that RESET leaves.
/// </summary>
/// <threadsafety>One thread at a time: it is the state of one processor.</threadsafety>
public sealed class ProcessorState
{
    private const ulong FfxsrBit = 1UL << 14;
    private StateComponentSet _xcr0;
    private StateComponentSet _xss;
    private StateComponentSet _xfd;
    private int _cpl;

    /// <summary>A processor after power-up.</summary>
    public ProcessorState(ProcessorProfile profile)
    {
        ArgumentNullException.ThrowIfNull(profile);
        Profile = profile;
        Registers = new RegisterFile(profile.Layout);
        Reset();
    }

    /// <summary>What the processor offers.</summary>
    public ProcessorProfile Profile { get; }

    /// <summary>The registers of all components.</summary>
    public RegisterFile Registers { get; }

    /// <summary>CR0.</summary>
    public Cr0 Cr0 { get; set; }

    /// <summary>CR4.</summary>
    public Cr4 Cr4 { get; set; }

    /// <summary>IA32_EFER. Only FFXSR (bit 14) is looked at.</summary>
    public ulong Efer { get; set; }

    /// <summary>The current privilege level, 0 to 3.</summary>
    public int Cpl
    {
        get => _cpl;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(value, 3);
            _cpl = value;
        }
    }

    /// <summary>Whether code runs in 64-bit mode, rather than in compatibility mode or any older mode.</summary>
    public bool Is64BitMode { get; set; }

    /// <summary>Whether the processor runs a guest in VMX non-root operation; part of XRSTOR_INFO.</summary>
    public bool VmxNonRoot { get; set; }

    /// <summary>Whether alignment is checked now: CR0.AM and EFLAGS.AC are set and CPL is 3.</summary>
    public bool AlignmentCheck { get; set; }

    /// <summary>
    /// XCR0. Setting it directly is what a hypervisor or debugger does; guest software goes through <see cref="Instructions.Xsetbv"/>,
    /// which checks the value.
    /// </summary>
    /// <exception cref="ArgumentException">The value names components that the processor does not have.</exception>
    public StateComponentSet Xcr0
    {
        get => _xcr0;
        set => _xcr0 = Within(value, Profile.UserComponents.With(StateComponent.X87), nameof(Xcr0));
    }

    /// <summary>IA32_XSS.</summary>
    /// <exception cref="ArgumentException">The value names components that the processor does not have.</exception>
    public StateComponentSet Xss
    {
        get => _xss;
        set => _xss = Within(value, Profile.SupervisorComponents, nameof(Xss));
    }

    /// <summary>IA32_XFD.</summary>
    /// <exception cref="ArgumentException">The value names components that cannot be disabled.</exception>
    public StateComponentSet Xfd
    {
        get => _xfd;
        set => _xfd = Within(value, Profile.XfdComponents, nameof(Xfd));
    }

    /// <summary>IA32_XFD_ERR: the components whose absence raised the last #NM that IA32_XFD caused.</summary>
    public StateComponentSet XfdErr { get; set; }

    /// <summary>IA32_PKRS, the protection-key rights of supervisor pages.</summary>
    public Pkru Pkrs { get; set; }

    /// <summary>What the last restore was.</summary>
    internal XrstorInfo LastRestore { get; set; }

    /// <summary>Components that XCR0 or IA32_XSS enable.</summary>
    public StateComponentSet Enabled => _xcr0 | _xss;

    /// <summary>XINUSE, decided as the profile does. Components that the processor does not have are 0.</summary>
    public StateComponentSet Xinuse => XinuseOf(Profile.Components);

    /// <summary>XMODIFIED.</summary>
    public StateComponentSet Xmodified => Registers.Modified & Profile.Components;

    internal StateComponentSet EffectiveXfd => _xcr0 & _xfd;

    internal bool FastFxsave => (Efer & FfxsrBit) != 0 && Cpl == 0 && Is64BitMode;

    /// <summary>
    /// A processor as an ordinary process finds it under an operating system that enables everything: 64-bit mode, CPL 3, CR4.OSXSAVE and,
    /// with protection keys, CR4.PKE set, all user components in XCR0 and all registers initial.
    /// </summary>
    public static ProcessorState ForUserProcess(ProcessorProfile profile)
    {
        ArgumentNullException.ThrowIfNull(profile);
        ProcessorState state = new(profile)
        {
            Cr0 = Cr0.ProtectionEnable | Cr0.ExtensionType | Cr0.WriteProtect | Cr0.Paging,
            Cr4 = Cr4.OsFxsr | (profile.HasXsave ? Cr4.OsXsave : Cr4.None) | (profile.HasProtectionKeys ? Cr4.ProtectionKeys : Cr4.None),
            Cpl = 3,
            Is64BitMode = true,
            Xcr0 = profile.UserComponents.With(StateComponent.X87),
        };
        state.Registers.Initialize(state.Registers.Components);
        return state;
    }

    /// <summary>Power-up and RESET: every row of <see cref="ResetTable"/> for what this processor has.</summary>
    public void Reset()
    {
        foreach (StateComponent component in Registers.Components)
        {
            bool powerUp = ResetTable.Of(component).Reset == ResetEffect.X87PowerUp && !Profile.Has(ProcessorQuirks.ResetX87AsInitial);
            Registers.Initialize(StateComponentSet.Of(component));
            if (component == StateComponent.Lbr)
            {
                Registers.Bytes(component).Clear();
            }

            if (powerUp)
            {
                Registers.X87.PowerUp();
            }
        }

        foreach (ControlReset row in ResetTable.Registers)
        {
            Set(row.Register, row.ResetValue);
        }

        LeaveToFirmware();
    }

    /// <summary>INIT: every row of <see cref="ResetTable"/> for what this processor has.</summary>
    public void Init()
    {
        Registers.Initialize(ResetTable.InitializedByInit(Registers.Components));
        foreach (ControlReset row in ResetTable.Registers)
        {
            ulong? value = row.Register == ControlRegister.Xss && Profile.Has(ProcessorQuirks.InitClearsXss) ? 0 : row.InitValue;
            if (value is { } set)
            {
                bool resets = row.Register == ControlRegister.Cr0 && Profile.Has(ProcessorQuirks.InitResetsCr0);
                ulong kept = resets ? row.ResetValue : Get(row.Register);
                Set(row.Register, row.InitKeeps == 0 ? set : set | (kept & row.InitKeeps));
            }
        }

        LeaveToFirmware();
    }

    /// <summary>
    /// CPUID as software sees it now: the enumeration of the profile with the bits that follow other registers, which are OSXSAVE, OSPKE
    /// and the two sizes of leaf
    /// 0xD (SDM Vol. 2A, CPUID).
    /// </summary>
    public CpuidRegisters Cpuid(uint leaf, uint subleaf = 0)
    {
        CpuidRegisters answer = Profile.Cpuid.Read(leaf, subleaf);
        return (leaf, subleaf) switch
        {
            (1, _) => answer with { Ecx = WithBit(answer.Ecx, 27, (Cr4 & Cr4.OsXsave) != Cr4.None) },
            (7, 0) => answer with { Ecx = WithBit(answer.Ecx, 4, (Cr4 & Cr4.ProtectionKeys) != Cr4.None) },
            (CpuidTable.XsaveLeaf, 0) when Profile.HasXsave => answer with { Ebx = (uint)Profile.Layout.StandardLengthFor(_xcr0) },
            (CpuidTable.XsaveLeaf, 1) when Profile.HasXsaves => answer with { Ebx = (uint)Profile.Layout.CompactedLengthFor(Enabled) },
            (CpuidTable.XsaveLeaf, 1) when Profile.HasXsavec => answer with { Ebx = (uint)Profile.Layout.CompactedLengthFor(_xcr0) },
            _ => answer,
        };
    }

    /// <summary>Makes this processor a copy of another with the same profile.</summary>
    /// <exception cref="ArgumentException">The profiles differ.</exception>
    public void CopyFrom(ProcessorState other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (!ReferenceEquals(Profile, other.Profile))
        {
            throw new ArgumentException("the state of one processor profile cannot be copied to another", nameof(other));
        }

        Registers.CopyFrom(other.Registers);
        Cr0 = other.Cr0;
        Cr4 = other.Cr4;
        Efer = other.Efer;
        _cpl = other._cpl;
        Is64BitMode = other.Is64BitMode;
        VmxNonRoot = other.VmxNonRoot;
        AlignmentCheck = other.AlignmentCheck;
        _xcr0 = other._xcr0;
        _xss = other._xss;
        _xfd = other._xfd;
        XfdErr = other.XfdErr;
        Pkrs = other.Pkrs;
        LastRestore = other.LastRestore;
    }

    /// <summary>A copy that can go its own way.</summary>
    public ProcessorState Clone()
    {
        ProcessorState copy = new(Profile);
        copy.CopyFrom(this);
        return copy;
    }

    /// <summary>Whether every register, and everything the processor remembers about them, is the same.</summary>
    public bool HasSameContentAs(ProcessorState other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return ReferenceEquals(Profile, other.Profile)
            && Registers.SameContent(other.Registers)
            && (Cr0, Cr4, Efer, _cpl, Is64BitMode, VmxNonRoot, AlignmentCheck) ==
               (other.Cr0, other.Cr4, other.Efer, other._cpl, other.Is64BitMode, other.VmxNonRoot, other.AlignmentCheck)
            && (_xcr0, _xss, _xfd, XfdErr, Pkrs, LastRestore) ==
               (other._xcr0, other._xss, other._xfd, other.XfdErr, other.Pkrs, other.LastRestore);
    }

    /// <summary>XINUSE of some components, without looking at the others.</summary>
    internal StateComponentSet XinuseOf(StateComponentSet components)
    {
        ulong inUse = (Profile.XinuseAlwaysOne & components).Bits;
        foreach (StateComponent component in components.Except(Profile.XinuseAlwaysOne))
        {
            bool used = Profile.XinuseByValue.Contains(component) || HidesRegistersOf(component)
                ? IsInUseByValue(component)
                : Registers.History.Contains(component);
            inUse |= used ? 1UL << (int)component : 0;
        }

        return new StateComponentSet(inUse);
    }

    private static uint WithBit(uint register, int bit, bool value) => value ? register | 1U << bit : register & ~(1U << bit);

    private static StateComponentSet Within(StateComponentSet value, StateComponentSet supported, string register) =>
        supported.ContainsAll(value)
            ? value
            : throw new ArgumentException($"{register} cannot be {value}: the processor supports {supported.Describe()}", nameof(value));

    // Outside 64-bit mode half of the vector registers cannot be reached, and XINUSE looks at the other half (SDM Vol. 1, 13.6).
    private bool HidesRegistersOf(StateComponent component) => !Is64BitMode && !Profile.HiddenRegistersInUse
        && (Profile.HiddenHalvesInUse ? component == StateComponent.Hi16Zmm : ModeVisibility.HidesPartOf(component));

    private bool IsInUseByValue(StateComponent component)
    {
        if (Profile.CetXinuseMistaken && component is StateComponent.CetU or StateComponent.CetS)
        {
            ReadOnlySpan<byte> cet = Registers.Read(component);
            return component == StateComponent.CetU ? !cet.ContainsAnyExcept((byte)0) : cet[..sizeof(ulong)].ContainsAnyExcept((byte)0);
        }

        if (!HidesRegistersOf(component))
        {
            return !Registers.IsInitial(component, Profile.X87XinuseIgnoresPointers);
        }

        ReadOnlySpan<byte> bytes = Registers.Read(component);
        return (component == StateComponent.Hi16Zmm && Profile.Hi16ZmmInUseOutside64BitMode)
            || bytes[..ModeVisibility.VisibleLength(component, bytes.Length, is64BitMode: false)].ContainsAnyExcept((byte)0);
    }

    private void LeaveToFirmware()
    {
        _cpl = 0;
        Is64BitMode = false;
        VmxNonRoot = false;
        AlignmentCheck = false;
        LastRestore = default;
    }

    private ulong Get(ControlRegister register) => register switch
    {
        ControlRegister.Cr0 => (ulong)Cr0,
        ControlRegister.Cr4 => (ulong)Cr4,
        ControlRegister.Efer => Efer,
        ControlRegister.Mxcsr => Registers.Mxcsr,
        ControlRegister.Xcr0 => _xcr0.Bits,
        ControlRegister.Xss => _xss.Bits,
        ControlRegister.Xfd => _xfd.Bits,
        ControlRegister.XfdErr => XfdErr.Bits,
        ControlRegister.Pkrs => Pkrs.Value,
        _ => throw new ArgumentOutOfRangeException(nameof(register)),
    };

    private void Set(ControlRegister register, ulong value)
    {
        switch (register)
        {
            case ControlRegister.Cr0:
                Cr0 = (Cr0)value;
                break;
            case ControlRegister.Cr4:
                Cr4 = (Cr4)value;
                break;
            case ControlRegister.Efer:
                Efer = value;
                break;
            case ControlRegister.Mxcsr:
                Registers.Mxcsr = (uint)value;
                break;
            case ControlRegister.Xcr0:
                _xcr0 = new StateComponentSet(value);
                break;
            case ControlRegister.Xss:
                _xss = new StateComponentSet(value);
                break;
            case ControlRegister.Xfd:
                _xfd = new StateComponentSet(value);
                break;
            case ControlRegister.XfdErr:
                XfdErr = new StateComponentSet(value);
                break;
            case ControlRegister.Pkrs:
                Pkrs = new Pkru((uint)value);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(register));
        }
    }
}
