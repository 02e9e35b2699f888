using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Artifacts.KvmCpuid2;

namespace Xstate.Artifacts.Firecracker;

/// <summary>struct kvm_cpuid_entry2, struct kvm_msr_entry and struct kvm_xcrs as they lie in memory, entry by entry.</summary>
internal static class VcpuBytes
{
    /// <summary>Where EAX to EDX begin in struct kvm_cpuid_entry2.</summary>
    public const int CpuidRegisters = 12;

    /// <summary>Bytes of struct kvm_msr_entry.</summary>
    public const int MsrLength = 16;

    /// <summary>Where the value is in struct kvm_msr_entry.</summary>
    public const int MsrValue = 8;

    /// <summary>Where the first entry is in struct kvm_xcrs.</summary>
    public const int FirstXcr = 8;

    /// <summary>Bytes of an entry of struct kvm_xcrs.</summary>
    public const int XcrLength = 16;

    public static CpuidEntry CpuidEntryAt(ReadOnlySpan<byte> entry) => new(
        Word(entry, 0), Word(entry, 1), (Word(entry, 2) & KvmCpuidEntry2.SignificantIndex) != 0,
        new CpuidRegisters(Word(entry, 3), Word(entry, 4), Word(entry, 5), Word(entry, 6)));

    public static uint MsrIndexAt(ReadOnlySpan<byte> entry) => Word(entry, 0);

    public static ulong MsrValueAt(ReadOnlySpan<byte> entry) => BinaryPrimitives.ReadUInt64LittleEndian(entry[MsrValue..]);

    private static uint Word(ReadOnlySpan<byte> bytes, int index) =>
        BinaryPrimitives.ReadUInt32LittleEndian(bytes[(index * sizeof(uint))..]);
}
