using System.Collections.Immutable;

namespace Xstate.Artifacts.Firecracker;

/// <summary>What stands before the virtual CPUs in a snapshot, piece by piece.</summary>
internal enum PreamblePart
{
    /// <summary>Memory size, SMT, CPU template, boot source, huge pages.</summary>
    VmInfo,

    /// <summary>Memory regions with base, size and offset in the memory file.</summary>
    RegionsWithOffset,

    /// <summary>Memory regions with base and size.</summary>
    Regions,

    /// <summary>Memory regions with base, size, kind, and whether each slot is plugged.</summary>
    RegionsWithSlots,

    /// <summary>KVM capabilities that a CPU template adds or removes, as strings.</summary>
    Capabilities,

    /// <summary>PIT, clock, two PICs and the I/O APIC.</summary>
    Chips,

    /// <summary>An allocator of interrupt numbers.</summary>
    IdAllocator,

    /// <summary>An allocator of addresses: a range and a tree of intervals.</summary>
    AddressAllocator,
}

/// <summary>
/// One layout of Firecracker's vmstate file. Read from the released sources; the version number alone does not decide, because 1.13 and
/// 1.14 write 8.0.0 with different pieces.
/// </summary>
/// <param name="Major">Major number of the snapshot version.</param>
/// <param name="Releases">The Firecracker releases that write it.</param>
/// <param name="HasBlobs">Whether KVM structures are byte strings with their length before them (kvm-bindings from 0.8 on) and not just
/// their bytes.</param>
/// <param name="HasXsave2">Whether the area is struct kvm_xsave2, with room for more than 4096 bytes.</param>
/// <param name="Preamble">What stands before the virtual CPUs.</param>
internal sealed record SnapshotVersion(int Major, string Releases, bool HasBlobs, bool HasXsave2, ImmutableArray<PreamblePart> Preamble)
{
    /// <summary>All layouts of the bincode encoding.</summary>
    public static ImmutableArray<SnapshotVersion> All { get; } =
    [
        new(1, "1.7", false, false, [PreamblePart.VmInfo, PreamblePart.RegionsWithOffset, PreamblePart.Chips, PreamblePart.Capabilities]),
        new(2, "1.8", true, false, [PreamblePart.VmInfo, PreamblePart.RegionsWithOffset, PreamblePart.Chips, PreamblePart.Capabilities]),
        new(3, "1.9", true, false, [PreamblePart.VmInfo, PreamblePart.RegionsWithOffset, PreamblePart.Chips, PreamblePart.Capabilities]),
        new(4, "1.10", true, false, [PreamblePart.VmInfo, PreamblePart.RegionsWithOffset, PreamblePart.Chips, PreamblePart.Capabilities]),
        new(5, "1.11", true, false, [PreamblePart.VmInfo, PreamblePart.Regions, PreamblePart.Capabilities, PreamblePart.Chips]),
        new(6, "1.12", true, true, [PreamblePart.VmInfo, PreamblePart.Capabilities, PreamblePart.Regions, PreamblePart.Chips]),
        new(8, "1.13", true, true,
        [
            PreamblePart.VmInfo, PreamblePart.Capabilities, PreamblePart.Regions,
            PreamblePart.IdAllocator, PreamblePart.IdAllocator, PreamblePart.AddressAllocator, PreamblePart.AddressAllocator,
                PreamblePart.AddressAllocator,
            PreamblePart.Chips,
        ]),
        new(8, "1.14", true, true,
        [
            PreamblePart.VmInfo, PreamblePart.Capabilities, PreamblePart.RegionsWithSlots,
            PreamblePart.IdAllocator, PreamblePart.IdAllocator,
            PreamblePart.AddressAllocator, PreamblePart.AddressAllocator, PreamblePart.AddressAllocator, PreamblePart.AddressAllocator,
            PreamblePart.Chips,
        ]),
    ];
}
