using System.Collections.Immutable;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors.Linux;
using Xstate.Transforms;

namespace Xstate.Rehearsal;

/// <summary>
/// Loads a capture into QEMU with TCG: no kernel is asked, every register arrives as it is stored, and nothing checks whether the emulated
/// processor has it.
/// </summary>
internal static class TcgLoad
{
    public static TargetOutcome Perform(Capture known, LinuxHost host, Restorer vmm, bool force)
    {
        ImmutableArray<Finding>.Builder findings = ImmutableArray.CreateBuilder<Finding>();
        RestoreRehearsal.AddLost(findings, known);
        if (known.States.FirstOrDefault(state => state.Stored is not { NeedsKvm: false }) is { } refused)
        {
            string why = refused.Stored is null ? "only QEMU streams can be loaded by TCG"
                : $"TCG refuses the stream before it looks at registers: {refused.Stored.Writer.Provenance.Detail}";
            findings.Add(RestoreRehearsal.OfRule(Rules.TcgCannotLoad, why, new FindingLocation(refused.Id)));
            ImmutableArray<RepairStep>.Builder cuts = ImmutableArray.CreateBuilder<RepairStep>();
            Capture? cut = force && known.States.All(state => state.Stored is not null)
                ? known with { States = [.. known.States.Select(state => StoredRepair.ForTcg(state, cuts))] } : null;
            return Outcome(cut is null ? Verdict.Refused : Verdict.Repairable, [], cuts.ToImmutable(), cut);
        }

        ImmutableArray<RegisterDifference> differences = Differences(known, findings);
        if (differences.IsEmpty)
        {
            return Outcome(Verdict.Same, [], [], null);
        }

        ImmutableArray<RepairStep>.Builder steps = ImmutableArray.CreateBuilder<RepairStep>();
        Capture repaired = known with { States = [.. known.States.Select(state => StoredRepair.ForTcg(state, steps))] };
        return Outcome(Verdict.Repairable, differences, steps.ToImmutable(), repaired);

        TargetOutcome Outcome(Verdict verdict, ImmutableArray<RegisterDifference> changed, ImmutableArray<RepairStep> repairs,
            Capture? mended) => new()
            {
                Host = host.Record.Name,
                Kernel = host.Behavior.Name,
                Vmm = vmm,
                Verdict = verdict,
                Findings = findings.ToImmutable(),
                Differences = changed,
                Repairs = repairs,
                Repaired = mended,
            };
    }

    private static ImmutableArray<RegisterDifference> Differences(Capture capture, ImmutableArray<Finding>.Builder findings)
    {
        ImmutableArray<RegisterDifference>.Builder differences = ImmutableArray.CreateBuilder<RegisterDifference>();
        foreach (CapturedState state in capture.States)
        {
            ImmutableArray<RegisterValue> before = RegisterDump.Read(state.Area.Span, state.Layout!.Value,
                state.Layout.Value.UserComponents);
            ImmutableArray<RegisterValue> after = RegisterDump.Read(StoredImage.UnderTcg(state), state.Layout.Value,
                state.Layout.Value.UserComponents);
            int count = differences.Count;
            for (int i = 0; i < before.Length; i++)
            {
                if (before[i] != after[i])
                {
                    differences.Add(new RegisterDifference(state.Id, before[i].Name, before[i].Text, after[i].Text));
                }
            }

            if (differences.Count > count)
            {
                findings.Add(RestoreRehearsal.OfRule(Rules.OtherX87Order,
                    "the x87 registers are stored with ST(0) first; TCG takes them with physical register R0 first",
                    new FindingLocation(state.Id, Register: "st0")));
            }
        }

        return differences.ToImmutable();
    }
}
