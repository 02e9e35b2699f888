using Xstate.Captures;
using Xstate.Findings;
using Xstate.Reports;
using Xstate.Tests.Support;

namespace Xstate.Tests.Reports;

public class FindingTextTests
{
    [Fact]
    public void Every_report_tells_a_finding_in_the_same_lines()
    {
        Finding finding = new(Rules.CoreLayoutUnknown, Severity.Warning, "a sentence")
        {
            Where = new FindingLocation(7, 512, "0xd.0.eax"),
            Found = "1",
            Expected = "2",
            Since = "6.1",
            Mend = "do it"
        };
        Capture capture = SampleHosts.OpenCapture("compacted") with { Kind = CaptureKind.Process };
        string[] texts =
        [
            Text(output => CheckReport.WriteFindingsText(output, "file", [finding])),
            Text(output => ShowReport.WriteText(output, capture, ShowOptions.Default, [finding])),
            Text(output => SetReport.WriteText(output,
                new SetAnswer("file", "format", "out", [], [finding]) { Kind = CaptureKind.Process })),
            Text(output => ConvertReport.WriteText(output,
                new ConvertAnswer("file", "a", "b", "out", 1, [], [finding]) { Kind = CaptureKind.Process })),
            Text(output => FixReport.WriteDamageText(output, "out", "undo", [finding], CaptureKind.Process)),
            Text(output => DiffReport.WriteText(output, new DiffSide("a", capture, [finding]), new DiffSide("b", capture, []),
                CaptureComparison.Compare(capture, capture))),
        ];
        foreach (string text in texts)
        {
            string[] lines = [.. text.Split('\n').Select(line => line.Trim())];
            int first = Array.IndexOf(lines, "XS0801 warning: a sentence");
            Assert.True(first >= 0, text);
            Assert.Equal(["thread 7, byte 512, CPUID 0xd.0.eax, found 1, expected 2, kernels: 6.1", "mend: do it"],
                lines[(first + 1)..(first + 3)]);
        }
    }

    [Fact]
    public void What_is_only_worth_knowing_asks_for_nothing()
    {
        Finding finding = new(Rules.ZeroWithoutSubsection, Severity.Info, "a sentence") { Mend = "nothing" };
        Assert.DoesNotContain("mend", Text(output => CheckReport.WriteFindingsText(output, "file", [finding])), StringComparison.Ordinal);
    }

    private static string Text(Action<TextWriter> write)
    {
        StringWriter output = new();
        write(output);
        return output.ToString();
    }
}
