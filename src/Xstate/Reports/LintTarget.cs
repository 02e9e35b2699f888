using System.Collections.Immutable;
using Xstate.Artifacts;
using Xstate.Artifacts.FirecrackerCpu;
using Xstate.Artifacts.KvmCpuid2;
using Xstate.Artifacts.PastedDumps;
using Xstate.Captures;
using Xstate.Lint;

namespace Xstate.Reports;

/// <summary>One CPUID of an artifact, and what it is.</summary>
/// <param name="Label">What it is called in output: <c>host</c>, <c>supported</c>, <c>vcpu 0</c>; empty where the artifact holds nothing
/// else.</param>
/// <param name="Dump">Its processors.</param>
/// <param name="Context">What is known beside it.</param>
internal sealed record LintTarget(string Label, CpuidDump Dump, LintContext Context)
{
    /// <summary>The CPUIDs that an artifact holds, each with the view that its format implies.</summary>
    /// <param name="artifact">The artifact.</param>
    /// <param name="given">What the caller says; a view other than <see cref="LintView.None"/> replaces the implied one.</param>
    public static ImmutableArray<LintTarget> Of(Artifact artifact, LintContext given)
    {
        ArgumentNullException.ThrowIfNull(artifact);
        ArgumentNullException.ThrowIfNull(given);
        if (artifact.Cpuid is { } dump)
        {
            if (!dump.AreProcessors)
            {
                return [.. dump.Processors.Select((table, index) => OfTable(dump, index, given, artifact.Format))];
            }

            // A list of VMMs is what KVM_SET_CPUID2 takes.
            bool blob = artifact.Format is KvmCpuid2Reader.Format or CpuidListReader.Format;
            return [new LintTarget("", dump, As(given, blob ? LintView.Kvm : LintView.BareMetal) with { HasIndexFlags = blob })];
        }

        if (artifact.Host is { } host)
        {
            LintView view = artifact.Format == FingerprintReader.Format ? LintView.Kvm : LintView.BareMetal;
            LintTarget processor = new(host.SupportedCpuid is null ? "" : "host", Single(host.Name, host.Cpuid), As(given, view));
            return host.SupportedCpuid is { } supported
                ? [processor, new LintTarget("supported", Single("supported", supported),
                    As(given, LintView.Kvm) with { HasIndexFlags = true })]
                : [processor];
        }

        return artifact.Capture is { } capture
            ? [.. capture.States.Where(state => state.GuestCpuid is not null).Select(state => OfState(state, given))] : [];
    }

    // The first table is the machine, the others are what a hypervisor makes of it. A kernel prints what it was answered, zeros too, and it
    // does so where a hypervisor contradicts itself.
    private static LintTarget OfTable(CpuidDump dump, int index, LintContext given, string format)
    {
        CpuidProcessor table = dump.Processors[index];
        bool isLog = format == KernelLogReader.Format;
        LintContext context = As(given, index == 0 && !isLog ? LintView.BareMetal : LintView.Guest) with { IsXsaveLeafAlone = isLog };
        return new(table.Label, Single(table.Label, table.Cpuid), context);
    }

    private static LintTarget OfState(CapturedState state, LintContext given) =>
        new($"vcpu {state.Id}", Single($"vcpu {state.Id}", state.GuestCpuid!.Value), As(given, LintView.Kvm) with
        {
            // KVM computes the sizes anew, so that those of a file need not follow the registers.
            Xcr0 = given.Xcr0,
            Xss = given.Xss,
        });

    private static LintContext As(LintContext given, LintView view) => given.View == LintView.None ? given with { View = view } : given;

    private static CpuidDump Single(string label, Architecture.CpuidTable cpuid) =>
        CpuidDump.Create(label, [new CpuidProcessor(label, cpuid)], []);
}
