using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Fleet;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Tests.Support;

namespace Xstate.Tests.Fleet;

/// <summary>
/// A pool answers for classes what a rehearsal of every pair answers. Fleets are seeded; XSTATE_TEST_SCALE=125 is 500 of them.
/// </summary>
public class PoolTests
{
    private static readonly int Fleets = Math.Max(1, (int)(4 * Repository.Scale));

    [Theory]
    [InlineData("", GuestCpuPolicy.AsSaved)]
    [InlineData("cloud-hypervisor", GuestCpuPolicy.AsSaved)]
    [InlineData("qemu", GuestCpuPolicy.Enforce)]
    [InlineData("qemu", GuestCpuPolicy.Host)]
    public void A_pool_answers_what_every_pair_answers(string vmm, Enum policyValue)
    {
        GuestCpuPolicy policy = (GuestCpuPolicy)policyValue;
        RehearsalOptions options = vmm.Length == 0 ? new() : new() { Vmm = Restorers.Find(vmm), GuestCpu = policy };
        long pairs = 0;
        long classes = 0;
        HashSet<Verdict> seen = [];
        for (int i = 0; i < Fleets; i++)
        {
            RandomFleet fleet = new((ulong)i, maxHosts: 40, maxCaptures: 60, isCompared: vmm.Length > 0);
            Pool pool = fleet.Build(options);
            classes += pool.Classes.Length;
            Assert.Equal(fleet.Hosts.Length, pool.HostCount);
            foreach (PoolHost host in fleet.Hosts)
            {
                HostClass one = pool.Classes.Single(one => one.Hosts.Contains(host));
                foreach ((string name, Capture capture) in fleet.Captures)
                {
                    TargetOutcome outcome = RestoreRehearsal.Perform(capture, host.Host, options);
                    MoveOutcome move = pool.Outcome(pool.Captures.Single(known => known.Name == name).Guest, one);
                    Assert.True(outcome.Verdict == move.Verdict && Why(outcome).SequenceEqual(move.Rules),
                        $"fleet {i}, {name} on {host.Argument}: {outcome.Verdict} and {move.Verdict}, {string.Join(',', Why(outcome))} "
                        + $"and {string.Join(',', move.Rules)}");
                    seen.Add(outcome.Verdict);
                    pairs++;
                }
            }
        }

        TestContext.Current.SendDiagnosticMessage($"{pairs} pairs of {Fleets} fleets with {classes} classes of hosts");
        Assert.Superset(vmm.Length > 0 ? [Verdict.Same, Verdict.Refused] : new HashSet<Verdict> { Verdict.Same, Verdict.Refused,
            Verdict.Repairable, Verdict.Differs, Verdict.Unknown }, seen);
    }

    [Fact]
    public void Hosts_that_differ_in_what_a_VMM_compares_are_two_classes()
    {
        HostRecord record = SampleHosts.Open("intel-sapphire-rapids");
        foreach ((uint leaf, uint subleaf, CpuidRegister register) in (ReadOnlySpan<(uint, uint, CpuidRegister)>)
            [
                (1, 0, CpuidRegister.Edx), (7, 0, CpuidRegister.Eax), (7, 1, CpuidRegister.Ecx), (7, 1, CpuidRegister.Edx),
                    (7, 2, CpuidRegister.Edx),
                (0x1D, 0, CpuidRegister.Eax), (0x1E, 0, CpuidRegister.Eax), (0x1E, 1, CpuidRegister.Eax),
                    (0x8000_0001, 0, CpuidRegister.Ecx),
            ])
        {
            CpuidRegisters found = record.Cpuid.Read(leaf, subleaf);
            HostRecord other = record with { Cpuid = record.Cpuid.With(leaf, subleaf, found.With(register, found[register] ^ 1)) };
            KernelBehavior kernel = RandomFleet.Kernel("linux-6.12");
            Pool pool = new PoolBuilder([new PoolHost("a", new LinuxHost(record, kernel)), new PoolHost("b", new LinuxHost(other, kernel))])
                .Build();
            Assert.True(pool.Classes.Length == 2, $"{leaf:x}.{subleaf:x} {register}");
        }
    }

