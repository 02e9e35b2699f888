using Xstate.Findings;

namespace Xstate.Hypervisors;

/// <summary>Why a modelled kernel refused: what the bare errno does not say.</summary>
/// <param name="Rule">The rule that explains it.</param>
/// <param name="Behavior">The kernel behaviour that decides it, or null where all kernels agree.</param>
/// <param name="Message">A sentence with the value found and the value expected.</param>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed record Refusal(Rule Rule, KernelDifference? Behavior, string Message)
{
    /// <summary>Byte offset in the buffer that the call was given.</summary>
    public int? Offset { get; init; }

    /// <summary>CPUID register, as <c>0xd.0.eax</c>.</summary>
    public string? Leaf { get; init; }

    /// <summary>What was found.</summary>
    public string? Found { get; init; }

    /// <summary>What would have been accepted.</summary>
    public string? Expected { get; init; }

    /// <summary>The kernels that refuse it: those of <see cref="Behavior"/>, unless said otherwise.</summary>
    public string? Since { get => field ?? Behavior?.Affected; init; }
}
