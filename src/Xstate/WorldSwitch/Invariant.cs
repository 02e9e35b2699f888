using System.Collections.Immutable;

namespace Xstate.WorldSwitch;

/// <summary>What must hold in every interleaving.</summary>
internal enum Invariant : byte
{
    /// <summary>A guest reads only the PKRU that it wrote.</summary>
    GuestObservesHostPkru,

    /// <summary>Host code touches user memory under the PKRU of the thread that owns it.</summary>
    HostUserAccessUnderGuestPkru,

    /// <summary>What the guest wrote to PKRU is what the hypervisor saves and GET_XSAVE reports.</summary>
    GuestPkruLost,

    /// <summary>The host saves and restores its FPU state under its own XCR0.</summary>
    HostXsaveUnderGuestXcr0,

    /// <summary>The host saves and restores its FPU state under its own IA32_XSS.</summary>
    HostXsavesUnderGuestXss,

    /// <summary>IA32_XFD_ERR of one guest is seen neither by the host nor by another guest.</summary>
    XfdErrLeaks,

    /// <summary>An image or XGETBV(1) never calls PKRU initial while the guest's PKRU is not.</summary>
    XinuseInvalid,
}

/// <summary>An invariant's public name and what it says.</summary>
/// <param name="Invariant">Which.</param>
/// <param name="Id">The name in the command line and in JSON; never changed.</param>
/// <param name="Statement">What must hold.</param>
/// <param name="Violated">What happened when it does not, as a clause for traces.</param>
internal sealed record InvariantInfo(Invariant Invariant, string Id, string Statement, string Violated);

/// <summary>All invariants.</summary>
internal static class Invariants
{
    /// <summary>Every invariant, in the order of the enumeration.</summary>
    public static ImmutableArray<InvariantInfo> All { get; } =
    [
        new(
            Invariant.GuestObservesHostPkru,
            "guest-observes-host-pkru",
            "A guest that reads PKRU, by RDPKRU, by XSAVE or by a checked memory access, finds the value that it wrote last.",
            "the guest reads a PKRU that it never wrote"),
        new(
            Invariant.HostUserAccessUnderGuestPkru,
            "host-user-access-under-guest-pkru",
            "Host code that reads user memory runs under the PKRU of the thread that owns this memory.",
            "host code reads user memory under a PKRU that is not the thread's"),
        new(
            Invariant.GuestPkruLost,
            "guest-pkru-lost",
            "After an exit the hypervisor has saved the PKRU that the guest wrote last, and GET_XSAVE reports it.",
            "the PKRU that is saved for the guest is not the one that it wrote last"),
        new(
            Invariant.HostXsaveUnderGuestXcr0,
            "host-xsave-under-guest-xcr0",
            "The host executes XSAVE and XRSTOR for itself only under its own XCR0.",
            "the host saves or restores FPU state under the guest's XCR0"),
        new(
            Invariant.HostXsavesUnderGuestXss,
            "host-xsaves-under-guest-xss",
            "The host executes XSAVES and XRSTORS for itself only under its own IA32_XSS.",
            "the host saves or restores FPU state under the guest's IA32_XSS"),
        new(
            Invariant.XfdErrLeaks,
            "xfd-err-leaks",
            "IA32_XFD_ERR is 0 whenever host code may look at it, and a guest reads only its own.",
            "IA32_XFD_ERR of a guest is visible outside it"),
        new(
            Invariant.XinuseInvalid,
            "xinuse-invalid",
            "No XSAVE image says that PKRU is in its initial configuration while the guest's PKRU is not (the reverse is legal: SDM Vol. "
            + "1, 13.6).",
            "an image calls PKRU initial although the guest's PKRU is not"),
    ];

    /// <summary>The entry of an invariant.</summary>
    public static InvariantInfo Of(Invariant invariant) => All[(int)invariant];
}

/// <summary>A set of invariants, kept in one byte because every transition carries one.</summary>
internal readonly record struct InvariantSet(byte Bits)
{
    public bool IsEmpty => Bits == 0;

    public bool Contains(Invariant invariant) => (Bits >> (int)invariant & 1) != 0;

    public InvariantSet With(Invariant invariant) => new((byte)(Bits | 1 << (int)invariant));

    public InvariantSet Except(InvariantSet other) => new((byte)(Bits & ~other.Bits));

    public static InvariantSet operator |(InvariantSet left, InvariantSet right) => new((byte)(left.Bits | right.Bits));
}
