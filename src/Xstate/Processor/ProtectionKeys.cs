using Xstate.Architecture;

namespace Xstate.Processor;

/// <summary>What an access does.</summary>
internal enum AccessKind
{
    /// <summary>A data read.</summary>
    Read,

    /// <summary>A data write.</summary>
    Write,

    /// <summary>An instruction fetch, which no protection key restricts.</summary>
    Fetch,
}

/// <summary>An access to a page that its ordinary page-table rights allow.</summary>
/// <param name="IsUserPage">U/S is set at every level of the translation.</param>
/// <param name="Key">The protection key, bits 62:59 of the leaf entry.</param>
/// <param name="Kind">What is done.</param>
/// <param name="IsUserAccess">Whether CPL is 3 and the access is not an implicit supervisor access.</param>
/// <param name="Address">The linear address, for CR2.</param>
internal readonly record struct PageAccess(bool IsUserPage, int Key, AccessKind Kind, bool IsUserAccess, ulong Address = 0);

/// <summary>Protection keys (SDM Vol. 3A, 4.6.2), which exist in 4- and 5-level paging only and come after the ordinary rights.</summary>
internal static class ProtectionKeys
{
    /// <summary>
    /// Decides an access: allowed, or #PF with bits P and PK of the error code set. PKRU rules user pages, for supervisor accesses too;
    /// IA32_PKRS rules supervisor pages. Write-disable binds supervisor accesses only while CR0.WP is set.
    /// </summary>
    /// <param name="pkru">PKRU, heeded with CR4.PKE.</param>
    /// <param name="pkrs">IA32_PKRS, heeded with CR4.PKS.</param>
    /// <param name="cr0">CR0, for WP.</param>
    /// <param name="cr4">CR4, for PKE and PKS.</param>
    /// <param name="access">The access.</param>
    public static Fault Check(Pkru pkru, Pkru pkrs, Cr0 cr0, Cr4 cr4, PageAccess access)
    {
        Cr4 enabledBy = access.IsUserPage ? Cr4.ProtectionKeys : Cr4.SupervisorKeys;
        if ((cr4 & enabledBy) == Cr4.None || access.Kind == AccessKind.Fetch)
        {
            return Fault.None;
        }

        Pkru rights = access.IsUserPage ? pkru : pkrs;
        bool write = access.Kind == AccessKind.Write;
        bool writeBinds = access.IsUserAccess || (cr0 & Cr0.WriteProtect) != Cr0.None;
        if (!rights.AccessDisabled(access.Key) && !(write && writeBinds && rights.WriteDisabled(access.Key)))
        {
            return Fault.None;
        }

        PageFaultErrors errors = PageFaultErrors.Present | PageFaultErrors.ProtectionKey
            | (write ? PageFaultErrors.Write : PageFaultErrors.None)
            | (access.IsUserAccess ? PageFaultErrors.User : PageFaultErrors.None);
        return Fault.PageFault(errors, access.Address);
    }

    /// <summary>Decides an access with a processor's own registers.</summary>
    public static Fault Check(ProcessorState cpu, PageAccess access)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        return Check(cpu.Registers.Pkru, cpu.Pkrs, cpu.Cr0, cpu.Cr4, access);
    }
}
