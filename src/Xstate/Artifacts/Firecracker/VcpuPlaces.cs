using System.Collections.Immutable;
using Xstate.Artifacts.KvmCpuid2;
using Xstate.Artifacts.KvmXcrs;
using Xstate.Artifacts.KvmXsave;

namespace Xstate.Artifacts.Firecracker;

/// <summary>How a version writes one virtual CPU.</summary>
/// <param name="HasBlobs">Structures have their length before them.</param>
/// <param name="HasXsave2">The area is struct kvm_xsave2.</param>
/// <param name="HasMsrLists">MSRs are a list of lists, not one.</param>
/// <param name="HasTsc">The TSC frequency is there.</param>
internal readonly record struct VcpuShape(bool HasBlobs, bool HasXsave2, bool HasMsrLists, bool HasTsc)
{
    /// <summary>The shape of a bincode version.</summary>
    public static VcpuShape Of(SnapshotVersion version) => new(version.HasBlobs, version.HasXsave2, HasMsrLists: true, HasTsc: true);

    /// <summary>The shape of a data version of the versionize encoding: the TSC came with 0.25, the list of lists with 1.2.</summary>
    public static VcpuShape OfVersionize(int dataVersion) => new(false, false, HasMsrLists: dataVersion >= 6, HasTsc: dataVersion >= 3);
}

/// <summary>Where one virtual CPU's parts are in the file.</summary>
internal sealed record VcpuPlaces
{
    /// <summary>Bytes from struct kvm_debugregs to struct kvm_vcpu_events, in the order of the file.</summary>
    private static readonly (int Length, string Name)[] BeforeXcrs =
    [
        (128, "struct kvm_debugregs"), (1024, "struct kvm_lapic_state"), (4, "struct kvm_mp_state"), (144, "struct kvm_regs"),
            (312, "struct kvm_sregs"), (64, "struct kvm_vcpu_events"),
    ];

    private const int FamHeaderLength = 8;
    private const int MsrLength = 16;

    /// <summary>First byte.</summary>
    public required int Start { get; init; }

    /// <summary>First byte after.</summary>
    public required int End { get; init; }

    /// <summary>Each struct kvm_cpuid_entry2.</summary>
    public required ImmutableArray<int> CpuidEntries { get; init; }

    /// <summary>Each struct kvm_msr_entry.</summary>
    public required ImmutableArray<int> MsrEntries { get; init; }

    /// <summary>struct kvm_xcrs.</summary>
    public required int Xcrs { get; init; }

    /// <summary>The first 4096 bytes of the area.</summary>
    public required int Xsave { get; init; }

    /// <summary>What struct kvm_xsave2 has behind them.</summary>
    public required int XsaveExtra { get; init; }

    /// <summary>Bytes of it.</summary>
    public required int XsaveExtraLength { get; init; }

    /// <summary>Bytes from struct kvm_debugregs to struct kvm_xcrs.</summary>
    public static int LengthBeforeXcrs(bool isBlob) => BeforeXcrs.Sum(part => part.Length + (isBlob ? sizeof(ulong) : 0))
        + (isBlob ? sizeof(ulong) : 0);

    /// <summary>Walks one virtual CPU.</summary>
    /// <exception cref="MalformedArtifactException">The bytes are not one.</exception>
    public static VcpuPlaces Walk(ref BincodeCursor cursor, VcpuShape shape, ArtifactLimits limits)
    {
        int start = cursor.Offset;
        ImmutableArray<int> cpuid = WalkList(ref cursor, shape.HasBlobs, KvmCpuid2Reader.EntryLength, limits.MaxCpuidEntries,
            "CPUID entries");
        ImmutableArray<int> msrs = WalkMsrs(ref cursor, shape, limits);
        foreach ((int length, string name) in BeforeXcrs)
        {
            cursor.Structure(length, shape.HasBlobs, name);
        }

        int xcrs = cursor.Structure(KvmXcrsReader.Length, shape.HasBlobs, "struct kvm_xcrs");
        int xsave;
        int extra = 0;
        int extraLength = 0;
        if (shape.HasXsave2)
        {
            // The structure counts its own flexible end, in words, before the 4096 bytes.
            xsave = cursor.Structure(sizeof(ulong) + KvmXsaveReader.MinLength, isBlob: true, "struct kvm_xsave2") + sizeof(ulong);
            extraLength = cursor.Count("words behind the area", (limits.MaxArea - KvmXsaveReader.MinLength) / sizeof(uint),
                sizeof(uint)) * sizeof(uint);
            extra = cursor.Offset;
            cursor.Take(extraLength, "the rest of the area");
        }
        else
        {
            xsave = cursor.Structure(KvmXsaveReader.MinLength, shape.HasBlobs, "struct kvm_xsave");
        }

        if (shape.HasTsc && cursor.Flag("whether there is a TSC frequency"))
        {
            cursor.UInt32("the TSC frequency");
        }

        return new VcpuPlaces
        {
            Start = start,
            End = cursor.Offset,
            CpuidEntries = cpuid,
            MsrEntries = msrs,
            Xcrs = xcrs,
            Xsave = xsave,
            XsaveExtra = extra,
            XsaveExtraLength = extraLength,
        };
    }

    private static ImmutableArray<int> WalkMsrs(ref BincodeCursor cursor, VcpuShape shape, ArtifactLimits limits)
    {
        if (!shape.HasMsrLists)
        {
            return WalkList(ref cursor, shape.HasBlobs, MsrLength, limits.MaxMsrs, "MSRs");
        }

        ImmutableArray<int>.Builder all = ImmutableArray.CreateBuilder<int>();
        for (int lists = cursor.Count("lists of MSRs", limits.MaxMsrs, FamHeaderLength + sizeof(ulong)); lists > 0; lists--)
        {
            all.AddRange(WalkList(ref cursor, shape.HasBlobs, MsrLength, limits.MaxMsrs - all.Count, "MSRs"));
        }

        return all.ToImmutable();
    }

    // A structure with a flexible end: its header, whose first word counts the entries, and the entries as a list of their own.
    private static ImmutableArray<int> WalkList(ref BincodeCursor cursor, bool isBlob, int entryLength, int max, string what)
    {
        int header = cursor.Structure(FamHeaderLength, isBlob, $"the header of {what}");
        BincodeCursor again = cursor;
        int count = cursor.Count(what, max, entryLength + (isBlob ? sizeof(ulong) : 0));
        uint stated = again.CountAt(header);
        if (stated != count)
        {
            throw again.Malformed($"{count} {what}", $"{stated}, as their header says");
        }

        ImmutableArray<int>.Builder entries = ImmutableArray.CreateBuilder<int>(count);
        for (int i = 0; i < count; i++)
        {
            entries.Add(cursor.Structure(entryLength, isBlob, what));
        }

        return entries.MoveToImmutable();
    }
}
