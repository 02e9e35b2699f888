using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Transforms;

namespace Xstate.Rehearsal;

/// <summary>
/// Fills what a capture does not tell with the values that one run of a rehearsal has for it. What is filled in has
/// <see cref="FactSource.Guess"/>, and is taken out again of whatever is written.
/// </summary>
internal static class AssumedContext
{
    private const string UnknownLayout = "a place that no known processor has";

    // What any KVM has ever let a guest set in IA32_XSS (6.18); a processor's own CPUID names more.
    private static readonly StateComponentSet EverInXss = StateComponentSet.Of(StateComponent.CetU, StateComponent.CetS);
    private static readonly StateComponentSet TileData = StateComponentSet.Of(StateComponent.TileData);

    /// <summary>The capture as written by the processor that this run assumes.</summary>
    public static Capture WithLayout(KnownCapture known, LinuxHost host, FactChoices choices)
    {
        if (!known.IsLayoutOpen)
        {
            return known.Capture;
        }

        // Where no known processor fits, the target may be of a new kind that does, or of none.
        ImmutableArray<LayoutFamily> families = known.Families.IsEmpty
            ? [new LayoutFamily(host.Record.Name, host.Layout, host.MxcsrMask), new LayoutFamily(UnknownLayout, XsaveLayout.LegacyOnly, 0)]
            : known.Families;
        if (families is [var only])
        {
            return known.WrittenBy(only);
        }

        ImmutableArray<string> values = [.. families.Select(family => family.Family)];
        OpenFact fact = new(OpenFact.Layout, null, $"nothing tells which processor wrote the image ({string.Join(" or ", values)})",
            "--layout FILE, the CPUID of the processor that wrote it", values);
        return known.WrittenBy(families[choices.Choose(fact)]);
    }

    /// <summary>The capture with a guest CPUID, XCR0, IA32_XSS and IA32_XFD on every state.</summary>
    public static Capture Complete(Capture capture, LinuxHost host, RehearsalOptions options, FactChoices choices) =>
        capture with { States = [.. capture.States.Select(state => Complete(state, host, options, choices))] };

    /// <summary>A repaired capture without what was only assumed.</summary>
    public static Capture Without(Capture repaired, Capture original) => repaired with
    {
        States =
        [
            .. repaired.States.Zip(original.States, (state, before) => state with
            {
                Layout = Known(state.Layout) ?? before.Layout,
                GuestCpuid = before.GuestCpuid,
                Xcr0 = Known(state.Xcr0) ?? before.Xcr0,
                Xss = Known(state.Xss) ?? before.Xss,
                Xfd = Known(state.Xfd) ?? before.Xfd,
            }),
        ],
    };

    private static Fact<T>? Known<T>(Fact<T>? fact) => fact is { Provenance.Source: FactSource.Guess } ? null : fact;

    private static CapturedState Complete(CapturedState state, LinuxHost host, RehearsalOptions options, FactChoices choices)
    {
        // An artifact of a VMM that lacks a register says that the VMM does not restore it; an image alone says nothing.
        bool isBare = state.HidesMsrs || state is
        {
            Stored: null, Msrs.IsEmpty: true,
            GuestCpuid: null or { Provenance.Source: FactSource.Given or FactSource.Guess }
        };
        Fact<CpuidTable> guest = state.GuestCpuid ?? Cpuid(state, host, options, choices);
        state = state with { GuestCpuid = guest };
        CpuidTable cpuid = guest.Value;
        state = state.Xcr0 is null && host.HasXsave && cpuid.UserComponents.Contains(StateComponent.X87)
            ? state with { Xcr0 = Xcr0(state, cpuid, choices) } : state;
        if (!isBare)
        {
            return state;
        }

        StateComponentSet supervisor = cpuid.SupervisorComponents & EverInXss;
        state = state.Xss is null && !supervisor.IsEmpty
            ? state with { Xss = Register(OpenFact.Xss, "IA32_XSS", supervisor, choices) } : state;
        StateComponentSet disabling = TileData & cpuid.UserComponents;
        bool hasXfd = cpuid.Has(CpuidFeatures.Xfd) && !disabling.IsEmpty;
        return state.Xfd is null && hasXfd ? state with { Xfd = Register(OpenFact.Xfd, "IA32_XFD", disabling, choices) } : state;
    }

    private static Fact<CpuidTable> Cpuid(CapturedState state, LinuxHost host, RehearsalOptions options, FactChoices choices)
    {
        if (options.GuestCpuid is { } given)
        {
            return new Fact<CpuidTable>(given, FactSource.Given, "the rehearsal's options");
        }

        StateComponentSet used = state.ReadArea().XstateBv & StateComponents.UserComponents;
        StateComponentSet enabled = state.Xcr0?.Value ?? StateComponentSet.Empty;
        StateComponentSet least = Xcr0Rules.SmallestWith(used | enabled | StateComponentSet.Legacy);

        // XSTATE_BV may hold what the guest never saw. Only kernels that refuse that (XS0101) tell such a guest's CPUID from the least one.
        StateComponentSet hiding = Xcr0Rules.SmallestWith(enabled | StateComponentSet.Legacy);
        List<(string Name, StateComponentSet User, bool All)> values =
        [
            ($"all that {host.Record.Name} supports", AssumedCpuid.SupportedBy(host).UserComponents | least, true),
            ("the least that permits XSTATE_BV and XCR0", least, false),
        ];
        if (!hiding.ContainsAll(least) && host.Behavior.Has(KernelDifference.KvmSetStrictCpuid))
        {
            values.Add(("one that hides what XSTATE_BV has", hiding, false));
        }

        OpenFact fact = new(OpenFact.GuestCpuid, null, "the guest's CPUID is not known",
            "--guest-cpuid FILE, what the VMM gave KVM_SET_CPUID2", [.. values.Select(value => value.Name)]);
        (string name, StateComponentSet user, bool all) = values[choices.Choose(fact)];
        return new Fact<CpuidTable>(AssumedCpuid.Of(host, user, all, state.Layout!.Value), FactSource.Guess, name);
    }

    private static Fact<StateComponentSet> Xcr0(CapturedState state, CpuidTable cpuid, FactChoices choices)
    {
        StateComponentSet offered = Xcr0Rules.LargestWithin(cpuid.UserComponents);
        StateComponentSet least = Xcr0Rules.SmallestWith(state.ReadArea().XstateBv & offered) & offered;
        if (least == offered)
        {
            return new Fact<StateComponentSet>(offered, FactSource.Guess, "the guest's CPUID permits nothing else");
        }

        OpenFact fact = new(OpenFact.Xcr0, null, "XCR0 is not known", "--xcr0 MASK|FILE, from KVM_GET_XCRS",
            ["the least that permits XSTATE_BV", "all that the guest's CPUID offers"]);
        return choices.Choose(fact) == 0
            ? new Fact<StateComponentSet>(least, FactSource.Guess, fact.Values[0])
            : new Fact<StateComponentSet>(offered, FactSource.Guess, fact.Values[1]);
    }

    private static Fact<StateComponentSet> Register(string kind, string name, StateComponentSet most, FactChoices choices)
    {
        OpenFact fact = new(kind, null, $"{name} is not known", $"--{kind} MASK", ["0x0", most.ToString()]);
        return new Fact<StateComponentSet>(choices.Choose(fact) == 0 ? StateComponentSet.Empty : most, FactSource.Guess, fact.Why);
    }
}
