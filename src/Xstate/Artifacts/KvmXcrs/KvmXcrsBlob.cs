using System.Collections.Immutable;
using Xstate.Architecture;

namespace Xstate.Artifacts.KvmXcrs;

/// <summary>One struct kvm_xcr.</summary>
/// <param name="Xcr">Extended control register; 0 is XCR0, and no other exists.</param>
/// <param name="Reserved">A word that kernels leave zero and do not look at.</param>
/// <param name="Value">The register's value.</param>
internal readonly record struct KvmXcrsEntry(uint Xcr, uint Reserved, ulong Value);

/// <summary>struct kvm_xcrs as KVM_GET_XCRS fills it, kept bit for bit: the count may lie about the entries.</summary>
/// <param name="Count">nr_xcrs.</param>
/// <param name="Flags">flags; KVM refuses any that is set.</param>
/// <param name="Entries">All sixteen entries.</param>
/// <param name="Padding">The sixteen padding words.</param>
internal sealed record KvmXcrsBlob(uint Count, uint Flags, ImmutableArray<KvmXcrsEntry> Entries, ImmutableArray<ulong> Padding)
{
    /// <summary>How many entries the structure has room for (KVM_MAX_XCRS).</summary>
    public const int MaxXcrs = 16;

    /// <summary>XCR0, if a counted entry has it.</summary>
    public StateComponentSet? Xcr0
    {
        get
        {
            foreach (KvmXcrsEntry entry in Entries.AsSpan()[..(int)Math.Min(Count, (uint)Entries.Length)])
            {
                if (entry.Xcr == 0)
                {
                    return new StateComponentSet(entry.Value);
                }
            }

            return null;
        }
    }

    /// <summary>The structure that sets XCR0.</summary>
    public static KvmXcrsBlob ForXcr0(StateComponentSet value)
    {
        KvmXcrsEntry[] entries = new KvmXcrsEntry[MaxXcrs];
        entries[0] = new KvmXcrsEntry(0, 0, value.Bits);
        return new KvmXcrsBlob(1, 0, [.. entries], [.. new ulong[MaxXcrs]]);
    }
}
