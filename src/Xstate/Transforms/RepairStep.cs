using Xstate.Findings;

namespace Xstate.Transforms;

/// <summary>What kind of change a repair makes.</summary>
public enum RepairKind
{
    /// <summary>Compacted to standard format.</summary>
    Expand,

    /// <summary>Standard to compacted format.</summary>
    Compact,

    /// <summary>Components moved from one processor's offsets to another's.</summary>
    Relocate,

    /// <summary>Components removed: bits cleared and bytes zeroed.</summary>
    Trim,

    /// <summary>Components removed because IA32_XFD disables them.</summary>
    Xfd,

    /// <summary>XCOMP_BV or reserved header bytes zeroed.</summary>
    Header,

    /// <summary>MXCSR masked, or made explicit.</summary>
    Mxcsr,

    /// <summary>PKRU made explicit.</summary>
    Pkru,

    /// <summary>The image lengthened or shortened.</summary>
    Length,

    /// <summary>
    /// The x87 registers of an artifact that stores them by number, turned from one accelerator's order into the other's.
    /// </summary>
    X87Order,

    /// <summary>A device left out that the destination does not have.</summary>
    Device,

    /// <summary>A register given a value.</summary>
    Register,

    /// <summary>A model-specific register left out of the list that is set.</summary>
    Msr,
}

/// <summary>One repair that was made.</summary>
/// <param name="Kind">What it does.</param>
/// <param name="Vcpu">The virtual CPU or thread.</param>
/// <param name="Message">A sentence with what changed.</param>
/// <param name="Offset">First changed byte of the area, if it is one place.</param>
/// <param name="LosesState">Whether guest-visible state was lost; only with force.</param>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed record RepairStep(RepairKind Kind, int Vcpu, string Message, int? Offset = null, bool LosesState = false);

/// <summary>A state after a transform, with what was done to it and what stood in the way.</summary>
/// <typeparam name="T">A state or a capture.</typeparam>
/// <param name="Value">The result.</param>
/// <param name="Steps">The changes, in order.</param>
/// <param name="Obstacles">Why the result may still not load: findings that need another host or force.</param>
internal sealed record Transformed<T>(T Value, IReadOnlyList<RepairStep> Steps, IReadOnlyList<Finding> Obstacles);
