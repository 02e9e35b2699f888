using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Transforms;

/// <summary>Makes what an artifact says beside its registers agree with them, so that a load gives the guest what it had.</summary>
internal static class StoredRepair
{
    /// <summary>
    /// For QEMU on KVM: XSTATE_BV names what the registers hold, and ST(0) comes first. States with an area of their own stay as they are.
    /// </summary>
    public static CapturedState ForKvm(CapturedState state, ICollection<RepairStep> steps)
    {
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(steps);
        if (state.Stored is not { } stored)
        {
            return state;
        }

        StateComponentSet held = new XsaveArea(state.Area.Span).XstateBv;
        if (stored.XstateBv.Value != held)
        {
            steps.Add(new RepairStep(RepairKind.Header, state.Id,
                $"wrote XSTATE_BV {held} over {stored.XstateBv.Value}: what the registers hold", XsaveFormat.XstateBvOffset));
            stored = stored with { XstateBv = new Fact<StateComponentSet>(held, FactSource.Inferred, "what the registers hold") };
        }

        return state with
        {
            Stored = Ordered(state, stored, X87Order.StackTop, "the x87 registers now begin with ST(0), as KVM takes them",
            steps)
        };
    }

    /// <summary>For TCG: physical register R0 comes first, and the device that only KVM has goes, which the guest loses with it.</summary>
    public static CapturedState ForTcg(CapturedState state, ICollection<RepairStep> steps)
    {
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(steps);
        if (state.Stored is not { } stored)
        {
            return state;
        }

        if (stored.NeedsKvm)
        {
            // There is one for all virtual CPUs.
            if (!steps.Any(step => step.Kind == RepairKind.Device))
            {
                steps.Add(new RepairStep(RepairKind.Device, state.Id,
                    "left out the device kvmclock, which TCG does not have: a guest that keeps time by it loses its clock",
                    LosesState: true));
            }

            stored = stored with { NeedsKvm = false };
        }

        return state with
        {
            Stored = Ordered(state, stored, X87Order.Physical,
            "the x87 registers now begin with physical register R0, as TCG takes them", steps)
        };
    }

    private static StoredRegisters Ordered(CapturedState state, StoredRegisters stored, X87Order order, string message,
        ICollection<RepairStep> steps)
    {
        if (stored.X87Order.Value == order)
        {
            return stored;
        }

        if (state.Area.Span[LegacyRegion.Stack].ContainsAnyExcept((byte)0))
        {
            steps.Add(new RepairStep(RepairKind.X87Order, state.Id, message, XsaveFormat.StOffset));
        }

        return stored with { X87Order = new Fact<X87Order>(order, FactSource.Inferred, "turned by a repair") };
    }
}
