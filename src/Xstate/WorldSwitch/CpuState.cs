namespace Xstate.WorldSwitch;

/// <summary>
/// One logical processor in 16 bits: the registers that neither VMCS nor VMCB switch (PKRU, XCR0, IA32_XSS, IA32_XFD, IA32_XFD_ERR), the
/// masks that decide which events can happen now, and whose code runs.
/// </summary>
internal struct CpuState : IEquatable<CpuState>
{
    /// <summary>How many bits the state takes.</summary>
    internal const int BitCount = 16;

    private PackedBits _bits;

    internal CpuState(uint bits)
    {
        _bits = new PackedBits(bits);
    }

    /// <summary>A processor that runs another host task: the host's registers, nothing masked.</summary>
    public static CpuState WithOtherTask => new()
    {
        Pkru = PkruValue.HostThread,
        PkruInUse = true,
        XfdArmed = true,
        Gif = true,
        InterruptsOn = true,
        World = World.OtherTask,
    };

    /// <summary>The PKRU register.</summary>
    public PkruValue Pkru
    {
        readonly get => (PkruValue)_bits[0, 3];
        set => _bits[0, 3] = (ulong)value;
    }

    /// <summary>XINUSE[9]: may be 1 for the initial value, must be 1 for any other (SDM Vol. 1, 13.6).</summary>
    public bool PkruInUse
    {
        readonly get => _bits[2];
        set => _bits[2] = value;
    }

    /// <summary>The XCR0 register.</summary>
    public Xcr0Value Xcr0
    {
        readonly get => (Xcr0Value)_bits[3, 1];
        set => _bits[3, 1] = (ulong)value;
    }

    /// <summary>The IA32_XSS register.</summary>
    public XssValue Xss
    {
        readonly get => (XssValue)_bits[4, 3];
        set => _bits[4, 3] = (ulong)value;
    }

    /// <summary>IA32_XFD[18]: tile data is disabled and its use raises #NM.</summary>
    public bool XfdArmed
    {
        readonly get => _bits[6];
        set => _bits[6] = value;
    }

    /// <summary>IA32_XFD_ERR[18].</summary>
    public bool XfdErr
    {
        readonly get => _bits[7];
        set => _bits[7] = value;
    }

    /// <summary>AMD's global interrupt flag; always 1 on Intel.</summary>
    public bool Gif
    {
        readonly get => _bits[8];
        set => _bits[8] = value;
    }

    /// <summary>RFLAGS.IF of the host.</summary>
    public bool InterruptsOn
    {
        readonly get => _bits[9];
        set => _bits[9] = value;
    }

    /// <summary>Blocking by NMI: from the delivery of one (or a VMX exit that it caused) to the next IRET.</summary>
    public bool NmiBlocked
    {
        readonly get => _bits[10];
        set => _bits[10] = value;
    }

    /// <summary>The kernel's preemption count is not zero.</summary>
    public bool PreemptionOff
    {
        readonly get => _bits[11];
        set => _bits[11] = value;
    }

    /// <summary>The flag of the proposal that makes nmi_uaccess_okay() false on this processor.</summary>
    public bool UserAccessForbidden
    {
        readonly get => _bits[12];
        set => _bits[12] = value;
    }

    /// <summary>Whose code runs.</summary>
    public World World
    {
        readonly get => (World)_bits[13, 3];
        set => _bits[13, 3] = (ulong)value;
    }

    /// <summary>Neither the scheduler nor an interrupt handler of the host can run now.</summary>
    public readonly bool IsClosed => World == World.Guest || PreemptionOff || !InterruptsOn || !Gif;

    internal readonly uint Bits => (uint)_bits.Value;

    /// <inheritdoc/>
    public readonly bool Equals(CpuState other) => _bits.Value == other._bits.Value;

    /// <inheritdoc/>
    public override readonly bool Equals(object? obj) => obj is CpuState other && Equals(other);

    /// <inheritdoc/>
    public override readonly int GetHashCode() => _bits.Value.GetHashCode();

    /// <summary>Equality by every bit.</summary>
    public static bool operator ==(CpuState left, CpuState right) => left.Equals(right);

    /// <summary>Inequality by any bit.</summary>
    public static bool operator !=(CpuState left, CpuState right) => !left.Equals(right);
}
