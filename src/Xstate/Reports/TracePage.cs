using System.Net;
using Xstate.WorldSwitch;

namespace Xstate.Reports;

/// <summary>
/// Traces as one self-contained HTML page: a lane for each processor, coloured by whose code runs, and beside it what the step changed.
/// </summary>
internal static class TracePage
{
    private const string Style = """
        :root { color-scheme: light dark; --ink: #1b1f24; --soft: #6a737d; --line: #d9dee3; --back: #ffffff;
          --kernel: #dcebff; --user: #dff5e3; --guest: #f1e2fb; --event: #fff0c2; --bad: #ffd9d6; --bad-ink: #a40e26; }
        @media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --soft: #97a1ab; --line: #333a41; --back: #14181c;
          --kernel: #1d3350; --user: #1c3d27; --guest: #3b2450; --event: #4a3b0c; --bad: #571a1d; --bad-ink: #ff9a94; } }
        body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--back); margin: 2rem auto; max-width: 78rem;
        padding: 0 1rem; }
        h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .3rem; } h2 code { font-size: inherit; }
        p { margin: .3rem 0 .8rem; max-width: 60rem; } code { font: 13px/1.4 ui-monospace, monospace; }
        table { border-collapse: collapse; width: 100%; } th { text-align: left; font-weight: 600; color: var(--soft);
        padding: .3rem .5rem; }
        td { vertical-align: top; border-top: 1px solid var(--line); padding: .28rem .5rem; }
        td.n { color: var(--soft); text-align: right; }
        td.lane { width: 34rem; } .step { display: block; border-radius: 4px; padding: .15rem .45rem; }
        .kernel { background: var(--kernel); } .user { background: var(--user); } .guest { background: var(--guest); }
        .other { border: 1px dashed var(--soft); }
        .event { background: var(--event); } .bad .step { background: var(--bad); }
        .bad td.note { color: var(--bad-ink); font-weight: 600; }
        .idle { opacity: .62; } .who { color: var(--soft); font-size: .85em; } .legend .step { display: inline-block; margin-right: .4rem; }
        .verdict td { border: 0; padding: .1rem .8rem .1rem 0; } .verdict td:nth-child(-n+2), .who { white-space: nowrap; }
        .violated { color: var(--bad-ink); font-weight: 600; }
        """;

    /// <summary>Writes the page.</summary>
    public static void Write(TextWriter output, ExplorationResult result)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(result);
        output.WriteLine("<!DOCTYPE html>");
        output.WriteLine(
            $"<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
            + $"content=\"width=device-width\"><title>{Text(result.Protocol.Id)}</title><style>");
        output.WriteLine(Style);
        output.WriteLine("</style></head><body>");
        output.WriteLine($"<h1>{Text(result.Protocol.Id)}</h1>");
        output.WriteLine($"<p>{Text(result.Protocol.Summary)}</p>");
        output.WriteLine(
            $"<p>{result.Vcpus} vCPU, {result.Cpus} CPU, events <code>{Text(HostEventCatalogue.Format(result.Events))}</code>: "
            + $"{Text(result.Verdict)}.</p>");
        WriteVerdicts(output, result);
        if (result.Violations.Length > 0)
        {
            output.WriteLine(
                "<p class=\"legend\"><span class=\"step kernel\">host kernel</span><span class=\"step user\">host user</span><span "
                + "class=\"step guest\">guest</span>"
                + "<span class=\"step other\">other task</span><span class=\"step event\">event</span>"
                + "<span class=\"who\">pale rows change nothing here</span></p>");
        }

        foreach (InvariantViolation violation in result.Violations)
        {
            WriteTrace(output, violation);
        }

        output.WriteLine("</body></html>");
    }

    private static void WriteVerdicts(TextWriter output, ExplorationResult result)
    {
        output.WriteLine("<table class=\"verdict\">");
        foreach (InvariantInfo invariant in Invariants.All)
        {
            string verdict = result.Of(invariant.Invariant) is { } violation
                ? $"<a class=\"violated\" href=\"#{invariant.Id}\">violated in {violation.Trace.Length} steps</a>"
                : result.Complete ? "holds" : "not violated so far";
            output.WriteLine($"<tr><td><code>{invariant.Id}</code></td><td>{verdict}</td><td>{Text(invariant.Statement)}</td></tr>");
        }

        output.WriteLine("</table>");
    }

    private static void WriteTrace(TextWriter output, InvariantViolation violation)
    {
        InvariantInfo invariant = Invariants.Of(violation.Invariant);
        int[] cpus = [.. violation.Trace.Select(step => step.Cpu).Distinct().Order()];
        output.WriteLine($"<h2 id=\"{invariant.Id}\"><code>{invariant.Id}</code></h2>");
        output.WriteLine($"<p>A shortest sequence after which {Text(invariant.Violated)}.</p>");
        output.WriteLine($"<table><tr><th></th>{string.Concat(cpus.Select(cpu => $"<th>CPU {cpu}</th>"))}<th>what changes</th></tr>");
        for (int i = 0; i < violation.Trace.Length; i++)
        {
            TraceStep step = violation.Trace[i];
            string row = i == violation.Trace.Length - 1 ? "bad" : step.Note.Length == 0 ? "idle" : "";
            output.Write($"<tr class=\"{row}\"><td class=\"n\">{i + 1}</td>");
            foreach (int cpu in cpus)
            {
                output.Write(cpu == step.Cpu
                    ? $"<td class=\"lane\" title=\"{Text(step.Thought)}\"><span class=\"step "
                        + $"{ClassOf(step)}\"><code>{Text(step.Step)}</code> <span class=\"who\">vCPU {step.Vcpu}</span></span></td>"
                    : "<td class=\"lane\"></td>");
            }

            output.WriteLine($"<td class=\"note\">{Text(step.Note)}</td></tr>");
        }

        output.WriteLine("</table>");
    }

    private static string ClassOf(TraceStep step) => ExploreReport.IsEvent(step)
        ? "event"
        : step.World switch
        {
            World.HostUser => "user",
            World.Guest => "guest",
            World.OtherTask => "other",
            _ => "kernel",
        };

    private static string Text(string text) => WebUtility.HtmlEncode(text);
}
