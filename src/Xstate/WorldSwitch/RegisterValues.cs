using Xstate.Architecture;

namespace Xstate.WorldSwitch;

/// <summary>
/// The PKRU values that a protocol is explored with. Three are enough: the initial value (XINUSE may be 0), the one that the host thread
/// runs with, and one that only a guest would choose. A guest may write each of them, so that "equal to the host's by chance" is explored
/// as well.
/// </summary>
internal enum PkruValue : byte
{
    /// <summary>0, the initial configuration: every key open.</summary>
    Initial,

    /// <summary>What Linux gives a thread: key 0 open, the others closed.</summary>
    HostThread,

    /// <summary>A value that no host thread has.</summary>
    Guest,
}

/// <summary>The XCR0 values that a protocol is explored with.</summary>
internal enum Xcr0Value : byte
{
    /// <summary>The host's own value, PKRU and the tiles included. A guest may choose it too; KVM then skips its XSETBV.</summary>
    Host,

    /// <summary>x87, SSE and AVX only: PKRU out of the reach of XSAVE, and different from the host's value.</summary>
    WithoutPkru,
}

/// <summary>The IA32_XSS values that a protocol is explored with.</summary>
internal enum XssValue : byte
{
    /// <summary>The host's own value (CET_U: Linux with user shadow stacks, 6.6), which no guest is explored with.</summary>
    Host,

    /// <summary>0: what every guest starts with, and the only value KVM accepts before 6.18.</summary>
    Zero,

    /// <summary>CET_U and CET_S (KVM since 6.18).</summary>
    Cet,
}

/// <summary>Whose code a logical processor executes.</summary>
internal enum World : byte
{
    /// <summary>The host kernel.</summary>
    HostKernel,

    /// <summary>The VMM's user space.</summary>
    HostUser,

    /// <summary>The guest (VMX non-root operation, SVM guest mode).</summary>
    Guest,

    /// <summary>Another host task, or nothing: no vCPU thread is here.</summary>
    OtherTask,
}

/// <summary>What ended the last stay in the guest, as far as the steps behind the exit must know it.</summary>
internal enum ExitReason : byte
{
    /// <summary>An external interrupt or an intercepted instruction; the handler finds out which.</summary>
    Ordinary,

    /// <summary>An NMI (VMX with NMI exiting: the exit consumes it, so the host must call its handler).</summary>
    Nmi,

    /// <summary>#NM with IA32_XFD_ERR set by the processor.</summary>
    DeviceNotAvailable,

    /// <summary>A machine check.</summary>
    MachineCheck,
}

/// <summary>
/// The numbers that the values stand for, in one place. XCR0 depends on the processor: <see cref="SwitchInstructions.Of"/>.
/// </summary>
internal static class RegisterValues
{
    /// <summary>The register value.</summary>
    public static Pkru Of(PkruValue value) => value switch
    {
        PkruValue.Initial => new Pkru(0),
        PkruValue.HostThread => Pkru.LinuxDefault,
        PkruValue.Guest => new Pkru(0xC),
        _ => throw new ArgumentOutOfRangeException(nameof(value)),
    };

    /// <summary>The register value.</summary>
    public static StateComponentSet Of(XssValue value) => value switch
    {
        XssValue.Host => StateComponentSet.Of(StateComponent.CetU),
        XssValue.Zero => StateComponentSet.Empty,
        XssValue.Cet => StateComponentSet.Of(StateComponent.CetU, StateComponent.CetS),
        _ => throw new ArgumentOutOfRangeException(nameof(value)),
    };

    /// <summary>IA32_XFD with tile data disabled, the only bit that a processor offers so far, or 0.</summary>
    public static StateComponentSet Xfd(bool tileDataDisabled) => tileDataDisabled
        ? StateComponentSet.Of(StateComponent.TileData) : default;
}
