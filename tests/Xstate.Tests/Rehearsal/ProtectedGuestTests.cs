using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Tests.Support;

namespace Xstate.Tests.Rehearsal;

/// <summary>
/// Guests whose registers the host cannot reach are decided before registers are compared; an area of zeros is no snapshot.
/// </summary>
public class ProtectedGuestTests
{
    private static readonly string[] Amd = ["amd-rome", "amd-milan", "amd-genoa", "amd-turin"];

    private static readonly string[] Kernels = ["5.11", "5.15", "6.1", "6.6", "6.8", "6.9", "6.10", "6.12", "6.18", "7.0"];

    [Theory]
    [InlineData(GuestProtection.SevEs, "6.12", Verdict.Differs, null, Errno.None)]
    [InlineData(GuestProtection.SevEs, "5.15", Verdict.Differs, null, Errno.None)]
    [InlineData(GuestProtection.ProtectedState, "6.12", Verdict.Refused, "KVM_SET_XSAVE", Errno.EINVAL)]
    [InlineData(GuestProtection.ProtectedState, "6.8", Verdict.Differs, null, Errno.None)]
    [InlineData(GuestProtection.SevEsBeforeLaunch, "6.8", Verdict.Differs, null, Errno.None)]
    public void Protection_is_told_and_no_register_is_listed(GuestProtection protection, string kernel, Verdict verdict, string? call,
        Errno errno)
    {
        LinuxHost host = CetGuest.Host("amd-milan", kernel);
        TargetOutcome outcome = RestoreRehearsal.Perform(CetGuest.Of(host, null), host, new RehearsalOptions { Protection = protection });
        Assert.Equal((verdict, call, errno), (outcome.Verdict, outcome.RefusedCall, outcome.Errno));
        Finding finding = Assert.Single(outcome.Findings);
        Assert.Equal("XS0109", finding.Rule.Id);
        Assert.Empty(outcome.Differences);
        Assert.Empty(outcome.Repairs);
        Assert.Null(outcome.Repaired);
    }

    [Theory]
    [InlineData("intel-cascadelake", "6.12")]
    [InlineData("amd-milan", "5.10")]
    public void A_host_without_such_guests_is_told_apart(string name, string kernel)
    {
        LinuxHost host = CetGuest.Host(name, kernel);
        TargetOutcome outcome = RestoreRehearsal.Perform(SampleHosts.OpenCapture("live-avx512"), host,
            new RehearsalOptions { Protection = GuestProtection.SevEs });
        Assert.Equal((Verdict.Refused, "KVM_SEV_ES_INIT"), (outcome.Verdict, outcome.RefusedCall));
        Assert.Contains(outcome.Findings, finding => finding.Rule.Id == "XS0112");
        Assert.Empty(outcome.Differences);
        Assert.DoesNotContain(outcome.Findings, finding => finding.Rule.Id == "XS0501");
    }

    [Fact]
    public void What_KVM_SET_XSAVE_gives_before_the_launch_reaches_the_guest()
    {
        LinuxHost host = CetGuest.Host("amd-milan", "6.12");
        Capture capture = CetGuest.Of(host, null);
        RehearsalOptions options = new() { Protection = GuestProtection.SevEsBeforeLaunch };
        Assert.Equal(Verdict.Same, RestoreRehearsal.Perform(capture, host, options).Verdict);
    }

    [Fact]
    public void Of_that_state_the_launch_takes_x87_SSE_AVX_and_PKRU_and_nothing_else()
    {
        LinuxHost host = CetGuest.Host("amd-genoa", "6.12");
        Capture capture = CetGuest.Of(host, null);
        byte[] area = capture.States[0].Area.ToArray();
        area[XsaveFormat.XstateBvOffset] |= 0xE0;
        Assert.True(host.Layout.TryGetSlot(StateComponent.Opmask, out XsaveSlot opmask));
        area.AsSpan(opmask.Offset, 8).Fill(0x77);
        capture = capture with { States = [capture.States[0] with { Area = area }] };
        TargetOutcome outcome = RestoreRehearsal.Perform(capture, host,
            new RehearsalOptions { Protection = GuestProtection.SevEsBeforeLaunch });
        Assert.Equal(Verdict.Differs, outcome.Verdict);
        Assert.Equal(new RegisterDifference(0, "k0", "0x7777777777777777", "0x0"), Assert.Single(outcome.Differences));
        Assert.Equal(Verdict.Same, RestoreRehearsal.Perform(capture, host).Verdict);
    }

