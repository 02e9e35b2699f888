namespace Xstate.Hypervisors;

/// <summary>
/// Decides for one run of the model what is not known of its kernel. An engine that rehearses alternatives gives its own: it is asked when
/// the model first needs an unknown difference, may record that, and answers for the alternative that it is rehearsing. What no run asked
/// for decided nothing.
/// </summary>
/// <remarks>
/// Asked through <see cref="KernelBehavior.Has"/>, also while a <see cref="Linux.LinuxHost"/> is made; so each alternative makes its own
/// host with <c>behavior.Asking(decider)</c>. An answer must stay the same for as long as the decider lives.
/// </remarks>
internal interface IUnknownDifferences
{
    /// <summary>Whether the kernel has the difference in this run.</summary>
    /// <param name="difference">One that <see cref="KernelBehavior.Knows"/> does not know.</param>
    /// <param name="fact">Why it is not known.</param>
    bool Decide(KernelDifference difference, DifferenceFact fact);

    /// <summary>
    /// Whether the processor's microcode, which is not recorded, has the fix of AMD's erratum 1386 in this run; null for who cannot say.
    /// </summary>
    bool? DecideMicrocode() => null;
}
