using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Artifacts.Vcpus;

/// <summary>
/// What encoders of monitors' snapshots share: which facts of a state were changed, and whether an area fits where the old one was.
/// </summary>
internal static class VcpuChange
{
    /// <summary>The area cut or padded to a room. Bytes beyond it have to be zero: they would be lost.</summary>
    /// <exception cref="NotSupportedException">The area has something where the snapshot has no room.</exception>
    public static byte[] Fit(CapturedState state, int room)
    {
        ReadOnlySpan<byte> area = state.Area.Span;
        if (area.Length > room && area[room..].ContainsAnyExcept((byte)0))
        {
            throw new NotSupportedException(
                $"vCPU {state.Id} has an area of {area.Length} bytes; this snapshot has room for {room}, and what is behind is not zero");
        }

        byte[] fitted = new byte[room];
        area[..Math.Min(area.Length, room)].CopyTo(fitted);
        return fitted;
    }

    /// <summary>XCR0 if it was changed.</summary>
    public static StateComponentSet? Xcr0(CapturedState before, CapturedState after) =>
        after.Xcr0 is { } now && now.Value != before.Xcr0?.Value ? now.Value : null;

    /// <summary>MSRs whose value was changed.</summary>
    public static IEnumerable<KeyValuePair<uint, ulong>> Msrs(CapturedState before, CapturedState after)
    {
        foreach (uint index in VcpuFacts.MsrsOf(after))
        {
            ulong now = VcpuFacts.MsrOf(after, index)!.Value;
            if (VcpuFacts.MsrOf(before, index) != now)
            {
                yield return new KeyValuePair<uint, ulong>(index, now);
            }
        }
    }

    // MSRs whose second write of the same value changes nothing: SYSENTER's, PAT, STAR, LSTAR, CSTAR, FMASK, KERNEL_GS_BASE.
    private static readonly ImmutableArray<uint> Repeatable = [0x174, 0x175, 0x176, 0x277, 0xC000_0081, 0xC000_0082, 0xC000_0083,
        0xC000_0084, 0xC000_0102];

    /// <summary>MSRs that were left out.</summary>
    public static IEnumerable<uint> DroppedMsrs(CapturedState before, CapturedState after) => VcpuFacts.MsrsOf(before)
        .Except(VcpuFacts.MsrsOf(after));

    /// <summary>
    /// The position of the entry that stands in for those that were left out. A list keeps its length: the entry of an MSR that goes
    /// becomes a second one of an MSR that stays, because setting that twice is setting it once.
    /// </summary>
    /// <param name="after">The state as it shall be.</param>
    /// <param name="indices">The MSRs of the list, in its order.</param>
    /// <exception cref="NotSupportedException">The list has no MSR that can be set twice.</exception>
    public static int StandIn(CapturedState after, IReadOnlyList<uint> indices)
    {
        for (int i = 0; i < indices.Count; i++)
        {
            if (Repeatable.Contains(indices[i]) && after.Msrs.ContainsKey(indices[i]))
            {
                return i;
            }
        }

        throw NoPlace(after, "a list with fewer MSRs: none of those that stay can be set twice in place of one that goes");
    }

    /// <summary>
    /// Whether the user gave an MSR's value as context for a snapshot that does not have it: then it is not a change of the snapshot.
    /// </summary>
    public static bool IsContext(CapturedState state, uint index) => VcpuFacts.SourceOf(state, index) == FactSource.Given;

    /// <summary>The guest's CPUID if it was changed. One that the user gave describes the guest and does not change it.</summary>
    /// <exception cref="NotSupportedException">Answers were added or removed.</exception>
    public static CpuidTable? Cpuid(CapturedState before, CapturedState after)
    {
        if (after.GuestCpuid is not { Provenance.Source: not FactSource.Given } now || before.GuestCpuid is not { } old
            || ReferenceEquals(now.Value, old.Value))
        {
            return null;
        }

        return now.Value.Entries.Length == old.Value.Entries.Length
            && now.Value.Entries.Zip(old.Value.Entries)
            .All(pair => pair.First with { Registers = default } == pair.Second with { Registers = default })
                ? now.Value
                : throw new NotSupportedException($"vCPU {after.Id}: answers of CPUID can be changed in a snapshot, not added or removed");
    }

    /// <summary>The error for something that the snapshot has no place for.</summary>
    public static NotSupportedException NoPlace(CapturedState state, string what) =>
        new($"vCPU {state.Id}: this snapshot has no place for {what}");
}
