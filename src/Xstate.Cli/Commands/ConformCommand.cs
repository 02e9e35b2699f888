using System.CommandLine;
using System.Globalization;
using System.Runtime.Versioning;
using Xstate.Cli.Input;
using Xstate.Cli.Output;
using Xstate.Hypervisors.Linux;
using Xstate.Linux;
using Xstate.Linux.Kvm;
using Xstate.Linux.NativeCode;
using Xstate.Reports;
using Xstate.Scenarios.Conformance;

namespace Xstate.Cli.Commands;

/// <summary><c>xstate conform</c>: is the model of this machine's kernel right?</summary>
internal static class ConformCommand
{
    public static Command Create()
    {
        Option<string?> @as =
            new("--as") { Description = "Model this kernel (linux-5.17) instead of the one that is found by probing: what would differ?" };
        Option<long> count = new("--count") { Description = "Calls to compare.", DefaultValueFactory = _ => 100_000 };
        Option<string> seed = new("--seed") { Description = "The first seed.", DefaultValueFactory = _ => "1" };
        Option<double?> seconds = new("--seconds") { Description = "End after this time, whatever was compared by then." };
        Option<string?> output = OutputOption.Create("Write a scenario for each disagreement, JSON Lines for xstate run.");
        Option<bool> force = new("--force") { Description = "Replace an existing regular file." };
        Option<bool> json = new("--json") { Description = "Print the stable JSON answer instead of text." };
        Command command = new("conform",
            "Compare the model with this machine's kernel: random calls of KVM, ptrace and signals, none harmful.") { @as, count, seed,
            seconds, output, force, json };
        command.SetAction(parsed =>
        {
            if (!OperatingSystem.IsLinux())
            {
                throw new UsageException("only a Linux kernel can be compared with");
            }

            ConformanceOptions options = new()
            {
                Count = parsed.GetValue(count) is > 0 and var calls ? calls : throw new UsageException("--count takes a number above 0"),
                Seed = CommonOptions.ParseNumber(parsed.GetValue(seed)!, "--seed"),
                Limit = parsed.GetValue(seconds) is { } limit ? Limit(limit) : null,
            };
            string? path = parsed.GetValue(output);
            if (path is not null)
            {
                AtomicFile.Refuse(path, parsed.GetValue(force));
            }

            ConformAnswer answer = Perform(parsed.GetValue(@as), options);
            if (path is not null)
            {
                byte[] lines = System.Text.Encoding.UTF8.GetBytes(
                    string.Concat(answer.Result.Disagreements.Select(found => found.Scenario + "\n")));
                AtomicFile.Write(path, lines, parsed.GetValue(force), OutputMode.Public);
            }

            if (parsed.GetValue(json))
            {
                Standard.Write(stream => ConformReport.WriteJson(stream, answer));
            }
            else
            {
                ConformReport.WriteText(Standard.Out, answer);
            }

            return answer.Result.Disagreements.Count == 0 ? ExitCode.Fine : ExitCode.Findings;
        });
        return command;
    }

    private static TimeSpan Limit(double seconds) =>
        seconds is > 0 and < 1e9 ? TimeSpan.FromSeconds(seconds) : throw new UsageException("--seconds takes a number above 0");

    [SupportedOSPlatform("linux")]
    private static ConformAnswer Perform(string? kernel, ConformanceOptions options)
    {
        LinuxHost host = LocalHost.Probed(kernel);
        KvmSequenceFacts? facts = LocalHost.SequenceFacts(host);
        HostProbe.IsKvmUsable(out string whyNoKvm);
        options = options with { DriftingInUse = InUseDrift.Components };
        using KvmDevice? device = facts is null ? null : KvmDevice.Open();

        ProgressLine? line = Session.Current.Progress;
        ConformanceResult result = ConformanceRun.Perform(host, facts, new KernelScenarioBackend(device), options, line is null
            ? null : new Progress(line, options.Count));
        return new ConformAnswer(host.Record.Provenance.Detail, host.Behavior.ToString(), options.Seed, result)
        {
            LeftOut = ConformanceScope.LeftOut(host, facts, whyNoKvm, options.DriftingInUse),
        };
    }

    private sealed class Progress(ProgressLine line, long count) : IProgress<long>
    {
        private readonly long _interval = Math.Max(1, count / 1000);
        private long _next;

        public void Report(long value)
        {
            if (value >= _next)
            {
                _next = value + _interval;
                line.Show(string.Create(CultureInfo.InvariantCulture, $"{value:N0} of {count:N0} calls"));
            }
        }
    }
}
