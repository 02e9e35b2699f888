namespace Xstate.WorldSwitch;

/// <summary>
/// One logical processor in 16 bits: the registers that neither VMCS nor VMCB switch (PKRU, XCR0, IA32_XSS, IA32_XFD, IA32_XFD_ERR), the masks that decide
/// which events can happen now, and whose code runs.
/// </summary>
public struct CpuState : IEquatable<CpuState>
{
    /// <summary>How many bits the state takes.</summary>
    internal const int BitCount = 16;

    private uint _bits;

    internal CpuState(uint bits)
    {
        _bits = bits;
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
        readonly get => (PkruValue)Get(0, 3);
        set => Set(0, 3, (uint)value);
    }

    /// <summary>XINUSE[9]: may be 1 for the initial value, must be 1 for any other (SDM Vol. 1, 13.6).</summary>
    public bool PkruInUse
    {
        readonly get => Get(2, 1) != 0;
        set => Set(2, 1, value ? 1u : 0);
    }

    /// <summary>The XCR0 register.</summary>
    public Xcr0Value Xcr0
    {
        readonly get => (Xcr0Value)Get(3, 1);
        set => Set(3, 1, (uint)value);
    }

    /// <summary>The IA32_XSS register.</summary>
    public XssValue Xss
    {
        readonly get => (XssValue)Get(4, 3);
        set => Set(4, 3, (uint)value);
    }

    /// <summary>IA32_XFD[18]: tile data is disabled and its use raises #NM.</summary>
    public bool XfdArmed
    {
        readonly get => Get(6, 1) != 0;
        set => Set(6, 1, value ? 1u : 0);
    }

    /// <summary>IA32_XFD_ERR[18].</summary>
    public bool XfdErr
    {
        readonly get => Get(7, 1) != 0;
        set => Set(7, 1, value ? 1u : 0);
    }

    /// <summary>AMD's global interrupt flag; always 1 on Intel.</summary>
    public bool Gif
    {
        readonly get => Get(8, 1) != 0;
        set => Set(8, 1, value ? 1u : 0);
    }

    /// <summary>RFLAGS.IF of the host.</summary>
    public bool InterruptsOn
    {
        readonly get => Get(9, 1) != 0;
        set => Set(9, 1, value ? 1u : 0);
    }

    /// <summary>Blocking by NMI: from the delivery of one (or a VMX exit that it caused) to the next IRET.</summary>
    public bool NmiBlocked
    {
        readonly get => Get(10, 1) != 0;
        set => Set(10, 1, value ? 1u : 0);
    }

    /// <summary>The kernel's preemption count is not zero.</summary>
    public bool PreemptionOff
    {
        readonly get => Get(11, 1) != 0;
        set => Set(11, 1, value ? 1u : 0);
    }

    /// <summary>The flag of the proposal that makes nmi_uaccess_okay() false on this processor.</summary>
    public bool UserAccessForbidden
    {
        readonly get => Get(12, 1) != 0;
        set => Set(12, 1, value ? 1u : 0);
    }

    /// <summary>Whose code runs.</summary>
    public World World
    {
        readonly get => (World)Get(13, 3);
        set => Set(13, 3, (uint)value);
    }

    /// <summary>Neither the scheduler nor an interrupt handler of the host can run now.</summary>
    public readonly bool IsClosed => World == World.Guest || PreemptionOff || !InterruptsOn || !Gif;

    internal readonly uint Bits => _bits;

    /// <inheritdoc/>
    public readonly bool Equals(CpuState other) => _bits == other._bits;

    /// <inheritdoc/>
    public override readonly bool Equals(object? obj) => obj is CpuState other && Equals(other);

    /// <inheritdoc/>
    public override readonly int GetHashCode() => (int)_bits;

    /// <summary>Equality by every bit.</summary>
    public static bool operator ==(CpuState left, CpuState right) => left.Equals(right);

    /// <summary>Inequality by any bit.</summary>
    public static bool operator !=(CpuState left, CpuState right) => !left.Equals(right);

    private readonly uint Get(int shift, uint mask) => _bits >> shift & mask;

    private void Set(int shift, uint mask, uint value) => _bits = _bits & ~(mask << shift) | value << shift;
}
