namespace Xstate.Processor;

/// <summary>What no CR0 may hold, whoever writes it: MOV, a virtual-machine entry, KVM_SET_SREGS (SDM Vol. 2B, MOV).</summary>
internal static class Cr0Rules
{
    /// <summary>The first rule that a value breaks, as a noun phrase, or null.</summary>
    public static string? FirstViolation(ulong value)
    {
        bool Has(Cr0 bit) => ((Cr0)value & bit) != Cr0.None;
        return value >> 32 != 0 ? "bits above 31"
            : Has(Cr0.NotWriteThrough) && !Has(Cr0.CacheDisable) ? "NW without CD"
            : Has(Cr0.Paging) && !Has(Cr0.ProtectionEnable) ? "PG without PE"
            : null;
    }
}
