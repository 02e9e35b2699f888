using Xstate.Architecture;
using Xstate.Findings;

namespace Xstate.Lint;

/// <summary>
/// Makes the CPUID of a guest out of a base, which is what a processor or its KVM offers: what is not wanted is taken away with all that
/// builds upon it, and sizes follow. Nothing is ever added that the base lacks.
/// </summary>
internal static class CpuidMaker
{
    /// <summary>The CPUID of a wish.</summary>
    /// <param name="offered">What the host's KVM supports, or the CPUID of its processor.</param>
    /// <param name="wish">What the guest is to have.</param>
    public static MadeCpuid Make(CpuidTable offered, CpuidWish wish)
    {
        ArgumentNullException.ThrowIfNull(offered);
        ArgumentNullException.ThrowIfNull(wish);
        StateComponentSet available = offered.UserComponents | offered.SupervisorComponents;
        StateComponentSet wanted = wish.Components is { } named ? Closed(named) : available;
        List<string> obstacles = [];
        StateComponentSet lacking = wanted.Except(available);
        if (!lacking.IsEmpty)
        {
            obstacles.Add($"the base does not offer {lacking.Describe()}");
        }

        obstacles.AddRange(wish.With.Where(feature => !offered.Has(feature)).Select(feature => $"the base does not offer {feature}"));
        bool starts = wish.Xcr0 == StateComponentSet.Of(StateComponent.X87);
        CpuidDraft draft = new(offered);
        Hide(draft, wanted);
        draft.Clear(wish.Without.AsSpan());
        draft.Clear(CpuidFeatures.Ospke);
        draft.Set(CpuidFeatures.Osxsave, !starts && draft.Has(CpuidFeatures.Xsave));
        LintContext context = new()
        {
            View = LintView.Kvm,
            HasIndexFlags = true,
            AtStart = starts,
            Xcr0 = wish.Xcr0,
            Xss = StateComponentSet.Empty
        };
        MendedCpuid mended = CpuidMend.Mend(draft.ToTable(), context);
        CpuidTable made = mended.Cpuid;
        AddLosses(obstacles, made, wish, wanted.Except(lacking), offered);
        obstacles.AddRange(mended.Remaining.Where(finding => finding.Severity == Severity.Error)
            .Select(finding => $"{finding.Rule.Id}: {finding.Message}"));
        return new MadeCpuid(
            made,
            [.. CpuidChange.Between(offered, made)],
            [.. CpuidFeatures.All.Where(feature => offered.Has(feature) && !made.Has(feature) && feature != CpuidFeatures.Osxsave
                && feature != CpuidFeatures.Ospke)],
            [.. obstacles],
            mended.Remaining);
    }

    // A component comes with its group and with what it builds upon.
    private static StateComponentSet Closed(StateComponentSet named)
    {
        StateComponentSet closed = named | StateComponentSet.Legacy;
        foreach (StateComponent component in named)
        {
            if (StateComponents.Find(component) is { } info)
            {
                closed |= info.Group | info.Requires;
            }
        }

        return closed;
    }

    private static void Hide(CpuidDraft draft, StateComponentSet wanted)
    {
        draft.User &= wanted.Bits;
        draft.Supervisor &= wanted.Bits;
        foreach (StateComponentInfo info in StateComponents.All.Where(info => !wanted.Contains(info.Component)))
        {
            draft.Clear(info.Features.AsSpan());
        }
    }

    // What was wanted and is gone, because something that it builds upon is not wanted or not there.
    private static void AddLosses(List<string> obstacles, CpuidTable made, CpuidWish wish, StateComponentSet wanted, CpuidTable offered)
    {
        StateComponentSet lost = wish.Components is null
            ? StateComponentSet.Empty : wanted.Except(made.UserComponents | made.SupervisorComponents);
        if (!lost.IsEmpty)
        {
            obstacles.Add(
                $"{lost.Describe()} cannot be kept: a feature that announces it, or that it builds upon, is missing or taken away");
        }

        foreach (CpuidFeature feature in wish.With.Where(feature => offered.Has(feature) && !made.Has(feature)))
        {
            obstacles.Add($"{feature} cannot be kept: what it builds upon is missing or taken away");
        }

        foreach (CpuidFeature feature in wish.Without.Where(made.Has))
        {
            obstacles.Add($"{feature} cannot be taken away");
        }
    }
}
