using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kernels;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Tests.Support;

namespace Xstate.Tests.Rehearsal;

/// <summary>
/// What an answer claims under a kernel of which not everything is known: the same means that no register, MSR or feature of the guest's
/// view differs whatever the kernel turns out to be; unknown means that two kernels
/// that it can be really come to different ends, one of them well.
/// </summary>
public class UnknownKernelPropertyTests
{
    private static readonly string[] Kernels =
    [
        "linux-5.4", "linux-5.10", "linux-5.14.0", "linux-5.15.80", "linux-5.16", "linux-5.18", "linux-6.1.40", "linux-6.1", "linux-6.5.0",
            "linux-6.12", "linux-6.18", "linux-6.19-rc5", "linux-7.2.5", "linux-7.3",
        "6.1.0-1-amd64", "6.1.0-13-amd64", "6.1.0-42-amd64", "6.1.0-47-amd64", "6.12.107+deb13-amd64",
        "5.4.0-150-generic", "5.15.0-25-generic", "5.15.0-91-generic", "5.15.0-204-generic", "5.19.0-27-generic", "5.19.0-50-generic",
            "6.5.0-21-generic", "6.8.0-60-generic", "6.17.0-22-generic",
        "4.18.0-553.el8_10", "5.14.0-70.13.1.el9_0.x86_64", "5.14.0-284.30.1.el9_2.x86_64", "5.14.0-427.13.1.el9_4.x86_64",
            "5.14.0-570.12.1.el9_6.x86_64", "6.12.0-55.9.1.el10_0.x86_64",
        "6.2.16-5-pve", "6.8.12-9-pve", "5.14.21-150500.55.39-default", "5.15.0-205.149.5.1.el9uek.x86_64",
            "5.10.0-136.12.0.86.oe2203sp1.x86_64", "6.1.0-custom",
    ];

    private static readonly string[] Captures = ["compacted", "hidden-avx512", "intel-for-amd", "leaked-pkru", "live-avx512", "stale-pkru",
        "xfd-tiles"];

    // Kernels of the hosts that guests were made on: of each it is known what its KVM offers.
    private static readonly string[] Makers = ["linux-5.10.100", "linux-5.15.30", "linux-6.1.90", "linux-6.8.12", "linux-6.12.60",
        "linux-6.18.40", "linux-7.3"];

    // Not amd-zen4-pvm: its guests keep the host's CPUID, which the answer says.
    private static readonly string[] Hosts =
        ["amd-genoa", "amd-milan", "amd-rome", "amd-turin", "intel-alderlake", "intel-cascadelake", "intel-haswell", "intel-icelake",
            "intel-sapphire-rapids", "intel-skylake-sp", "qemu-tcg-max"];

    [Fact]
    public void There_are_forty_kernels() => Assert.Equal(40, Kernels.Distinct().Count());

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void An_answer_holds_whatever_the_kernel_turns_out_to_be(int part)
    {
        SplitMix64 random = new(0x5EED_0012UL * (ulong)part);
        ImmutableArray<Restorer> vmms = [.. Restorers.All.Where(vmm => vmm is KvmRestorer)];
        Dictionary<Verdict, int> seen = [];
        for (int i = 0; i < 90 * Repository.Scale; i++)
        {
            string? maker = random.OneIn(3) ? random.Pick(Hosts) : null;
            Case chosen = new(random.Pick(Captures), random.Pick(Hosts), random.Pick(Kernels), vmms[random.Below(vmms.Length)], maker,
                random.Pick(Makers));
            LinuxHost host = new(SampleHosts.Open(chosen.Host), Read(chosen.Kernel));
            TargetOutcome outcome = Rehearse(chosen, host);
            seen[outcome.Verdict] = seen.GetValueOrDefault(outcome.Verdict) + 1;
            if (outcome.Verdict == Verdict.Same)
            {
                for (int k = 0; k < 3; k++)
                {
                    LinuxHost settled = Settle(host, [], ref random);
                    TargetOutcome there = Rehearse(chosen, settled);
                    Assert.True(there.Verdict == Verdict.Same && there.Differences.IsEmpty,
                        $"{chosen} is the same, and {there.Verdict} with {Values(host, settled)}");
                    AssertViewIsTheSame(there, $"{chosen} with {Values(host, settled)}");
                    AssertPromisesAreKept(there, settled, $"{chosen} with {Values(host, settled)}");
                }
            }
            else if (outcome.Verdict == Verdict.Unknown)
            {
                AssertOutcomesDiffer(chosen, host, outcome, ref random);
            }
        }

        TestContext.Current.TestOutputHelper?.WriteLine(string.Join(", ", seen.Select(pair => $"{pair.Key} {pair.Value}")));
        Assert.True(seen.ContainsKey(Verdict.Same) && seen.ContainsKey(Verdict.Unknown));
    }