    [Fact]
    public void After_the_launch_the_state_is_out_of_reach()
    {
        using KvmModelMachine machine = new(CetGuest.Host("amd-milan", "6.12"), GuestProtection.SevEsBeforeLaunch);
        machine.CreateVcpu(0, out IKvmVcpu? created);
        KvmModelVcpu vcpu = (KvmModelVcpu)created!;
        byte[] image = new byte[4096];
        image[XsaveFormat.XstateBvOffset] = 2;
        image[XsaveFormat.XmmOffset] = 9;
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(XsaveFormat.MxcsrOffset), Mxcsr.Initial);
        Assert.True(vcpu.SetXsave(image).IsSuccess);
        vcpu.LaunchEncrypted();
        Assert.Equal(Errno.EINVAL, vcpu.SetXsave(image).Errno);
        Assert.Equal(Errno.EINVAL, vcpu.GetXsave(out _).Errno);
        Assert.Throws<InvalidOperationException>(() => KvmModelMachine.CreateVcpu(CetGuest.Host("amd-milan", "6.12")).LaunchEncrypted());
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void No_protected_guest_is_the_same_but_before_the_launch_on_a_kernel_that_copies_the_state(int seed)
    {
        SplitMix64 random = new((ulong)seed);
        string kernel = random.Pick<string>(Kernels);
        LinuxHost host = CetGuest.Host(random.Pick<string>(Amd), kernel);
        GuestProtection protection = random.Pick<GuestProtection>([GuestProtection.SevEs, GuestProtection.ProtectedState,
            GuestProtection.SevEsBeforeLaunch]);
        TargetOutcome outcome = RestoreRehearsal.Perform(CetGuest.Of(host, null), host, new RehearsalOptions { Protection = protection });
        Assert.True(KernelRelease.TryParse(kernel, out KernelRelease release));
        bool isNew = release.IsAtLeast(6, 10);
        Verdict expected = protection switch
        {
            GuestProtection.SevEsBeforeLaunch when isNew => Verdict.Same,
            GuestProtection.ProtectedState when isNew => Verdict.Refused,
            _ => Verdict.Differs,
        };
        Assert.Equal(expected, outcome.Verdict);
        Assert.Equal(expected != Verdict.Same, outcome.Findings.Any(finding => finding.Rule.Id == "XS0109"));
        Assert.Empty(outcome.Differences);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void An_area_of_zeros_is_no_snapshot_and_never_the_same(int seed)
    {
        SplitMix64 random = new((ulong)seed);
        LinuxHost host = CetGuest.Host(random.Pick<string>([.. Amd, "intel-haswell", "intel-icelake", "intel-sapphire-rapids"]),
            random.Pick<string>(Kernels));
        Capture capture = CetGuest.Of(host, null);
        capture = capture with { States = [capture.States[0] with { Area = new byte[random.Pick<int>([576, 832, 4096])] }] };
        RehearsalOptions options = new()
        {
            Vmm = random.Pick<Restorer>([.. Restorers.All.Where(restorer => restorer.Vmm != Vmm.Hyperlight
            && restorer is KvmRestorer)])
        };
        TargetOutcome outcome = RestoreRehearsal.Perform(capture, host, options);
        Assert.Equal(Verdict.Differs, outcome.Verdict);
        Assert.Contains(outcome.Findings, finding => finding.Rule.Id == "XS0113");
        Assert.Null(outcome.Repaired);
    }

    [Fact]
    public void A_virtual_CPU_that_never_ran_is_a_snapshot()
    {
        LinuxHost host = CetGuest.Host("amd-milan", "6.12");
        Capture capture = CetGuest.Of(host, null);
        byte[] area = new byte[4096];
        BinaryPrimitives.WriteUInt16LittleEndian(area, XsaveFormat.InitialFcw);
        BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(XsaveFormat.MxcsrOffset), Mxcsr.Initial);
        TargetOutcome outcome = RestoreRehearsal.Perform(capture with { States = [capture.States[0] with { Area = area }] }, host);
        Assert.Equal(Verdict.Same, outcome.Verdict);
        Assert.DoesNotContain(outcome.Findings, finding => finding.Rule.Id == "XS0113");
    }

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 20)];
}
