using Xstate.Reports;
using Xstate.Tests.Support;

namespace Xstate.Tests.Reports;

/// <summary>docs/rules is what the code says. XSTATE_UPDATE=1 writes it anew.</summary>
public class RulePagesTests
{
    [Fact]
    public void Every_page_of_the_rules_is_current_and_no_other_page_is_there()
    {
        string folder = Repository.PathOf("docs", "rules");
        if (Environment.GetEnvironmentVariable("XSTATE_UPDATE") == "1")
        {
            Directory.CreateDirectory(folder);
            foreach (DocumentationPage page in RulePages.All())
            {
                File.WriteAllText(Path.Combine(folder, page.FileName), page.Text);
            }
        }

        foreach (DocumentationPage page in RulePages.All())
        {
            Assert.Equal(File.ReadAllText(Path.Combine(folder, page.FileName)), page.Text);
        }

        Assert.Empty(Directory.GetFiles(folder).Select(path => Path.GetFileName(path)!)
            .Except(RulePages.All().Select(page => page.FileName)));
    }
}
