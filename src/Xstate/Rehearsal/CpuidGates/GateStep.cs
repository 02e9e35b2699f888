using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors.Linux;

namespace Xstate.Rehearsal.CpuidGates;

/// <summary>The step of a restore that comes before any call of KVM: what the VMM itself refuses of the guest's CPUID.</summary>
internal static class GateStep
{
    private const int MaxLines = 4;

    /// <summary>How QEMU or libvirt makes the guest's CPU: as asked, else as the file says.</summary>
    public static GuestCpuPolicy PolicyOf(Capture capture, RehearsalOptions options) => options.GuestCpu ?? capture.SavedCpu switch
    {
        { Check: "full" } => GuestCpuPolicy.Full,
        { Mode: "host-passthrough" or "maximum" } => GuestCpuPolicy.Host,
        _ => GuestCpuPolicy.AsSaved,
    };

    /// <summary>The refused restore; null when the VMM goes on, or when the guest's CPUID is not known.</summary>
    public static TargetOutcome? Perform(
        Capture capture, LinuxHost host, RehearsalOptions options, KvmRestorer restorer, FactChoices choices, ICollection<Finding> findings)
    {
        ImmutableArray<GateOfReleases> gates = restorer.GatesBeforeKvm(PolicyOf(capture, options));
        CapturedState[] guests =
        [
            .. capture.States.Where(state => state.GuestCpuid is { Provenance.Source: not FactSource.Guess })
                .DistinctBy(state => state.GuestCpuid!.Value),
        ];
        if (gates.IsEmpty || guests.Length == 0)
        {
            return null;
        }

        foreach (CapturedState state in guests)
        {
            if (CpuidGate.IsProcessors(state.GuestCpuid!.Value))
            {
                findings.Add(Rules.GateNotRehearsed.At(new FindingLocation(state.Id),
                    $"the guest's CPUID has bits that only processors have: {gates[0].Gate.Name} is not rehearsed with it"));
                continue;
            }

            foreach (GateOfReleases gate in gates)
            {
                ImmutableArray<string> lines = Check(gate.Gate, state.GuestCpuid.Value, host, choices);
                if (!lines.IsEmpty && Makes(gate, restorer, choices))
                {
                    return Refused(state, gate.Gate, lines, host, restorer, capture);
                }
            }
        }

        return null;
    }

    // A distribution that adds features of later releases to its kernel's base may or may not have added the one that decides.
    private static ImmutableArray<string> Check(CpuidGate gate, CpuidTable guest, LinuxHost host, FactChoices choices)
    {
        ImmutableArray<string> with = gate.Check(guest, host);
        if (host.Record.SupportedCpuid is not null || host.Behavior.WithoutBackports is not { } bare)
        {
            return with;
        }

        ImmutableArray<string> without = gate.Check(guest, new LinuxHost(host.Record, bare));
        return with.IsEmpty == without.IsEmpty
            || choices.Choose(new OpenFact(OpenFact.KvmCpuid, null,
                $"which CPUID features of later releases KVM of {host.Behavior.Name} offers is not known",
                "xstate host on that host records what its KVM offers", ["all that its distribution can have added", "none"])) == 0
            ? with
            : without;
    }

    private static bool Makes(GateOfReleases gate, KvmRestorer restorer, FactChoices choices) => gate.Releases is not { } releases
        || choices.Choose(new OpenFact(OpenFact.Vmm, null, $"which release of {restorer.Vmm.Title} restores the guest is not known",
            $"the version that {restorer.Vmm.Title} on the target prints", [releases, gate.Others!])) == 0;

    private static TargetOutcome Refused(
        CapturedState state, CpuidGate gate, ImmutableArray<string> lines, LinuxHost host, KvmRestorer restorer, Capture capture)
    {
        string more = lines.Length > MaxLines + 1 ? $"; and {lines.Length - MaxLines - 1} more; " : "; ";
        string text = lines.Length == 1 ? lines[0] : $"{string.Join("; ", lines[..^1].Take(MaxLines))}{more}{lines[^1]}";
        Finding finding = Rules.GateRefuses.At(new FindingLocation(state.Id),
            $"{gate.Name} ends the restore before any call of KVM: {text}");
        return new TargetOutcome
        {
            Host = host.Record.Name,
            Kernel = host.Behavior.Name,
            Vmm = restorer,
            Verdict = Verdict.Refused,
            RefusedCall = gate.Name,
            Findings = [finding],
            Rehearsed = capture,
        };
    }
}
