using System.Collections.Immutable;
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
        Argument<string?> id =
            new("ID")
            {
                Description = "A rule (XS0102), a kernel behaviour (KVM-SET-STRICT-CPUID), or words of an error (EINVAL, \"Bad "
                + "FPU state\").",
                Arity = ArgumentArity.ZeroOrOne
            };
        Option<bool> json = new("--json") { Description = "Print the stable JSON answer instead of text." };
        Option<string?> kernel = new("--kernel")
        {
            Description = "Say how a kernel's name is read and which behaviours it has: linux-6.12, what uname -r prints, the text of "
                + "/proc/version, or @FILE with one of them.",
        };
        Command command = new("rules", "List the rules that findings point at, explain one, or find those behind an error.") { id, kernel,
            json };
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
        IReadOnlyList<KernelDifference> differences = id is null ? KernelDifference.All : KernelDifference.Find(id) is { } info
            ? [info] : [];
        ImmutableArray<Symptom> symptoms = id is not null && rules.Count + differences.Count == 0 ? Symptoms.Search(id) : [];
        if (id is not null && rules.Count + differences.Count + symptoms.Length == 0)
        {
            throw new UsageException(
                $"there is no rule, behaviour or known message {Quotation.Cut(id)}; xstate rules lists the rules, and a word or two of a "
                + "message finds those behind it, as in: xstate rules EINVAL");
        }

        if (json)
        {
            IEnumerable<Rule> behind = symptoms.SelectMany(symptom => symptom.Rules).Distinct();
            Standard.Write(output => RulesReport.WriteJson(output, [.. rules, .. behind], differences, symptoms));
        }
        else if (!symptoms.IsEmpty)
        {
            RulesReport.WriteSymptoms(Standard.Out, symptoms);
            NextCommand.Suggest(Standard.Out, "rules", symptoms[0].Rules[0].Id);
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
