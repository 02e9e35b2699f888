using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors.Linux;

namespace Xstate.Rehearsal;

/// <summary>What the guest reads of vendor, family and model before and after, where the VMM gives it the target's processor.</summary>
internal static class GuestIdentity
{
    /// <summary>Says what changes; a stepping is no other processor.</summary>
    /// <returns>Whether the guest sees a difference.</returns>
    public static bool Check(ICollection<Finding> findings, CapturedState state, LinuxHost host)
    {
        if (state.GuestCpuid is not { Provenance.Source: not FactSource.Guess } guest || guest.Value.Vendor.Length == 0)
        {
            return false;
        }

        ProcessorModel before = ProcessorModel.From(guest.Value);
        ProcessorModel after = host.Record.Processor;
        if ((before.Vendor, before.Family, before.Model) == (after.Vendor, after.Family, after.Model))
        {
            return false;
        }

        findings.Add(Rules.ProcessorBecomesTargets.At(new FindingLocation(state.Id, Leaf: "0x1.0.eax"),
            $"the guest read {Describe(before)} and reads {Describe(after)} afterwards: the VMM gives it the target's processor") with
        {
            Found = Describe(after),
            Expected = Describe(before),
        });
        return true;
    }

    private static string Describe(ProcessorModel processor) =>
        FormattableString.Invariant($"{processor.Vendor} family 0x{processor.Family:x} model 0x{processor.Model:x}");
}
