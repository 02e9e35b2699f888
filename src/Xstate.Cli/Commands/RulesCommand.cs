using System.CommandLine;
using Xstate.Cli.Input;
using Xstate.Cli.Output;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Lint;
using Xstate.Reports;

namespace Xstate.Cli.Commands;

/// <summary><c>xstate rules [ID]</c>: the rules, or one of them explained; behaviour ids are explained too.</summary>
internal static class RulesCommand
{
    public static Command Create()
    {
        Argument<string?> id = new("ID") { Description = "A rule (XS0102) or a kernel behaviour (KVM-SET-STRICT-CPUID).", Arity = ArgumentArity.ZeroOrOne };
        Option<bool> json = new("--json") { Description = "Print the stable JSON answer instead of text." };
        Option<string?> kernel = new("--kernel")
        {
            Description = "Say how a kernel's name is read and which behaviours it has: linux-6.12, what uname -r prints, the text of "
                + "/proc/version, or @FILE with one of them.",
        };
        Command command = new("rules", "List the rules that findings point at, or explain one.") { id, kernel, json };
        command.SetAction(parsed => parsed.GetValue(kernel) is { } name
            ? RunKernel(KernelArgument.ParseOption(name), parsed.GetValue(id), parsed.GetValue(json))
            : Run(parsed.GetValue(id), parsed.GetValue(json)));
        return command;
    }

    // L10 and N01 are names of lint's rules too.
    private static Rule? Find(string id) => Rules.Find(LintRules.Find(id)?.Id ?? id) ?? LintRules.Find(id)?.ToRule();

    private static int RunKernel(KernelBehavior kernel, string? id, bool json)
    {
        IReadOnlyList<KernelDifference> differences = id is null ? KernelDifference.All
            : [KernelDifference.Find(id)
                ?? throw new UsageException($"there is no behaviour {Quotation.Cut(id)}; xstate rules lists them")];
        if (json)
        {
            Standard.Write(output => RulesReport.WriteJson(output, kernel, differences));
        }
        else
        {
            RulesReport.WriteText(Standard.Out, kernel, differences);
        }

        return ExitCode.Fine;
    }

    private static int Run(string? id, bool json)
    {
        IReadOnlyList<Rule> rules = id is null ? [.. Rules.All, .. LintRules.Own] : Find(id) is { } rule ? [rule] : [];
        IReadOnlyList<KernelDifference> differences = id is null ? KernelDifference.All : KernelDifference.Find(id) is { } info ? [info] : [];
        if (id is not null && rules.Count + differences.Count == 0)
        {
            throw new UsageException($"there is no rule or behaviour {id}; xstate rules lists them");
        }

        if (json)
        {
            Standard.Write(output => RulesReport.WriteJson(output, rules, differences));
        }
        else if (id is null)
        {
            RulesReport.WriteList(Standard.Out, rules, differences);
        }
        else
        {
            RulesReport.WriteExplanation(Standard.Out, rules, differences);
        }

        return ExitCode.Fine;
    }
}
