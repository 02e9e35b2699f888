using Xstate.Architecture;

namespace Xstate.Hypervisors.OpenBsd;

/// <summary>What an OpenBSD kernel makes of a processor, as far as its vmm passes it on.</summary>
internal sealed class VmmHost
{
    /// <summary>
    /// sizeof(struct savefpu): legacy region, header, AVX and AVX-512 without gaps. Not certain: revision 1.15 of fpu.h (2018) ends behind
    /// AVX and two words (840 bytes); the text of the diff has PKRU come after all of AVX-512, which takes these 2432 bytes compacted and
    /// 2688 at Intel's standard offsets, and the structure of 2025 could not be found.
    /// </summary>
    public const int SavefpuLength = XsaveFormat.ExtendedOffset + 256 + 64 + 512 + 1024;

    private static readonly StateComponentSet UsedByOpenBsd = StateComponentSet.Legacy | StateComponentSet.Of(
        StateComponent.Avx, StateComponent.Opmask, StateComponent.ZmmHi256, StateComponent.Hi16Zmm);

    /// <summary>A processor under a behaviour.</summary>
    /// <param name="cpuid">The processor.</param>
    /// <param name="behavior">The behaviour.</param>
    public VmmHost(CpuidTable cpuid, VmmBehavior behavior)
    {
        ArgumentNullException.ThrowIfNull(cpuid);
        ArgumentNullException.ThrowIfNull(behavior);
        Cpuid = cpuid;
        Behavior = behavior;
        Layout = XsaveLayout.FromCpuid(cpuid);
        bool hasXsave = cpuid.Has(CpuidFeatures.Xsave);
        SaveMask = hasXsave ? Layout.UserComponents & UsedByOpenBsd : StateComponentSet.Empty;
        HasProtectionKeys = cpuid.Has(CpuidFeatures.Pku);
    }

    /// <summary>The processor.</summary>
    public CpuidTable Cpuid { get; }

    /// <summary>The behaviour.</summary>
    public VmmBehavior Behavior { get; }

    /// <summary>The processor's layout.</summary>
    public XsaveLayout Layout { get; }

    /// <summary>
    /// What the kernel itself enables in XCR0 (<c>xsave_mask</c>). PKRU is not in it: the kernel exchanges it with RDPKRU and WRPKRU.
    /// </summary>
    public StateComponentSet SaveMask { get; }

    /// <summary>
    /// Whether the kernel uses protection keys (<c>pkru_enabled</c>); it does wherever the processor has them, for execute-only memory.
    /// </summary>
    public bool HasProtectionKeys { get; }

    /// <summary>What a guest may enable.</summary>
    public StateComponentSet GuestComponents => HasProtectionKeys && !SaveMask.IsEmpty && !Behavior.Has(VmmDifference.PkuWithoutXsave)
        ? SaveMask.With(StateComponent.Pkru)
        : SaveMask;
}
