namespace Xstate.Hypervisors;

/// <summary>The model needs a difference that is not known of its kernel, and nobody was there to decide.</summary>
internal sealed class UnknownDifferenceException : InvalidOperationException
{
    /// <summary>A difference that was asked for.</summary>
    public UnknownDifferenceException(KernelDifference difference, string kernel, string why)
        : base($"whether {kernel} has {difference} is not known: {why}")
    {
        Difference = difference;
        Kernel = kernel;
    }

    /// <summary>The difference that was asked for.</summary>
    public KernelDifference Difference { get; }

    /// <summary>The kernel's name.</summary>
    public string Kernel { get; }
}
