using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Tests.Support;

namespace Xstate.Tests.Rehearsal;

/// <summary>What a virtual CPU held before the restore shows afterwards exactly where the restore does not reach.</summary>
public class UsedVcpuTests
{
    private static readonly string[] Hosts = ["amd-milan", "amd-genoa", "amd-turin", "intel-icelake", "intel-sapphire-rapids"];

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 25)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void A_restore_that_sets_everything_leaves_nothing_of_the_last_guest(int seed)
    {
        SplitMix64 random = new((ulong)seed);
        LinuxHost host = CetGuest.Host(random.Pick<string>(Hosts), random.Pick<string>(["5.15", "6.8", "6.12", "6.18", "7.0"]));
        (uint, ulong)[] none = host.KvmShadowStack ? [.. CetGuest.CetMsrs.Select(index => (index, 0UL))] : [];
        Capture capture = CetGuest.Of(host, host.KvmXss.IsEmpty ? null : 0, none);
        Capture before = CetGuest.Of(host, host.KvmXss.IsEmpty ? null : host.KvmXss.Bits, host.KvmShadowStack
            ? [(CetGuest.UserCet, 1), (CetGuest.Pl3Ssp, 0x7000)] : []);
        RehearsalOptions fresh =
            new() { Vmm = Restorers.Find(random.Pick<string>(["firecracker", "cloud-hypervisor", "qemu", "crosvm", "dragonball"]))! };
        TargetOutcome expected = RestoreRehearsal.Perform(capture, host, fresh);
        TargetOutcome used = RestoreRehearsal.Perform(capture, host,
            fresh with { PreviousState = before, PreviousPkru = (uint)random.Next() });
        Assert.Equal(expected.Verdict, used.Verdict);
        Assert.Equal(expected.Differences, used.Differences);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void PKRU_stays_exactly_where_the_image_does_not_have_it(int seed)
    {
        SplitMix64 random = new((ulong)seed);
        LinuxHost host = CetGuest.Host(random.Pick<string>(Hosts), random.Pick<string>(["5.15", "6.8", "6.12", "6.18"]));
        Capture capture = CetGuest.Of(host, host.KvmXss.IsEmpty ? null : 0);
        bool has = random.OneIn(2);
        byte[] area = capture.States[0].Area.ToArray();
        area[XsaveFormat.XstateBvOffset + 1] &= has ? (byte)0xFF : (byte)0xFD;
        capture = capture with { States = [capture.States[0] with { Area = area }] };
        uint pkru = (uint)random.Next() | 4;
        TargetOutcome outcome = RestoreRehearsal.Perform(capture, host, new RehearsalOptions { PreviousPkru = pkru });
        RegisterDifference[] differences = [.. outcome.Differences.Where(difference => difference.Register == "pkru")];
        Assert.Equal(has ? [] : [new RegisterDifference(0, "pkru", "0x0", $"0x{pkru:x}")], differences);
    }

    [Fact]
    public void IA32_XSS_and_CET_stay_where_the_snapshot_has_no_MSRs()
    {
        LinuxHost host = CetGuest.Host("amd-turin", "6.18");
        Capture before = CetGuest.Of(host, 0x1800, (CetGuest.UserCet, 1));
        using KvmModelMachine machine = new(host);
        KvmRestorer restorer = (KvmRestorer)Restorers.Find("firecracker")!;
        PerformedRestore performed = RestorePlan.Perform(machine, CetGuest.Of(host, null), CpuidTable.Empty, restorer,
            new UsedVcpus(host, before, null));
        KvmModelVcpu vcpu = (KvmModelVcpu)performed.Vcpus[0].Vcpu;
        Assert.Equal(new StateComponentSet(0x1800), vcpu.Xss);
        vcpu.GetMsr(CetGuest.UserCet, out _, out ulong cet);
        Assert.Equal(1UL, cet);
    }

    [Fact]
    public void IA32_XFD_of_the_last_guest_drops_tiles_of_VMMs_that_set_MSRs_after_the_area()
    {
        Capture sample = SampleHosts.OpenCapture("xfd-tiles");
        LinuxHost host = CetGuest.Host("intel-sapphire-rapids", "6.19");
        Fact<StateComponentSet> off = new(StateComponentSet.Empty, FactSource.Artifact, "MSR 0x1c4");
        Capture tiles = sample with { States = [sample.States[0] with { Xfd = off }] };
        RehearsalOptions options = new() { Vmm = Restorers.Find("firecracker")! };
        Assert.Equal(Verdict.Same, RestoreRehearsal.Perform(tiles, host, options).Verdict);
        byte[] legacy = tiles.States[0].Area.ToArray();
        legacy[XsaveFormat.XstateBvOffset + 2] = 0;
        Capture before = sample with { States = [sample.States[0] with { Area = legacy }] };
        TargetOutcome used = RestoreRehearsal.Perform(tiles, host, options with { PreviousState = before });
        Assert.Equal(Verdict.Differs, used.Verdict);
        Assert.Contains(used.Differences, difference => difference.Register.StartsWith("tile", StringComparison.Ordinal));
    }

    [Fact]
    public void A_state_that_the_kernel_would_not_have_let_in_is_told_as_such()
    {
        LinuxHost host = CetGuest.Host("amd-milan", "6.12");
        Capture before = CetGuest.Of(host, null);
        before = before with
        {
            States = [before.States[0] with { Xcr0 = new Fact<StateComponentSet>(new StateComponentSet(5),
            FactSource.Artifact, "test") }]
        };
        TargetOutcome outcome = RestoreRehearsal.Perform(CetGuest.Of(host, null), host, new RehearsalOptions { PreviousState = before });
        Assert.Equal((Verdict.Refused, "KVM_SET_XCRS of the state before the restore"), (outcome.Verdict, outcome.RefusedCall));
    }
}
