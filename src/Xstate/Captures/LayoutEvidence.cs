using Xstate.Architecture;

namespace Xstate.Captures;

/// <summary>What is known of the processor that wrote an area which comes without a layout.</summary>
/// <param name="Components">Components that the writer had enabled: its software mask, or XSTATE_BV.</param>
internal sealed record LayoutEvidence(StateComponentSet Components)
{
    // CPUID.1:EDX bits of Intel's thermal and debug hardware and of self-snoop: DS, ACPI, SS, TM, PBE. No AMD processor has one; Intel
    // guests of KVM keep at least SS.
    private const uint IntelFeatures = 1u << 21 | 1u << 22 | 1u << 27 | 1u << 29 | 1u << 31;

    // For other kernels than those measured. AMD's and Intel's areas differ by 248 or more.
    private const int SignalFrameTolerance = 64;

    /// <summary>Length of the area if it ends with its last component, else null.</summary>
    public int? ExactLength { get; init; }

    /// <summary>MXCSR_MASK in the area, or 0.</summary>
    public uint MxcsrMask { get; init; }

    /// <summary>AT_HWCAP of the process: CPUID.1:EDX as its kernel saw it.</summary>
    public uint? Hwcap { get; init; }

    /// <summary>AT_MINSIGSTKSZ of the process (Linux 5.14): the signal frame that its kernel writes, which contains the area.</summary>
    public ulong? SignalStack { get; init; }

    /// <summary>Whether AT_HWCAP has a feature that only Intel's processors have.</summary>
    public bool HasIntelFeatures => (Hwcap & IntelFeatures) is not (null or 0);

    /// <summary>Whether an area of this length fits the signal frame; null when the frame is not known.</summary>
    public bool? FitsSignalFrame(int length) =>
        SignalStack is { } stack ? stack <= int.MaxValue
        && Math.Abs((int)stack - Captures.SignalStack.AnnouncedOverhead - length) <= SignalFrameTolerance : null;
}
