using Xstate.Artifacts;
using Xstate.Findings;
using Xstate.Lint;
using Xstate.Reports;
using Xstate.Tests.Support;

namespace Xstate.Tests.Lint;

/// <summary>Every real dump is consistent, but for the true oddities that docs/lint.md names with their processors.</summary>
public sealed class SharedDumpLintTests
{
    // File, and the rules that it breaks with a warning or an error.
    private static readonly Dictionary<string, string[]> Oddities = new()
    {
        ["AuthenticAMD0600F01_X1_x64_CPUID.txt"] = ["XS1483"],
        ["HygonGenuine0910F00_Hygon_01_CPUID.txt"] = ["XS1483"],
        ["CentaurHauls0040672_CNS_04_CPUID.txt"] = ["XS1428"],
        ["GenuineIotel00306C3_Haswell_CPUID5.txt"] = ["XS1403"],
        ["x86_64-cpuid-Ice-Lake-Server.xml"] = ["XS1414"],
    };

    [Theory]
    [InlineData("cpuid")]
    [InlineData("cpuid-more")]
    public void A_dump_of_a_processor_has_no_contradiction_that_is_not_named(string folder)
    {
        string root = Repository.Shared("data", folder);
        int files = 0;
        string page = File.ReadAllText(Repository.PathOf("docs", "lint.md"));
        foreach (string path in Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            if (TryOpen(path) is not { } artifact)
            {
                continue;
            }

            foreach (LintTarget target in LintTarget.Of(artifact, new LintContext { View = LintView.None }))
            {
                string name = Path.GetFileName(path);
                string[] found = [.. CpuidLint.Check(target.Dump, target.Context).Where(f => f.Severity != Severity.Info)
                    .Select(f => f.Rule.Id).Distinct().Order(StringComparer.Ordinal)];
                Assert.Equal(Oddities.GetValueOrDefault(name, []), found);
                Assert.True(found.Length == 0 || page.Contains(name, StringComparison.Ordinal), $"docs/lint.md does not name {name}");
                files++;
            }
        }

        Assert.True(files > 8, $"{files} dumps");
        TestContext.Current.SendDiagnosticMessage($"{files} CPUIDs of {folder} linted");
    }

    private static Artifact? TryOpen(string path)
    {
        try
        {
            using FileStream file = File.OpenRead(path);
            return Artifact.Open(file);
        }
        catch (MalformedArtifactException)
        {
            return null;
        }
    }
}
