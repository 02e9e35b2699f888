using Xstate.Architecture;
using Xstate.Lint;
using Xstate.Tests.Support;

namespace Xstate.Tests.Lint;

/// <summary>
/// Leaf 0xD without the rest, as the log of a kernel has it: what is not there is not taken for absent, and the leaf's own faults are
/// found.
/// </summary>
public sealed class XsaveLeafAloneTests
{
    private static readonly LintContext Alone = LintContext.GuestView with { IsXsaveLeafAlone = true };

    public static TheoryData<string> Hosts =>
        ["amd-genoa", "amd-milan", "amd-turin", "intel-haswell", "intel-skylake-sp", "intel-icelake", "intel-sapphire-rapids",
            "intel-alderlake"];

    [Theory]
    [MemberData(nameof(Hosts))]
    public void A_processors_own_leaf_has_no_error(string host)
    {
        Assert.DoesNotContain(CpuidLint.Check(Leaf(host), Alone), finding => finding.Severity >= Xstate.Findings.Severity.Warning);

        // As a whole table it would be one without XSAVE, which is not what a log says.
        Assert.Contains(CpuidLint.Check(Leaf(host), LintContext.GuestView), finding => finding.Rule.Id == "XS1402");
    }

    [Theory]
    [MemberData(nameof(Hosts))]
    public void An_empty_sub_leaf_and_a_wrong_size_are_found(string host)
    {
        CpuidTable leaf = Leaf(host);
        Assert.Contains(CpuidLint.Check(leaf.With(0xD, 2, default), Alone), finding => finding.Severity == Xstate.Findings.Severity.Error
            && finding.Place.Subleaf == 2);
        CpuidRegisters sizes = leaf.Read(0xD);
        Assert.Contains(CpuidLint.Check(leaf.With(0xD, 0, sizes with { Ecx = sizes.Ecx + 64 }), Alone),
            finding => finding.Rule.Id == "XS1421");
    }

    private static CpuidTable Leaf(string host) => new([.. SampleHosts.Open(host).Cpuid.Entries.Where(entry => entry.Leaf == 0xD)]);
}
