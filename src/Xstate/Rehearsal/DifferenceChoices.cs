using Xstate.Hypervisors;

namespace Xstate.Rehearsal;

/// <summary>
/// Answers in one run of a rehearsal what is not known of the target's kernel: each difference that the run asks for becomes a fact with
/// two values, unless it follows from others.
/// </summary>
internal sealed class DifferenceChoices : IUnknownDifferences
{
    private const string Probing = "xstate host --probe, on that host";

    private readonly KernelBehavior _kernel;
    private readonly FactChoices _choices;
    private readonly Dictionary<KernelDifference, bool> _values;

    /// <summary>Begins a run.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="choices">The values of the run.</param>
    public DifferenceChoices(KernelBehavior kernel, FactChoices choices)
    {
        _kernel = kernel;
        _choices = choices;
        _values = DifferenceRelations.KnownOf(kernel);
        DifferenceRelations.Propagate(_values);
    }

    /// <inheritdoc/>
    public bool Decide(KernelDifference difference, DifferenceFact fact)
    {
        if (_values.TryGetValue(difference, out bool known))
        {
            return known;
        }

        string findOut = difference.CanBeProbed ? Probing : _kernel.Reading.Check ?? $"the change log of that kernel: {difference.Source}";
        bool present = _choices.Choose(new OpenFact(OpenFact.KernelDifference, difference.Id, fact.Why, findOut,
            ["present", "absent"])) == 0;
        _values.Add(difference, present);
        DifferenceRelations.Propagate(_values);
        return present;
    }

    /// <inheritdoc/>
    public bool? DecideMicrocode() => _choices.Choose(new OpenFact(
        OpenFact.Microcode, null, "the microcode of the target's processor is not recorded",
            "xstate host on that host records it; there, grep -m1 microcode /proc/cpuinfo", ["old", "fixed"])) == 1;
}
