namespace Xstate.Hypervisors.Kvm;

/// <summary>
/// The numbers by which KVM_GET_ONE_REG and KVM_SET_ONE_REG name a register of an x86 virtual CPU (struct kvm_x86_reg_id): an MSR, or one
/// that KVM itself defines.
/// </summary>
internal static class KvmRegisterId
{
    /// <summary>SSP of the guest: the only register that KVM defines.</summary>
    public const ulong GuestSsp = X86 | Size64 | (ulong)KvmType << TypeShift;

    internal const uint MsrType = 2;
    internal const uint KvmType = 3;
    private const ulong X86 = 0x20UL << 56;
    private const ulong Size64 = 3UL << 52;
    private const ulong ReservedBits = 0xFFFUL << 40;
    private const int TypeShift = 32;

    /// <summary>The number of an MSR.</summary>
    public static ulong OfMsr(uint index) => X86 | Size64 | (ulong)MsrType << TypeShift | index;

    /// <summary>Takes a number apart. False for another architecture, another size than 64 bits, and reserved bits.</summary>
    internal static bool TryParse(ulong id, out uint type, out uint index)
    {
        type = (uint)(id >> TypeShift & 0xFF);
        index = (uint)id;
        return (id & (0xFFUL << 56 | 0xFUL << 52)) == (X86 | Size64) && (id & ReservedBits) == 0;
    }
}
