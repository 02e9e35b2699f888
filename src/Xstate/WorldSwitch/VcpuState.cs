namespace Xstate.WorldSwitch;

/// <summary>
/// One vCPU and the host thread that runs it, in 48 bits: where the thread stands in the protocol, what the hypervisor has saved, the guest's control registers, and what the
/// guest has reason to expect (nothing but the invariants reads the expectations).
/// </summary>
public struct VcpuState : IEquatable<VcpuState>
{
    /// <summary>How many bits the state takes.</summary>
    internal const int BitCount = 48;

    private const int CpuShift = 6;
    private const ulong CpuMask = 7;

    private ulong _bits;

    internal VcpuState(ulong bits)
    {
        _bits = bits;
    }

    /// <summary>The index of the thread's place in <see cref="SwitchProtocol.Locations"/>.</summary>
    public int Location
    {
        readonly get => (int)Get(0, 63);
        set => Set(0, 63, (ulong)value);
    }

    /// <summary>The processor that the thread is on, or −1 when it is preempted.</summary>
    public int Cpu
    {
        readonly get => (int)Get(CpuShift, CpuMask) - 1;
        set => Set(CpuShift, CpuMask, (ulong)(value + 1));
    }

    /// <summary>The guest's CR4.PKE.</summary>
    public bool Cr4Pke
    {
        readonly get => Get(9, 1) != 0;
        set => Set(9, 1, value ? 1u : 0);
    }

    /// <summary>The guest's CR4.OSXSAVE.</summary>
    public bool Cr4Osxsave
    {
        readonly get => Get(10, 1) != 0;
        set => Set(10, 1, value ? 1u : 0);
    }

    /// <summary>What the hypervisor believes the guest's XCR0 to be.</summary>
    public Xcr0Value Xcr0
    {
        readonly get => (Xcr0Value)Get(11, 1);
        set => Set(11, 1, (ulong)value);
    }

    /// <summary>What the hypervisor has as the guest's IA32_XSS.</summary>
    public XssValue Xss
    {
        readonly get => (XssValue)Get(12, 3);
        set => Set(12, 3, (ulong)value);
    }

    /// <summary>The hypervisor's copy of the guest's PKRU (vcpu->arch.pkru, vc_pkru).</summary>
    public PkruValue SavedPkru
    {
        readonly get => (PkruValue)Get(14, 3);
        set => Set(14, 3, (ulong)value);
    }

    /// <summary>The hypervisor's copy of the host thread's PKRU (vcpu->arch.host_pkru).</summary>
    public PkruValue HostPkru
    {
        readonly get => (PkruValue)Get(16, 3);
        set => Set(16, 3, (ulong)value);
    }

    /// <summary>The thread's PKRU while another task runs (thread.pkru).</summary>
    public PkruValue ThreadPkru
    {
        readonly get => (PkruValue)Get(18, 3);
        set => Set(18, 3, (ulong)value);
    }

    /// <summary>The guest's IA32_XFD while it is not in the register (fpstate->xfd).</summary>
    public bool XfdArmed
    {
        readonly get => Get(20, 1) != 0;
        set => Set(20, 1, value ? 1u : 0);
    }

    /// <summary>The hypervisor's copy of the guest's IA32_XFD_ERR.</summary>
    public bool SavedXfdErr
    {
        readonly get => Get(21, 1) != 0;
        set => Set(21, 1, value ? 1u : 0);
    }

    /// <summary>XSTATE_BV[9] of the guest's saved image; 0 while the image is stale because the registers are live.</summary>
    public bool ImageHasPkru
    {
        readonly get => Get(22, 1) != 0;
        set => Set(22, 1, value ? 1u : 0);
    }

    /// <summary>The guest's image is in memory and must be loaded before the next entry (TIF_NEED_FPU_LOAD).</summary>
    public bool NeedsFpuLoad
    {
        readonly get => Get(23, 1) != 0;
        set => Set(23, 1, value ? 1u : 0);
    }

    /// <summary>Why the guest was left last.</summary>
    public ExitReason ExitReason
    {
        readonly get => (ExitReason)Get(24, 3);
        set => Set(24, 3, (ulong)value);
    }

    /// <summary>The PKRU that the guest wrote last, or that user space set for it.</summary>
    public PkruValue ExpectedPkru
    {
        readonly get => (PkruValue)Get(26, 3);
        set => Set(26, 3, (ulong)value);
    }

    /// <summary>The IA32_XFD_ERR that the guest has reason to read.</summary>
    public bool ExpectedXfdErr
    {
        readonly get => Get(28, 1) != 0;
        set => Set(28, 1, value ? 1u : 0);
    }

    /// <summary>The outcome of a test that a later step acts on, where a protocol takes its tests one at a time.</summary>
    public bool TestOutcome
    {
        readonly get => Get(29, 1) != 0;
        set => Set(29, 1, value ? 1u : 0);
    }

    /// <summary>Whether the thread is on a processor.</summary>
    public readonly bool IsOnCpu => Get(CpuShift, CpuMask) != 0;

    internal readonly ulong Bits => _bits;

    /// <summary>The bits without the number of the processor, to compare threads wherever they are.</summary>
    internal readonly ulong BitsWithoutCpu => _bits & ~(CpuMask << CpuShift);

    /// <summary>The bits that say "on this processor".</summary>
    internal static ulong CpuField(int cpu) => (ulong)(cpu + 1) << CpuShift;

    /// <inheritdoc/>
    public readonly bool Equals(VcpuState other) => _bits == other._bits;

    /// <inheritdoc/>
    public override readonly bool Equals(object? obj) => obj is VcpuState other && Equals(other);

    /// <inheritdoc/>
    public override readonly int GetHashCode() => _bits.GetHashCode();

    /// <summary>Equality by every bit.</summary>
    public static bool operator ==(VcpuState left, VcpuState right) => left.Equals(right);

    /// <summary>Inequality by any bit.</summary>
    public static bool operator !=(VcpuState left, VcpuState right) => !left.Equals(right);

    private readonly ulong Get(int shift, ulong mask) => _bits >> shift & mask;

    private void Set(int shift, ulong mask, ulong value) => _bits = _bits & ~(mask << shift) | value << shift;
}