    private static void AssertOutcomesDiffer(Case chosen, LinuxHost host, TargetOutcome outcome, ref SplitMix64 random)
    {
        Assert.NotEmpty(outcome.DependsOn);
        Assert.All(outcome.DependsOn, dependency => Assert.True(dependency.Outcomes.Length >= 2,
            $"{chosen}: {dependency.Fact} {dependency.Id} has one outcome"));
        if (outcome.DependsOn.Any(dependency => dependency.Fact is not ("kernel-difference" or "microcode")))
        {
            return;
        }

        KernelDifference[] decisive = [.. outcome.DependsOn.Where(dependency => dependency.Id is not null).Select(dependency =>
            KernelDifference.Find(dependency.Id!)!)];
        Dictionary<string, Verdict> ends = [];
        for (int mask = 0; mask < 1 << Math.Min(decisive.Length, 6); mask++)
        {
            Dictionary<KernelDifference, bool> values = [];
            for (int i = 0; i < Math.Min(decisive.Length, 6); i++)
            {
                values.Add(decisive[i], (mask >> i & 1) != 0);
            }

            Dictionary<KernelDifference, bool> all = DifferenceRelations.KnownOf(host.Behavior);
            foreach ((KernelDifference difference, bool present) in values)
            {
                all[difference] = present;
            }

            if (DifferenceRelations.AreConsistent(all))
            {
                TargetOutcome end = Rehearse(chosen, Settle(host, values, ref random));
                IEnumerable<string> errors = end.Findings.Where(finding => finding.Severity == Severity.Error)
                    .Select(finding => finding.Rule.Id).Distinct();
                ends[$"{end.Verdict} {end.RefusedCall} {end.Errno} {string.Join(',', errors)}"] = end.Verdict;
            }
        }

        Assert.True(ends.Count >= 2,
            $"{chosen} depends on {string.Join(", ", decisive.Select(difference => difference.Id))}, and every end is "
            + $"{string.Join("; ", ends.Keys)}");
        Assert.True(ends.ContainsValue(Verdict.Same) || ends.ContainsValue(Verdict.Repairable),
            $"{chosen} is unknown, and no end is well: {string.Join("; ", ends.Keys)}");
    }

    // Read back from the model's virtual CPUs, without what the rehearsal made of them.
    private static void AssertViewIsTheSame(TargetOutcome outcome, string what)
    {
        foreach (RestoredVcpu restored in outcome.Performed.Vcpus)
        {
            CapturedState before = outcome.Rehearsed!.States[restored.Index];
            if (!restored.Vcpu.GetXsave2(out byte[] area).IsSuccess)
            {
                Assert.True(restored.Vcpu.GetXsave(out area).IsSuccess, what);
            }

            KvmModelVcpu vcpu = (KvmModelVcpu)restored.Vcpu;
            StateComponentSet seen = (before.GuestCpuid!.Value.UserComponents & before.Xcr0!.Value) | StateComponentSet.Legacy;
            StateComponentSet disabled = before.Xfd?.Value ?? StateComponentSet.Empty;
            CapturedState after = new()
            {
                Id = restored.Id,
                Area = area,
                Layout = new Fact<XsaveLayout>(XsaveLayout.FromCpuid(SampleHosts.Open(outcome.Host).Cpuid), FactSource.Cpuid, "the host's"),
            };
            bool hasMxcsr = before.Components.Overlaps(StateComponentSet.Of(StateComponent.Sse, StateComponent.Avx));
            Dictionary<string, string> now = RegisterDump.Of(after, seen, disabled).ToDictionary(register => register.Name, register =>
                register.Text);
            foreach (RegisterValue register in RegisterDump.Of(before, seen, disabled))
            {
                Assert.True(!now.TryGetValue(register.Name, out string? text) || (register.Name == "mxcsr" && !hasMxcsr)
                    || register.CanBe(text), $"{what}: {register.Name} was {register.Text} and is {text}");
            }

            Assert.True(before.Xcr0.Value == vcpu.Xcr0, $"{what}: XCR0 was {before.Xcr0.Value} and is {vcpu.Xcr0}");
            foreach ((uint index, ulong value) in before.Msrs)
            {
                vcpu.GetMsr(index, out int count, out ulong found);
                Assert.True(count == 1 ? found == value : value == 0, $"{what}: MSR 0x{index:x} was 0x{value:x} and is 0x{found:x}");
            }

            Assert.True(vcpu.GetCpuid2(out ImmutableArray<CpuidEntry> entries).IsSuccess
                && new CpuidTable(entries).UserComponents == before.GuestCpuid.Value.UserComponents, $"{what}: the guest's CPUID changed");
        }
    }

