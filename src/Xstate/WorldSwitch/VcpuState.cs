namespace Xstate.WorldSwitch;

/// <summary>
/// One vCPU and the host thread that runs it, in 48 bits: where the thread stands in the protocol, what the hypervisor has saved, the
/// guest's control registers, and what the guest has reason to expect (nothing but the invariants reads the expectations).
/// </summary>
internal struct VcpuState : IEquatable<VcpuState>
{
    /// <summary>How many bits the state takes.</summary>
    internal const int BitCount = 48;

    private const int CpuShift = 6;
    private const ulong CpuMask = 7;

    private PackedBits _bits;

    internal VcpuState(ulong bits)
    {
        _bits = new PackedBits(bits);
    }

    /// <summary>The index of the thread's place in <see cref="SwitchProtocol.Locations"/>.</summary>
    public int Location
    {
        readonly get => (int)_bits[0, 63];
        set => _bits[0, 63] = (ulong)value;
    }

    /// <summary>The processor that the thread is on, or −1 when it is preempted.</summary>
    public int Cpu
    {
        readonly get => (int)_bits[CpuShift, CpuMask] - 1;
        set => _bits[CpuShift, CpuMask] = (ulong)(value + 1);
    }

    /// <summary>The guest's CR4.PKE.</summary>
    public bool Cr4Pke
    {
        readonly get => _bits[9];
        set => _bits[9] = value;
    }

    /// <summary>The guest's CR4.OSXSAVE.</summary>
    public bool Cr4Osxsave
    {
        readonly get => _bits[10];
        set => _bits[10] = value;
    }

    /// <summary>What the hypervisor believes the guest's XCR0 to be.</summary>
    public Xcr0Value Xcr0
    {
        readonly get => (Xcr0Value)_bits[11, 1];
        set => _bits[11, 1] = (ulong)value;
    }

    /// <summary>What the hypervisor has as the guest's IA32_XSS.</summary>
    public XssValue Xss
    {
        readonly get => (XssValue)_bits[12, 3];
        set => _bits[12, 3] = (ulong)value;
    }

    /// <summary>The hypervisor's copy of the guest's PKRU (vcpu->arch.pkru, vc_pkru).</summary>
    public PkruValue SavedPkru
    {
        readonly get => (PkruValue)_bits[14, 3];
        set => _bits[14, 3] = (ulong)value;
    }

    /// <summary>The hypervisor's copy of the host thread's PKRU (vcpu->arch.host_pkru).</summary>
    public PkruValue HostPkru
    {
        readonly get => (PkruValue)_bits[16, 3];
        set => _bits[16, 3] = (ulong)value;
    }

    /// <summary>The thread's PKRU while another task runs (thread.pkru).</summary>
    public PkruValue ThreadPkru
    {
        readonly get => (PkruValue)_bits[18, 3];
        set => _bits[18, 3] = (ulong)value;
    }

    /// <summary>The guest's IA32_XFD while it is not in the register (fpstate->xfd).</summary>
    public bool XfdArmed
    {
        readonly get => _bits[20];
        set => _bits[20] = value;
    }

    /// <summary>The hypervisor's copy of the guest's IA32_XFD_ERR.</summary>
    public bool SavedXfdErr
    {
        readonly get => _bits[21];
        set => _bits[21] = value;
    }

    /// <summary>XSTATE_BV[9] of the guest's saved image; 0 while the image is stale because the registers are live.</summary>
    public bool ImageHasPkru
    {
        readonly get => _bits[22];
        set => _bits[22] = value;
    }

    /// <summary>The guest's image is in memory and must be loaded before the next entry (TIF_NEED_FPU_LOAD).</summary>
    public bool NeedsFpuLoad
    {
        readonly get => _bits[23];
        set => _bits[23] = value;
    }

    /// <summary>Why the guest was left last.</summary>
    public ExitReason ExitReason
    {
        readonly get => (ExitReason)_bits[24, 3];
        set => _bits[24, 3] = (ulong)value;
    }

    /// <summary>The PKRU that the guest wrote last, or that user space set for it.</summary>
    public PkruValue ExpectedPkru
    {
        readonly get => (PkruValue)_bits[26, 3];
        set => _bits[26, 3] = (ulong)value;
    }

    /// <summary>The IA32_XFD_ERR that the guest has reason to read.</summary>
    public bool ExpectedXfdErr
    {
        readonly get => _bits[28];
        set => _bits[28] = value;
    }

    /// <summary>The outcome of a test that a later step acts on, where a protocol takes its tests one at a time.</summary>
    public bool TestOutcome
    {
        readonly get => _bits[29];
        set => _bits[29] = value;
    }

    /// <summary>Whether the thread is on a processor.</summary>
    public readonly bool IsOnCpu => _bits[CpuShift, CpuMask] != 0;

    internal readonly ulong Bits => _bits.Value;

    /// <summary>The bits without the number of the processor, to compare threads wherever they are.</summary>
    internal readonly ulong BitsWithoutCpu => _bits.Value & ~(CpuMask << CpuShift);

    /// <summary>The bits that say "on this processor".</summary>
    internal static ulong CpuField(int cpu) => (ulong)(cpu + 1) << CpuShift;

    /// <inheritdoc/>
    public readonly bool Equals(VcpuState other) => _bits.Value == other._bits.Value;

    /// <inheritdoc/>
    public override readonly bool Equals(object? obj) => obj is VcpuState other && Equals(other);

    /// <inheritdoc/>
    public override readonly int GetHashCode() => _bits.Value.GetHashCode();

    /// <summary>Equality by every bit.</summary>
    public static bool operator ==(VcpuState left, VcpuState right) => left.Equals(right);

    /// <summary>Inequality by any bit.</summary>
    public static bool operator !=(VcpuState left, VcpuState right) => !left.Equals(right);
}