    // Each pair of hosts is a pool of its own: it has no other host that could stand for either.
    [Fact]
    public void The_matrix_of_a_pool_is_that_of_every_pair_of_its_hosts()
    {
        for (int i = 0; i < Math.Max(1, Fleets / 4); i++)
        {
            RandomFleet fleet = new((ulong)(1_000 + i), maxHosts: 12, maxCaptures: 0);
            Pool pool = fleet.Build();
            foreach (PoolHost from in fleet.Hosts)
            {
                foreach (PoolHost to in fleet.Hosts)
                {
                    Pool pair = new PoolBuilder([from, to]).Build();
                    PoolMove alone = pair.Matrix.Single(move => move.From.Hosts.Contains(from) && move.To.Hosts.Contains(to));
                    PoolMove cell = pool.Matrix.Single(move => move.From.Hosts.Contains(from) && move.To.Hosts.Contains(to));
                    Assert.Equal(alone.Outcome.Verdict, cell.Outcome.Verdict);
                    Assert.Equal(alone.Outcome.Rules, cell.Outcome.Rules);
                }
            }
        }
    }

    [Fact]
    public void A_cell_of_the_matrix_is_the_worst_of_the_guests_that_are_at_home_there()
    {
        int mixed = 0;
        for (int i = 0; i < Fleets * 2; i++)
        {
            RandomFleet fleet = new((ulong)(5_000 + i), maxHosts: 6, maxCaptures: 40);
            foreach (PoolMove cell in fleet.Build().Matrix.Where(_ => !fleet.Captures.IsEmpty))
            {
                HashSet<string> names = [.. cell.From.Hosts.Select(host => host.Host.Record.Name)];
                Verdict[] verdicts = [.. fleet.Captures.Where(vm => names.Contains(vm.Capture.Source?.Value.Name ?? ""))
                    .Select(vm => RestoreRehearsal.Perform(vm.Capture, cell.To.Host).Verdict)];
                Assert.Equal(verdicts.Length == 0, cell.MovesFullest);
                Assert.True(verdicts.Length == 0 || cell.Outcome.Verdict == verdicts.Max());
                mixed += verdicts.Distinct().Count() > 1 ? 1 : 0;
            }
        }

        Assert.True(mixed > 10);
    }

    [Fact]
    public void Who_is_pinned_is_who_no_other_host_takes()
    {
        int pinned = 0;
        for (int i = 0; i < Fleets * 8; i++)
        {
            RandomFleet fleet = new((ulong)(2_000 + i), maxHosts: 6, maxCaptures: 12);
            Pool pool = fleet.Build();
            foreach ((string name, Capture capture) in fleet.Captures)
            {
                PoolHost? home = fleet.Hosts.FirstOrDefault(host => host.Host.Record.Name == capture.Source?.Value.Name);
                Verdict[] others = [.. fleet.Hosts.Where(host => host != home)
                    .Select(host => RestoreRehearsal.Perform(capture, host.Host).Verdict)];
                PoolCapture known = pool.Captures.Single(known => known.Name == name);
                PinnedGuests? told = pool.Pinned.FirstOrDefault(pinned => pinned.Group.Guest == known.Guest
                    && pinned.Group.Home == known.Home);
                bool isPinned = !others.Any(verdict => verdict is Verdict.Same or Verdict.Repairable);
                Assert.Equal(isPinned, told is not null);
                Assert.Equal(isPinned && !others.Contains(Verdict.Unknown), told?.IsCertain ?? false);
                pinned += isPinned ? 1 : 0;
            }
        }

        Assert.True(pinned > 0);
    }

    [Fact]
    public void What_a_class_costs_is_what_the_pool_without_it_has_more()
    {
        for (int i = 0; i < Fleets * 8; i++)
        {
            Pool pool = new RandomFleet((ulong)(3_000 + i), maxHosts: 10, maxCaptures: 0).Build();
            foreach (HostClass one in pool.Classes.Where(_ => pool.Classes.Length > 1))
            {
                GuestOffer without = pool.Classes.Where(other => other != one).Select(other => other.Offer.Lower)
                    .Aggregate((a, b) => a.And(b));
                GuestOffer gained = without.Except(one.Offer.Upper);
                PoolCost? cost = pool.Costs.FirstOrDefault(cost => cost.Class == one && cost.IsCertain);
                Assert.Equal(gained.Xcr0, cost?.Offer.Xcr0 ?? default);
                Assert.Equal(gained.FeatureNames, cost?.Offer.FeatureNames ?? []);
            }
        }
    }

    [Fact]
    public void What_a_host_may_give_is_no_certain_cost_of_it()
    {
        HostRecord record = SampleHosts.Open("intel-sapphire-rapids");
        Pool pool = new PoolBuilder(
        [
            new PoolHost("known", new LinuxHost(record, RandomFleet.Kernel("linux-6.12"))),
            new PoolHost("open", new LinuxHost(record, RandomFleet.Kernel("5.15.0-custom"))),
        ]).Build();
        PoolCost[] costs = [.. pool.Costs.Where(cost => cost.Offer.Xcr0.Contains(StateComponent.TileData))];
        Assert.Equal(("open", false), (Assert.Single(costs).Class.Hosts[0].Argument, costs[0].IsCertain));
    }

