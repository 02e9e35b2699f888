namespace Xstate.WorldSwitch;

/// <summary>Where KVM exchanges XCR0, IA32_XSS and PKRU.</summary>
internal enum XcrPlace
{
    /// <summary>
    /// XCR0 in vcpu_enter_guest(), given back only after the vendor's run function with its #MC handling; PKRU next to the entry (before
    /// 1811d979c716).
    /// </summary>
    AroundRun,

    /// <summary>All in the vendor's run function, next to the entry (5.1 to 6.18, commits 1811d979c716 and 37486135d3a7).</summary>
    InsideRun,

    /// <summary>All in vcpu_enter_guest(), around the loop of the fast path (6.19, commits 75c69c82f211 and 7649412af3ea).</summary>
    AroundFastpath,
}
