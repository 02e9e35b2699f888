using System.Reflection;
using Xstate.Findings;

namespace Xstate.Tests.Findings;

public class RulesTests
{
    [Fact]
    public void Every_rule_that_is_declared_stands_in_the_list_once_in_the_order_of_ids()
    {
        string[] declared = [.. typeof(Rules).GetFields(BindingFlags.NonPublic | BindingFlags.Static)
            .Where(field => field.FieldType == typeof(Rule)).Select(field => ((Rule)field.GetValue(null)!).Id)];
        Assert.Equal(declared.Order(StringComparer.Ordinal), Rules.All.Select(rule => rule.Id));
        Assert.Equal(declared.Length, declared.Distinct().Count());
    }

    [Fact]
    public void A_finding_of_a_rule_has_its_severity_and_says_what_to_do()
    {
        foreach (Rule rule in Rules.All)
        {
            Finding finding = rule.At(new FindingLocation(3), "a sentence");
            Assert.Equal((rule, rule.Severity, rule.Mend, 3), (finding.Rule, finding.Severity, finding.Mend, finding.Where.Vcpu));
        }
    }
}
