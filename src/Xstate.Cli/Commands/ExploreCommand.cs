using System.CommandLine;
using Xstate.Cli.Input;
using Xstate.Cli.Output;
using Xstate.Hypervisors;
using Xstate.Reports;
using Xstate.WorldSwitch;

namespace Xstate.Cli.Commands;

/// <summary><c>xstate explore PROTOCOL</c>: tries every interleaving of a world switch against its invariants.</summary>
internal static class ExploreCommand
{
    private const string DefaultEvents = "default";

    private static readonly string[] TraceForms = ["text", "mermaid", "html"];

    public static Command Create()
    {
        Argument<string?> protocol = new("PROTOCOL")
        {
            Description = "A protocol of --list, such as kvm-vmx-5.8, or vmx@KERNEL or svm@KERNEL for that of a kernel, such as "
                + "svm@linux-6.12.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        Option<bool> list = new("--list") { Description = "List protocols, invariants and events." };
        Option<int> vcpus = new("--vcpus") { Description = "How many vCPUs, 1 to 4.", DefaultValueFactory = _ => 1 };
        Option<int> cpus = new("--cpus") { Description = "On how many processors, 1 to 4.", DefaultValueFactory = _ => 1 };
        Option<string> events = new("--events")
        {
            Description = "Comma-separated events, or default, all, none.",
            DefaultValueFactory = _ => DefaultEvents
        };
        Option<long?> maxStates = new("--max-states") { Description = "Stop after this many states, and say so." };
        Option<string?> trace = new("--trace") { Description = "Show shortest sequences to what is violated: text, mermaid or html." };
        trace.AcceptOnlyFromAmong(TraceForms);
        Option<bool> json = new("--json") { Description = "Print the stable JSON answer instead of text." };
        Command command = new("explore", "Try every interleaving of a guest/host switch protocol against invariants.")
        {
            protocol, list, vcpus, cpus, events, maxStates, trace, json,
        };
        command.SetAction(parsed => parsed.GetValue(list)
            ? List(parsed.GetValue(json))
            : Run(
                parsed.GetValue(protocol) ?? throw new UsageException("which protocol? xstate explore --list lists them"),
                new Request(parsed.GetValue(vcpus), parsed.GetValue(cpus), parsed.GetValue(events)!, parsed.GetValue(maxStates)),
                parsed.GetValue(trace),
                parsed.GetValue(json)));
        return command;
    }

    private static int List(bool json)
    {
        if (json)
        {
            Standard.Write(output => ExploreReport.WriteListJson(output, SwitchProtocols.All));
        }
        else
        {
            ExploreReport.WriteList(Standard.Out, SwitchProtocols.All);
        }

        return ExitCode.Fine;
    }

    private static int Run(string protocol, Request request, string? trace, bool json)
    {
        if (json && trace is not null)
        {
            throw new UsageException("--json carries the traces already; --trace is for people");
        }

        ExplorationResult result = Explore(protocol, request);
        if (json)
        {
            Standard.Write(output => ExploreReport.WriteJson(output, result));
        }
        else if (trace == "mermaid")
        {
            TraceMermaid.Write(Standard.Document, result);
        }
        else if (trace == "html")
        {
            TracePage.Write(Standard.Document, result);
        }
        else
        {
            ExploreReport.WriteText(Standard.Out, result, traces: trace == "text");
            if (trace is null && !result.Violations.IsEmpty)
            {
                NextCommand.Suggest(Standard.Out, [.. Session.Current.Arguments, "--trace", "text"]);
            }
        }

        return result.Violations.IsEmpty ? ExitCode.Fine : ExitCode.Findings;
    }

    /// <summary>Explores a protocol as the verb does without options.</summary>
    internal static ExplorationResult Explore(string id) => Explore(id, new Request(1, 1, DefaultEvents, null));

    private static ExplorationResult Explore(string id, Request request)
    {
        id = OfKernel(id) ?? id;
        SwitchProtocol protocol = SwitchProtocols.All.FirstOrDefault(protocol => protocol.Id == id)
            ?? throw new UsageException($"there is no protocol '{id}'; xstate explore --list lists them");
        ExplorationOptions options = new()
        {
            Vcpus = Actors("--vcpus", request.Vcpus),
            Cpus = Actors("--cpus", request.Cpus),
            Events = HostEventCatalogue.TryParse(request.Events, out HostEvents events, out string? unknown)
                ? events
                : throw new UsageException($"there is no event '{unknown}'; --events takes {HostEventCatalogue.Known}"),
        };
        if (request.MaxStates is { } bound)
        {
            options = options with
            {
                MaxStates = bound > 0
                ? bound : throw new UsageException($"--max-states takes a number above 0, not {bound}")
            };
        }

        ProgressLine? line = Session.Current.Progress;
        return Explorer.Explore(protocol, line is null ? options : options with { Progress = new Progress(line) });
    }

    private static string? OfKernel(string id) => id.Split('@', 2) is ["vmx" or "svm", var kernel]
        ? KernelWorldSwitch.ProtocolOf(KernelArgument.Parse(kernel), id.StartsWith('s')) : null;

    private static int Actors(string option, int value) =>
        value is >= 1 and <= MachineState.MaxActors
        ? value : throw new UsageException($"{option} takes 1 to {MachineState.MaxActors}, not {value}");

    private sealed record Request(int Vcpus, int Cpus, string Events, long? MaxStates);

    private sealed class Progress(ProgressLine line) : IProgress<ExplorationProgress>
    {
        private const int Interval = 1_000_000;
        private long _next = Interval;

        public void Report(ExplorationProgress value)
        {
            if (value.States >= _next)
            {
                _next = value.States + Interval;
                line.Show($"{value.States} states, {value.Depth} steps deep, {value.MemoryBytes >> 20} MB");
            }
        }
    }
}
