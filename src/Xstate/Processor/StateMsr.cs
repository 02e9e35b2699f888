using System.Buffers.Binary;
using System.Collections.Immutable;
using Xstate.Architecture;

namespace Xstate.Processor;

/// <summary>One MSR whose value is part of a state component.</summary>
/// <param name="Address">The MSR number.</param>
/// <param name="Name">The manual's name.</param>
/// <param name="Component">The component that holds it.</param>
/// <param name="Offset">Its byte offset in the component.</param>
/// <param name="Accepts">Which values WRMSR accepts on a processor.</param>
public sealed record StateMsr(uint Address, string Name, StateComponent Component, int Offset, Func<ProcessorProfile, ulong, bool> Accepts)
{
    /// <summary>Bits that only the memory image has; UIF is not part of IA32_UINTR_MISC.</summary>
    public ulong ImageOnlyBits { get; init; }

    internal ulong Read(ReadOnlySpan<byte> component) => BinaryPrimitives.ReadUInt64LittleEndian(component[Offset..]);

    internal bool AcceptsImage(ProcessorProfile profile, ulong value) => Accepts(profile, value & ~ImageOnlyBits);
}

/// <summary>The MSRs of the supervisor components that the model keeps (SDM Vol. 1, 13.5; Vol. 4).</summary>
public static class StateMsrs
{
    internal const ulong CetReserved = 0x3C0;
    internal const ulong CetShadowStackBits = 0x3;
    internal const ulong CetSuppress = 1UL << 10;
    internal const ulong CetTracker = 1UL << 11;

    /// <summary>All of them, by component and offset.</summary>
    public static ImmutableArray<StateMsr> All { get; } =
    [
        new(0x570, "IA32_RTIT_CTL", StateComponent.Pt, 0, Any),
        new(0x560, "IA32_RTIT_OUTPUT_BASE", StateComponent.Pt, 8, Any),
        new(0x561, "IA32_RTIT_OUTPUT_MASK_PTRS", StateComponent.Pt, 16, Any),
        new(0x571, "IA32_RTIT_STATUS", StateComponent.Pt, 24, Any),
        new(0x572, "IA32_RTIT_CR3_MATCH", StateComponent.Pt, 32, static (_, value) => (value & 0x1F) == 0),
        new(0x580, "IA32_RTIT_ADDR0_A", StateComponent.Pt, 40, Canonical),
        new(0x581, "IA32_RTIT_ADDR0_B", StateComponent.Pt, 48, Canonical),
        new(0x582, "IA32_RTIT_ADDR1_A", StateComponent.Pt, 56, Canonical),
        new(0x583, "IA32_RTIT_ADDR1_B", StateComponent.Pt, 64, Canonical),
        new(0xD93, "IA32_PASID", StateComponent.Pasid, 0, static (_, value) => (value & ~0x800F_FFFFUL) == 0),
        new(0x6A0, "IA32_U_CET", StateComponent.CetU, 0, IsCetControl),
        new(0x6A7, "IA32_PL3_SSP", StateComponent.CetU, 8, IsShadowStackPointer),
        new(0x6A4, "IA32_PL0_SSP", StateComponent.CetS, 0, IsShadowStackPointer),
        new(0x6A5, "IA32_PL1_SSP", StateComponent.CetS, 8, IsShadowStackPointer),
        new(0x6A6, "IA32_PL2_SSP", StateComponent.CetS, 16, IsShadowStackPointer),
        new(0xDB1, "IA32_PM_CTL1", StateComponent.Hdc, 0, static (_, value) => value <= 1),
        new(0x986, "IA32_UINTR_HANDLER", StateComponent.Uintr, 0, Canonical),
        new(0x987, "IA32_UINTR_STACKADJUST", StateComponent.Uintr, 8, Canonical),
        new(0x988, "IA32_UINTR_MISC", StateComponent.Uintr, 16, static (_, value) => value >> 40 == 0) { ImageOnlyBits = 1UL << 63 },
        new(0x989, "IA32_UINTR_PD", StateComponent.Uintr, 24, static (profile, value) => profile.IsCanonical(value) && (value & 0x3F) == 0),
        new(0x985, "IA32_UINTR_RR", StateComponent.Uintr, 32, Any),
        new(0x98A, "IA32_UINTR_TT", StateComponent.Uintr, 40, static (profile, value) => profile.IsCanonical(value) && (value & 0xE) == 0),
        new(0x14CE, "IA32_LBR_CTL", StateComponent.Lbr, 0, static (_, value) => (value & ~0x7F_000FUL) == 0),
        new(0x14CF, "IA32_LBR_DEPTH", StateComponent.Lbr, 8, static (_, value) => value is >= 8 and <= 64 && value % 8 == 0),
        new(0x1DD, "IA32_LER_FROM_IP", StateComponent.Lbr, 16, Any),
        new(0x1DE, "IA32_LER_TO_IP", StateComponent.Lbr, 24, Any),
        new(0x1E0, "IA32_LER_INFO", StateComponent.Lbr, 32, Any),
        new(0x774, "IA32_HWP_REQUEST", StateComponent.Hwp, 0, Any),
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

    // Bits 9:6 are reserved; a suppressed tracker cannot wait for ENDBRANCH; the bits of a half of CET that the processor lacks are reserved too.
    private static bool IsCetControl(ProcessorProfile profile, ulong value) =>
        (value & CetReserved) == 0
        && profile.IsCanonical(value & ~0xFFFUL)
        && (value & (CetSuppress | CetTracker)) != (CetSuppress | CetTracker)
        && (profile.HasShadowStack || (value & CetShadowStackBits) == 0)
        && (profile.HasBranchTracking || (value & ~(CetShadowStackBits | CetReserved)) == 0);
}
