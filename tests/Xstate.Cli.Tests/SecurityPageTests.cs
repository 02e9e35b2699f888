using System.Text.RegularExpressions;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>SECURITY.md names a test for each promise: all of them are there.</summary>
public sealed partial class SecurityPageTests
{
    [Fact]
    public void Every_test_that_the_page_names_exists()
    {
        string page = File.ReadAllText(Repository.PathOf("SECURITY.md"));
        ILookup<string, string> sources = Directory.EnumerateFiles(Repository.PathOf("tests"), "*Tests.cs", SearchOption.AllDirectories)
            .ToLookup(path => Path.GetFileNameWithoutExtension(path), File.ReadAllText, StringComparer.Ordinal);
        MatchCollection named = Named().Matches(page);
        Assert.True(named.Count > 40, $"{named.Count}");
        Assert.All(named, match =>
        {
            string type = match.Groups["class"].Value;
            Assert.True(sources.Contains(type), $"there is no class {type}");
            string test = match.Groups["test"].Value;
            Assert.True(test.Length == 0 || sources[type].Any(source => source.Contains($" {test}(", StringComparison.Ordinal)),
                $"{type} has no test {test}");
        });
    }

    [GeneratedRegex(@"`(?<class>[A-Za-z]+Tests)(\.(?<test>\w+))?`", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Named();
}
