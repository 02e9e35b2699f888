namespace Xstate.Architecture;

/// <summary>Why a value cannot be written to XCR0.</summary>
/// <param name="Component">The component whose bit is wrong.</param>
/// <param name="Reason">What the rule asks for, as a clause.</param>
internal readonly record struct Xcr0Violation(StateComponent Component, string Reason);

/// <summary>
/// What XSETBV demands of XCR0 (SDM Vol. 1, 13.3; APM Vol. 2, 11.5.2), derived from the catalogue's dependencies. Hypervisors that check
/// less or in another order say so themselves; every violation is the same #GP(0), so the order only decides which one is named.
/// </summary>
internal static class Xcr0Rules
{
    /// <summary>
    /// The first rule that a value breaks on a processor that supports the given components, or null when XSETBV accepts it.
    /// </summary>
    public static Xcr0Violation? FirstViolation(StateComponentSet value, StateComponentSet supported)
    {
        if (!value.Contains(StateComponent.X87))
        {
            return new Xcr0Violation(StateComponent.X87, "bit 0 must be set");
        }

        foreach (StateComponent component in value.Except(supported))
        {
            return new Xcr0Violation(component, $"bit {(int)component} is not in CPUID.D.0 ({supported.Describe()})");
        }

        foreach (StateComponent component in value)
        {
            if (BrokenDependency(component, value) is { } violation)
            {
                return violation;
            }
        }

        return null;
    }

    /// <summary>The dependency that the component's bit breaks in this value, if any.</summary>
    public static Xcr0Violation? BrokenDependency(StateComponent component, StateComponentSet value)
    {
        StateComponentInfo? info = StateComponents.Find(component);
        if (info is null)
        {
            return null;
        }

        if (!value.ContainsAll(info.Requires))
        {
            return new Xcr0Violation(component, $"{info.Name} needs {info.Requires.Except(value).Describe()}");
        }

        if (!value.ContainsAll(info.Group))
        {
            return new Xcr0Violation(component, $"{info.Group.Describe()} are set together or not at all");
        }

        return value.Overlaps(info.Excludes)
            ? new Xcr0Violation(component, $"{info.Name} excludes {(info.Excludes & value).Describe()}")
            : null;
    }

    /// <summary>
    /// The smallest value that XSETBV takes and that has these components, on a processor that supports them all; what excludes another
    /// stays in.
    /// </summary>
    public static StateComponentSet SmallestWith(StateComponentSet components)
    {
        StateComponentSet value = (components & StateComponents.UserComponents).With(StateComponent.X87);
        StateComponentSet before;
        do
        {
            before = value;
            foreach (StateComponent component in before)
            {
                StateComponentInfo info = StateComponents.Get(component);
                value |= info.Requires | info.Group;
            }
        }
        while (value != before);
        return value;
    }

    /// <summary>
    /// The largest value that XSETBV takes within an offer of CPUID 0xD.0. Of two components that exclude each other the higher one is left
    /// out.
    /// </summary>
    public static StateComponentSet LargestWithin(StateComponentSet offered)
    {
        StateComponentSet value = (offered & StateComponents.UserComponents).With(StateComponent.X87);
        StateComponentSet before;
        do
        {
            before = value;
            foreach (StateComponent component in before)
            {
                if (BrokenDependency(component, value) is not null && !IsFirstOfExcluding(component, value))
                {
                    value = value.Without(component);
                }
            }
        }
        while (value != before);
        return value;
    }

    // All that is wrong with the component is that a higher one excludes it: that one goes.
    private static bool IsFirstOfExcluding(StateComponent component, StateComponentSet value)
    {
        StateComponentInfo info = StateComponents.Get(component);
        StateComponentSet excluded = info.Excludes & value;
        return !excluded.IsEmpty && value.ContainsAll(info.Requires | info.Group) && excluded.Bits > info.Bit.Bits;
    }
}