    [Fact]
    public void A_plan_is_an_order_that_strands_nobody_and_none_means_that_all_orders_do()
    {
        KernelBehavior kernel = RandomFleet.Kernel("linux-6.1.40");
        HashSet<UpgradeAnswer> seen = [];
        for (int i = 0; i < Fleets * 6; i++)
        {
            RandomFleet fleet = new((ulong)(4_000 + i), maxHosts: 5, maxCaptures: 6);
            Pool pool = fleet.Build();
            UpgradePlan plan = pool.PlanUpgrade(kernel);
            bool hasOrder = AnyOrder(fleet, pool, plan, kernel, verdict => verdict is Verdict.Same or Verdict.Repairable);
            Assert.Equal(hasOrder, plan.Answer == UpgradeAnswer.Order);
            if (!hasOrder)
            {
                Assert.Equal(AnyOrder(fleet, pool, plan, kernel, verdict => verdict is Verdict.Same or Verdict.Repairable
                    or Verdict.Unknown), plan.Answer == UpgradeAnswer.Unknown);
                Assert.NotEmpty(plan.Obstacles);
            }

            seen.Add(plan.Answer);
        }

        Assert.Contains(UpgradeAnswer.Order, seen);
        Assert.Contains(UpgradeAnswer.None, seen);
    }

    [Fact]
    public void The_greatest_common_state_is_what_the_least_host_has()
    {
        Pool pool = PoolOf("linux-6.12", "intel-sapphire-rapids", "intel-haswell", "amd-genoa");
        Assert.Equal(new StateComponentSet(7), pool.Common.Lower.Xcr0);
        PoolCost cost = pool.Costs.Single(cost => cost.Offer.Xcr0.Contains(StateComponent.Opmask));
        Assert.Equal("intel-haswell", cost.Class.Hosts.Single().Argument);
        Assert.Equal((2, 3), (cost.Others, cost.All));
        Assert.Contains("AVX512F", cost.Offer.FeatureNames);
    }

    [Fact]
    public void Tiles_pin_the_guest_of_the_only_host_that_has_them_and_hiding_them_frees_it()
    {
        Pool pool = PoolOf("linux-6.12", "intel-sapphire-rapids", "intel-icelake");
        PinnedGuests pinned = pool.Pinned.Single();
        Assert.Equal("intel-sapphire-rapids", pinned.Group.Home!.Hosts.Single().Argument);
        Assert.Equal(new StateComponentSet(0x60000), pinned.Components);
        Assert.Contains("AMX_TILE", pinned.Features);
        PoolChange change = pool.Changes()[0];
        Assert.Equal((PoolChangeKind.Hide, 1L, 1L), (change.Kind, change.Frees, change.Touches));
        Assert.True(change.Offer.Xcr0.Contains(StateComponent.TileData));
    }

    [Fact]
    public void An_unknown_kernel_makes_a_lower_and_an_upper_answer()
    {
        Pool known = PoolOf("linux-6.12", "intel-sapphire-rapids");
        LinuxHost host = new(SampleHosts.Open("intel-sapphire-rapids"), RandomFleet.Kernel("5.15.0-custom"));
        Pool pool = new PoolBuilder([new PoolHost("a", host)]).Build();
        Assert.Equal(known.Common.Lower.Xcr0, known.Common.Upper.Xcr0);
        Assert.False(pool.Common.IsKnown);
        Assert.False(pool.Common.Lower.Xcr0.Contains(StateComponent.TileData));
        Assert.True(pool.Common.Upper.Xcr0.Contains(StateComponent.TileData));
    }

    [Fact]
    public void More_classes_than_can_be_tried_are_searched_and_that_is_said()
    {
        // Every behaviour that can be set apart makes a class of its own.
        KernelBehavior kernel = RandomFleet.Kernel("linux-6.1.40");
        PoolHost[] hosts = [.. KernelDifference.All.Take(24)
            .Select(difference => new PoolHost(difference.Id,
                new LinuxHost(SampleHosts.Open("intel-icelake"), kernel.Set(difference, kernel.Knows(difference) != Knowledge.Present))))];
        UpgradePlan plan = new PoolBuilder(hosts).Build().PlanUpgrade(RandomFleet.Kernel("linux-6.12"));
        Assert.False(plan.IsExact);
        Assert.Equal(UpgradeAnswer.Order, plan.Answer);
        Assert.Equal(24, plan.Steps.Length);
    }

