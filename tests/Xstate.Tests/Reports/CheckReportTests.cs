using Xstate.Rehearsal;
using Xstate.Reports;

namespace Xstate.Tests.Reports;

public class CheckReportTests
{
    [Fact]
    public void A_long_register_is_shown_from_the_first_byte_that_changes()
    {
        string before = string.Concat(Enumerable.Repeat("ab", 32)) + string.Concat(Enumerable.Repeat("cd", 32));
        string after = string.Concat(Enumerable.Repeat("ab", 32)) + new string('0', 64);
        using StringWriter text = new();
        TargetOutcome outcome = new()
        {
            Host = "host",
            Kernel = "linux-6.12",
            Vmm = Restorers.Default,
            Verdict = Verdict.Differs,
            Differences = [new RegisterDifference(3, "zmm7", before, after), new RegisterDifference(3, "pkru", "0x4", "0x0")],
        };
        CheckReport.WriteText(text, "file", [new CheckedTarget(outcome, null)]);
        Assert.Contains("vcpu 3 zmm7 from byte 32: cdcdcdcdcdcdcdcd", text.ToString(), StringComparison.Ordinal);
        Assert.Contains("becomes 0000000000000000", text.ToString(), StringComparison.Ordinal);
        Assert.Contains("vcpu 3 pkru: 0x4 becomes 0x0", text.ToString(), StringComparison.Ordinal);
    }
}