    // Every announced instruction by a table of the manuals; state by using it: XCR0 and IA32_XSS with all that the guest's CPUID offers.
    private static void AssertPromisesAreKept(TargetOutcome outcome, LinuxHost host, string what)
    {
        foreach (CapturedState state in outcome.Rehearsed!.States.Where(state => state.GuestCpuid!.Provenance.Source != FactSource.Guess))
        {
            CpuidTable guest = state.GuestCpuid!.Value;
            string missing = AnnouncedBits.Missing(guest, host.Record.Cpuid, SupportedCpuid.Of(host, host.UserFeatures));
            Assert.True(missing.Length == 0, $"{what}: the guest is promised {missing}");
            using KvmModelMachine machine = new(host);
            machine.RequestGuestPermission(StateComponent.TileData);
            machine.CreateVcpu(0, out IKvmVcpu? vcpu);
            Assert.True(vcpu!.SetCpuid2(guest.Entries.AsSpan()).IsSuccess, $"{what}: the guest's CPUID is not taken");
            ulong largest = Xcr0Rules.LargestWithin(guest.UserComponents).Bits;
            if (guest.Has(CpuidFeatures.Xsave) && largest != 0)
            {
                Assert.True(vcpu.SetXcrs(1, 0, [new XcrEntry(0, largest)]).IsSuccess, $"{what}: no XCR0 of 0x{largest:x}");
            }

            ulong supervisor = guest.SupervisorComponents.Bits;
            vcpu.SetMsr(KvmModelVcpu.MsrXss, supervisor, out int taken);
            Assert.True(supervisor == 0 || taken == 1, $"{what}: no IA32_XSS of 0x{supervisor:x}");
            bool cet = guest.Has(CpuidFeatures.CetSs) || guest.Has(CpuidFeatures.CetIbt);
            vcpu.SetMsr(KvmModelVcpu.MsrUserCet, 0, out taken);
            Assert.True(!cet || supervisor == 0 || taken == 1, $"{what}: no MSR of CET");
        }
    }

    // One kernel that it can be: what is decided, what follows from that, and the rest by chance.
    private static LinuxHost Settle(LinuxHost host, Dictionary<KernelDifference, bool> decided, ref SplitMix64 random)
    {
        Dictionary<KernelDifference, bool> values = DifferenceRelations.KnownOf(host.Behavior);
        foreach ((KernelDifference difference, bool present) in decided)
        {
            values[difference] = present;
        }

        DifferenceRelations.Propagate(values);
        foreach (KernelDifference open in host.Behavior.Unknown)
        {
            if (values.TryAdd(open, random.OneIn(2)))
            {
                DifferenceRelations.Propagate(values);
            }
        }

        KernelBehavior kernel = host.Behavior.Unknown.ToImmutableArray().Aggregate(host.Behavior, (now, difference) =>
            now.Set(difference, values[difference]));
        return new LinuxHost(host.Record with { Microcode = random.OneIn(2) ? uint.MaxValue : 0 }, kernel);
    }

    private static string Values(LinuxHost host, LinuxHost settled) =>
        string.Join(", ", host.Behavior.Unknown.Select(difference => $"{difference.Id}={settled.Behavior.Knows(difference)}"));

    private static TargetOutcome Rehearse(Case chosen, LinuxHost host)
    {
        Capture capture = SampleHosts.OpenCapture(chosen.Capture);
        if (chosen.Maker is { } maker)
        {
            LinuxHost made = new(SampleHosts.Open(maker) with { Microcode = uint.MaxValue }, Read(chosen.MadeOn));
            Fact<CpuidTable> guest = new(SupportedCpuid.Of(made, made.DefaultUserFeatures), FactSource.Artifact, maker);
            capture = capture with { States = [.. capture.States.Select(state => state with { GuestCpuid = guest })] };
        }

        return RestoreRehearsal.Perform(capture, host, new RehearsalOptions { Vmm = chosen.Vmm });
    }

    private static KernelBehavior Read(string name)
    {
        Assert.True(KernelNames.TryRead(name, KernelEvidence.None, out KernelBehavior? kernel, out string error), error);
        return kernel;
    }

    private sealed record Case(string Capture, string Host, string Kernel, Restorer Vmm, string? Maker, string MadeOn)
    {
        public override string ToString() =>
            $"{Capture}{(Maker is null ? "" : $" of a guest made on {Maker}@{MadeOn}")} on {Host}@{Kernel} by {Vmm.Id}";
    }
}