    private static Pool PoolOf(string kernel, params string[] names) =>
        new PoolBuilder(names.Select(name => new PoolHost(name, new LinuxHost(SampleHosts.Open(name), RandomFleet.Kernel(kernel)))))
        .Build();

    private static IEnumerable<string> Why(TargetOutcome outcome) => (outcome.Verdict switch
    {
        Verdict.Same => [],
        Verdict.Unknown => outcome.DependsOn.Select(dependency => dependency.Id ?? dependency.Fact),
        _ => outcome.Findings.Where(finding => finding.Severity == Severity.Error).Select(finding => finding.Rule.Id),
    }).Distinct().Order(StringComparer.Ordinal);

    // Whether the classes can be upgraded in some order: after each step every guest has a host beside its own that takes it, unless it had
    // none to begin with.
    private static bool AnyOrder(RandomFleet fleet, Pool pool, UpgradePlan plan, KernelBehavior kernel, Func<Verdict, bool> fits)
    {
        if (fleet.Captures.IsEmpty)
        {
            return plan.Answer == UpgradeAnswer.Order || AllOrders(pool.Classes.Except(plan.Unchanged))
                .Any(order => StrandsNobody(pool, kernel, order, fits));
        }

        HostClass[] changed = [.. pool.Classes.Except(plan.Unchanged)];
        (Capture Capture, PoolHost? Home)[] guests = [.. fleet.Captures.Select(vm => (vm.Capture,
            fleet.Hosts.FirstOrDefault(host => host.Host.Record.Name == vm.Capture.Source?.Value.Name)))];
        bool Takes((Capture Capture, PoolHost? Home) guest, HashSet<HostClass> upgraded) => fleet.Hosts.Any(host => host != guest.Home
            && fits(RestoreRehearsal.Perform(guest.Capture, upgraded.Any(one => one.Hosts.Contains(host))
                ? Upgraded(host.Host, kernel) : host.Host).Verdict));
        (Capture Capture, PoolHost? Home)[] free = [.. guests.Where(guest => Takes(guest, []))];
        Dictionary<string, bool> known = [];
        return AllOrders(changed).Any(order => Enumerable.Range(1, order.Length).All(count =>
        {
            HashSet<HostClass> upgraded = [.. order.Take(count)];
            string key = string.Join(',', upgraded.Select(one => one.Id).Order());
            return known.TryGetValue(key, out bool answer) ? answer : known[key] = Array.TrueForAll(free, guest => Takes(guest, upgraded));
        }));
    }

    // Without captures the guests are the pool's own.
    private static bool StrandsNobody(Pool pool, KernelBehavior kernel, HostClass[] order, Func<Verdict, bool> fits)
    {
        GuestGroup[] free = [.. pool.Groups.Where(group => pool.Classes.Any(one => group.CanGoTo(one)
            && fits(pool.Outcome(group.Guest, one).Verdict)))];
        return Enumerable.Range(1, order.Length).All(count => free.All(group => pool.Classes.Any(one => group.CanGoTo(one)
            && (order.Take(count).Contains(one)
                ? group.Guest.Captures.Select(capture => RestoreRehearsal.Perform(capture,
                    Upgraded(one.Host, kernel)).Verdict) is var verdicts && Fits([.. verdicts], fits)
                : fits(pool.Outcome(group.Guest, one).Verdict)))));
    }

    private static bool Fits(Verdict[] verdicts, Func<Verdict, bool> fits) =>
        verdicts.Distinct().Count() == 1 ? fits(verdicts[0]) : verdicts.Any(verdict => verdict is Verdict.Same or Verdict.Repairable
            or Verdict.Unknown) && fits(Verdict.Unknown);

    private static LinuxHost Upgraded(LinuxHost host, KernelBehavior kernel) => new(
        host.Record with { Probes = [], SupportedCpuid = null, Xcr0 = null, Xsave2Size = null },
        kernel.Set(KernelDifference.KvmPvmHostCpuid, host.Record.Flavour == KvmFlavour.Pvm));

    private static IEnumerable<HostClass[]> AllOrders(IEnumerable<HostClass> classes)
    {
        HostClass[] all = [.. classes];
        return all.Length == 0 ? [[]] : all.SelectMany(first => AllOrders(all.Where(other => other != first))
            .Select(rest => (HostClass[])[first, .. rest]));
    }
}
