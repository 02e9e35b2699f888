using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Transforms;

namespace Xstate.Tests.Rehearsal;

public class RegisterWriteTests
{
    private static readonly RegisterEdit[] Edits = [RegisterEdit.Parse("pkru=0x4"), RegisterEdit.Parse("zmm3=0x99"),
        RegisterEdit.Parse("k1=7")];

    [Theory]
    [InlineData("5.13", true)]
    [InlineData("5.14", false)]
    [InlineData("5.15.87", false)]
    [InlineData("5.15.88", true)]
    [InlineData("6.0", false)]
    [InlineData("6.1.5", false)]
    [InlineData("6.1.6", true)]
    [InlineData("6.18", true)]
    public void PKRU_is_taken_or_ignored_by_kernel_and_the_ignoring_ones_are_named(string release, bool taken)
    {
        LinuxHost host = Host(release);
        WriteOutcome outcome = RegisterWrite.Perform(new LinuxTask(host), 7, Layout(host), Edits, host);
        Assert.Equal([taken, true, true], outcome.Registers.Select(register => register.IsTaken));
        Assert.Equal(taken ? "0x4" : "0x55555554", outcome.Registers[0].After);
        if (taken)
        {
            Assert.Empty(outcome.Findings);
            return;
        }

        Finding finding = Assert.Single(outcome.Findings);
        Assert.Equal(("XS1301", Severity.Error), (finding.Rule.Id, finding.Severity));
        Assert.Equal($"linux-{release} ignored the write of pkru: it has PTRACE-PKRU-IGN", finding.Message);
        Assert.Equal("5.14 to 6.1, but not from 5.15.88 and 6.1.6 on", finding.Since);
        Assert.Equal(("0x55555554", "0x4"), (finding.Found, finding.Expected));
        Assert.Equal(7, finding.Where.Vcpu);
    }

    [Theory]
    [InlineData("0x55555554", null)]
    [InlineData("0x55555555",
        "PKRU 0x55555555 closes key 0: any access to memory that has no key of its own ends in SIGSEGV (SEGV_PKUERR)")]
    [InlineData("0x2", "PKRU 0x2 closes key 0: any write to memory that has no key of its own ends in SIGSEGV (SEGV_PKUERR)")]
    public void A_write_that_closes_key_0_is_performed_and_warned_of(string pkru, string? warning)
    {
        LinuxHost host = Host("6.18");
        WriteOutcome outcome = RegisterWrite.Perform(new LinuxTask(host), 7, Layout(host), [RegisterEdit.Parse($"pkru={pkru}")], host);
        Assert.Equal(pkru, Assert.Single(outcome.Registers).After);
        Assert.Equal(warning is null ? [] : [("XS1304", Severity.Warning, warning)],
            outcome.Findings.Select(finding => (finding.Rule.Id, finding.Severity, finding.Message)));
    }

    [Fact]
    public void A_kernel_that_ignores_PKRU_against_its_release_is_told_apart()
    {
        LinuxHost host = Host("6.18");
        LinuxHost other = new(host.Record, host.Behavior.Set(KernelDifference.PtracePkruIgnored, present: true));
        Finding finding = Assert.Single(RegisterWrite.Perform(new LinuxTask(other), 7, Layout(host), Edits, host).Findings);
        Assert.Equal("linux-6.18 ignored the write of pkru: as one with PTRACE-PKRU-IGN would, though its release should not have it",
            finding.Message);
    }

    [Fact]
    public void A_refusal_is_explained_by_the_model()
    {
        LinuxHost host = Host("6.18");
        WriteOutcome outcome = RegisterWrite.Perform(new LinuxTask(host), 7, Layout(host), [RegisterEdit.Parse("mxcsr=0xffffffff")], host);
        Assert.Equal(("PTRACE_SETREGSET NT_X86_XSTATE", Errno.EINVAL), (outcome.Refused, outcome.Errno));
        Assert.Empty(outcome.Registers);
        Assert.Equal("XS1506", Assert.Single(outcome.Findings).Rule.Id);
    }

    internal static LinuxHost Host(string release)
    {
        Assert.True(KernelRelease.TryParse(release, out KernelRelease kernel));
        return new LinuxHost(Support.SampleHosts.Open("intel-sapphire-rapids"), KernelBehavior.Of(kernel));
    }

    internal static Fact<XsaveLayout> Layout(LinuxHost host) => new(host.Layout, FactSource.Given, "test");
}
