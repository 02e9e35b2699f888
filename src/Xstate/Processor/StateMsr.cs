using System.Buffers.Binary;
using System.Collections.Immutable;
using Xstate.Architecture;

namespace Xstate.Processor;

/// <summary>One MSR whose value is part of a state component.</summary>
/// <param name="Address">The MSR number.</param>
/// <param name="Component">The component that holds it.</param>
/// <param name="Offset">Its byte offset in the component.</param>
/// <param name="Accepts">Which values WRMSR accepts on a processor.</param>
internal sealed record StateMsr(uint Address, StateComponent Component, int Offset, Func<ProcessorProfile, ulong, bool> Accepts)
{
    /// <summary>The manual's name.</summary>
    public string Name { get; } = MsrNames.Find(Address)
        ?? throw new ArgumentOutOfRangeException(nameof(Address), Address, "the MSR has no name");

    /// <summary>Bits that only the memory image has; UIF is not part of IA32_UINTR_MISC.</summary>
    public ulong ImageOnlyBits { get; init; }

    internal ulong Read(ReadOnlySpan<byte> component) => BinaryPrimitives.ReadUInt64LittleEndian(component[Offset..]);

    internal bool AcceptsImage(ProcessorProfile profile, ulong value) => Accepts(profile, value & ~ImageOnlyBits);
}

/// <summary>The MSRs of the supervisor components that the model keeps (SDM Vol. 1, 13.5; Vol. 4).</summary>
internal static class StateMsrs
{
    internal const ulong CetReserved = 0x3C0;
    internal const ulong CetShadowStackBits = 0x3;
    internal const ulong CetSuppress = 1UL << 10;
    internal const ulong CetTracker = 1UL << 11;

    /// <summary>All of them, by component and offset.</summary>
    public static ImmutableArray<StateMsr> All { get; } =
    [
        new(0x570, StateComponent.Pt, 0, Any),
        new(0x560, StateComponent.Pt, 8, Any),
        new(0x561, StateComponent.Pt, 16, Any),
        new(0x571, StateComponent.Pt, 24, Any),
        new(0x572, StateComponent.Pt, 32, static (_, value) => (value & 0x1F) == 0),
        new(0x580, StateComponent.Pt, 40, Canonical),
        new(0x581, StateComponent.Pt, 48, Canonical),
        new(0x582, StateComponent.Pt, 56, Canonical),
        new(0x583, StateComponent.Pt, 64, Canonical),
        new(0xD93, StateComponent.Pasid, 0, static (_, value) => (value & ~0x800F_FFFFUL) == 0),
        new(0x6A0, StateComponent.CetU, 0, IsCetControl),
        new(0x6A7, StateComponent.CetU, 8, IsShadowStackPointer),
        new(0x6A4, StateComponent.CetS, 0, IsShadowStackPointer),
        new(0x6A5, StateComponent.CetS, 8, IsShadowStackPointer),
        new(0x6A6, StateComponent.CetS, 16, IsShadowStackPointer),
        new(0xDB1, StateComponent.Hdc, 0, static (_, value) => value <= 1),
        new(0x986, StateComponent.Uintr, 0, Canonical),
        new(0x987, StateComponent.Uintr, 8, Canonical),
        new(0x988, StateComponent.Uintr, 16, static (_, value) => value >> 40 == 0) { ImageOnlyBits = 1UL << 63 },
        new(0x989, StateComponent.Uintr, 24, static (profile, value) => profile.IsCanonical(value) && (value & 0x3F) == 0),
        new(0x985, StateComponent.Uintr, 32, Any),
        new(0x98A, StateComponent.Uintr, 40, static (profile, value) => profile.IsCanonical(value) && (value & 0xE) == 0),
        new(0x14CE, StateComponent.Lbr, 0, static (_, value) => (value & ~0x7F_000FUL) == 0),
        new(0x14CF, StateComponent.Lbr, 8, static (_, value) => value is >= 8 and <= 64 && value % 8 == 0),
        new(0x1DD, StateComponent.Lbr, 16, Any),
        new(0x1DE, StateComponent.Lbr, 24, Any),
        new(0x1E0, StateComponent.Lbr, 32, Any),
        new(0x774, StateComponent.Hwp, 0, Any),
    ];

    private static readonly ImmutableArray<ImmutableArray<StateMsr>> ByComponent =
        [.. Enumerable.Range(0, 64).Select(bit => All.Where(msr => msr.Component == (StateComponent)bit).ToImmutableArray())];

    /// <summary>The MSRs of one component, in the order of their offsets.</summary>
    public static ImmutableArray<StateMsr> Of(StateComponent component) => ByComponent[(int)component & 63];

    /// <summary>The MSR of a number, or null when it is not part of a component.</summary>
    public static StateMsr? Find(uint address)
    {
        foreach (StateMsr msr in All)
        {
            if (msr.Address == address)
            {
                return msr;
            }
        }

        return null;
    }

    private static bool Any(ProcessorProfile profile, ulong value) => true;

    private static bool Canonical(ProcessorProfile profile, ulong value) => profile.IsCanonical(value);

    // Shadow stacks consist of 4- or 8-byte entries: KVM, like the SDM's WRMSR page, refuses other addresses.
    private static bool IsShadowStackPointer(ProcessorProfile profile, ulong value) => profile.IsCanonical(value) && value % 4 == 0;

    // Bits 9:6 are reserved; a suppressed tracker cannot wait for ENDBRANCH; the bits of a half of CET that the processor lacks are
    // reserved too.
    private static bool IsCetControl(ProcessorProfile profile, ulong value) =>
        (value & CetReserved) == 0
        && profile.IsCanonical(value & ~0xFFFUL)
        && (value & (CetSuppress | CetTracker)) != (CetSuppress | CetTracker)
        && (profile.HasShadowStack || (value & CetShadowStackBits) == 0)
        && (profile.HasBranchTracking || (value & ~(CetShadowStackBits | CetReserved)) == 0);
}
