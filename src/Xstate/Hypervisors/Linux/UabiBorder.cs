using Xstate.Architecture;
using Xstate.Findings;

namespace Xstate.Hypervisors.Linux;

/// <summary>
/// Who handed the kernel an image: a VMM for a guest, or a process and its tracer. The tests are the same functions of the kernel, but what
/// they mean and what helps is not: a process has no CPUID of its own, no KVM_CAP_XSAVE2, and other permissions.
/// </summary>
internal sealed class UabiBorder
{
    private readonly Func<FpState, StateComponentSet, StateComponentSet, Refusal> _foreign;

    private UabiBorder(Func<FpState, StateComponentSet, StateComponentSet, Refusal> foreign)
    {
        _foreign = foreign;
    }

    /// <summary>KVM_SET_XSAVE.</summary>
    public static UabiBorder Kvm { get; } = new(ForeignToGuest)
    {
        Compacted = Rules.CompactedImage,
        CompactedBehavior = KernelDifference.KvmSetXcomp,
        ReservedHeader = Rules.ReservedHeaderBytes,
        HeaderBehavior = KernelDifference.KvmSetHeaderStrict,
        ReservedMxcsr = Rules.ReservedMxcsrBits,
        MxcsrBehavior = KernelDifference.KvmSetMxcsrLazy,
        MxcsrSince = "since 5.16, with x87, SSE or AVX in XSTATE_BV",
    };

    /// <summary>PTRACE_SETREGSET, and the sigreturn of a 32-bit process.</summary>
    public static UabiBorder Process { get; } = new(ForeignToProcess)
    {
        Compacted = Rules.RegisterSetCompacted,
        ReservedHeader = Rules.RegisterSetHeader,
        ReservedMxcsr = Rules.RegisterSetMxcsr,
        MxcsrBehavior = KernelDifference.PtraceLenient,
        MxcsrSince = "5.14 and later, with x87, SSE or AVX in XSTATE_BV",
    };

    /// <summary>XCOMP_BV is not 0.</summary>
    public required Rule Compacted { get; init; }

    /// <summary>The difference that decides it; null where all kernels agree.</summary>
    public KernelDifference? CompactedBehavior { get; private init; }

    /// <summary>A reserved byte of the header is not 0.</summary>
    public required Rule ReservedHeader { get; init; }

    /// <summary>The difference that decides it; null where all kernels agree.</summary>
    public KernelDifference? HeaderBehavior { get; private init; }

    /// <summary>MXCSR has a bit that the processor lacks.</summary>
    public required Rule ReservedMxcsr { get; init; }

    /// <summary>The difference that decides it.</summary>
    public required KernelDifference MxcsrBehavior { get; init; }

    /// <summary>The kernels that refuse it.</summary>
    public required string MxcsrSince { get; init; }

    /// <summary>Why components of XSTATE_BV are refused that are not in the mask of the buffer's owner.</summary>
    public Refusal ForeignComponents(FpState state, StateComponentSet xfeatures, StateComponentSet foreign)
    {
        ArgumentNullException.ThrowIfNull(state);
        return _foreign(state, xfeatures, foreign) with
        {
            Offset = XsaveFormat.XstateBvOffset,
            Found = xfeatures.ToString(),
            Expected = $"no bit outside {state.UserXfeatures}",
        };
    }

    private static Refusal ForeignToGuest(FpState state, StateComponentSet xfeatures, StateComponentSet foreign)
    {
        bool legacyOnly = StateComponentSet.Legacy.ContainsAll(foreign);
        bool hidden = state.Host.DefaultUserFeatures.Overlaps(foreign);
        (Rule rule, KernelDifference difference, string text) = legacyOnly
            ? (Rules.LegacyStateRefused, KernelDifference.KvmSetFpSseReject,
                "this kernel takes not even x87 and SSE for a guest without XSAVE")
            : hidden
                ? (Rules.HiddenComponents, KernelDifference.KvmSetStrictCpuid,
                    "this kernel refuses components that the guest's CPUID hides")
                : (Rules.DynamicComponentEarly, KernelDifference.KvmXsaveDynamic,
                    "the component is off until the guest's CPUID enables it");
        return new Refusal(rule, difference, $"XSTATE_BV {xfeatures} has {foreign.Describe()}: {text}");
    }

    private static Refusal ForeignToProcess(FpState state, StateComponentSet xfeatures, StateComponentSet foreign)
    {
        LinuxHost host = state.Host;
        StateComponentSet disabled = foreign.Except(host.UserFeatures);
        if (disabled.IsEmpty)
        {
            return new Refusal(Rules.ComponentNotPermitted, null,
                $"XSTATE_BV {xfeatures} has {foreign.Describe()}, for which the process has no permission: "
                + $"arch_prctl(ARCH_REQ_XCOMP_PERM, {(int)foreign.Last()}) asks for it");
        }

        string where = host.Layout.UserComponents.ContainsAll(disabled)
            ? "the processor has it, but this kernel does not enable it" : "the processor does not have it";
        return new Refusal(Rules.ComponentNotEnabled, null,
            $"XSTATE_BV {xfeatures} has {disabled.Describe()}, which is not in the kernel's XCR0 {host.UserFeatures}: {where}");
    }
}
