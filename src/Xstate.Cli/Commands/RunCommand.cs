using System.CommandLine;
using System.Text;
using Xstate.Cli.GuestCode;
using Xstate.Cli.Input;
using Xstate.Cli.Output;
using Xstate.Linux;
using Xstate.Linux.Kvm;
using Xstate.Reports;
using Xstate.Scenarios;

namespace Xstate.Cli.Commands;

/// <summary><c>xstate run FILE --backend model|kvm</c>: performs scenarios and prints one line of answers for each.</summary>
internal static class RunCommand
{
    public static Command Create()
    {
        Argument<string> file = new("FILE") { Description = "Scenarios as JSON Lines or one JSON object, or - for standard input." };
        Option<string> backend = new("--backend")
        {
            Description = "model, or kvm for this machine's kernel: its KVM, ptrace and signals.",
            Required = true
        };
        backend.AcceptOnlyFromAmong("model", "kvm");
        Option<string?> host =
            new("--host")
            {
                Description = "For the model: a host record, a CPUID dump or 'local', with @linux-X.Y or @vmm-before, "
                + "@vmm-after, @vmm-corrected behind it."
            };
        Option<string?> supported =
            new("--supported") { Description = "For the model: what KVM_GET_SUPPORTED_CPUID answers (any CPUID artifact)." };
        Option<string?> kernel = KernelArgument.CreateOption();
        Option<bool> json = new("--json") { Description = "Print one JSON answer for all scenarios instead of a line of JSON for each." };
        Option<bool> text = new(
            "--text")
        { Description = "Print a readable line for each step; an image as what differs from the one before it." };
        Option<int> factor = new("--budget")
        {
            Description = "How many times the usual budget the scenarios of FILE have together (instructions of guest code on the model, "
                + "memory that is dumped, time on a processor).",
            DefaultValueFactory = _ => 1,
        };
        Option<bool> here = new(
            ScenarioProcess.Option)
        {
            Description = "Perform all scenarios in this process, also those that ask for a permission.",
            Hidden = true
        };
        Command command = new("run", "Run scenarios on the model or on this machine's kernel.")
        {
            file, backend, host, supported, kernel, json, text, factor, here,
        };
        command.SetAction(parsed =>
        {
            Form form = (parsed.GetValue(json), parsed.GetValue(text)) switch
            {
                (true, true) => throw new UsageException("--json and --text exclude each other"),
                (true, _) => Form.Json,
                (_, true) => Form.Text,
                _ => Form.Lines,
            };
            int times = parsed.GetValue(factor) is >= 1 and <= MaxFactor and int given ? given
                : throw new UsageException($"--budget is a number from 1 to {MaxFactor}");
            Asked asked = new(parsed.GetValue(host), parsed.GetValue(supported), parsed.GetValue(kernel));
            return Run(parsed.GetValue(file)!, parsed.GetValue(backend)!, asked, parsed.GetValue(here), form, times);
        });
        return command;
    }

    private const int MaxFactor = 1_000_000;

    // Bytes; an answer in one piece is held in memory.
    private const long MaxAnswers = 512L << 20;

    private enum Form
    {
        Lines,
        Json,
        Text,
    }

    private sealed record Asked(string? Host, string? Supported, string? Kernel);

    private static int Run(string file, string backend, Asked asked, bool here, Form form, int budget)
    {
        if (backend == "model")
        {
            string host = asked.Host ?? throw new UsageException("--backend model needs --host HOST@linux-X.Y");
            return Perform(file, static _ => false, HostArgument.ParseBackend(host, asked.Supported, new IcedDecoder(), asked.Kernel), form,
                budget);
        }

        if (asked != new Asked(null, null, null))
        {
            throw new UsageException("--host, --supported and --kernel are for the model; the kernel is what it is");
        }

        if (!OperatingSystem.IsLinux())
        {
            throw new UsageException("only Linux has /dev/kvm");
        }

        // Steps of a process need no KVM; on a machine without one those of KVM answer that they are not supported.
        using KvmDevice? device = HostProbe.IsKvmUsable(out _) ? KvmDevice.Open() : null;
        return Perform(file, scenario => scenario.AsksForPermission && !here, new KernelScenarioBackend(device), form, budget);
    }

    private static int Perform(string file, Func<Scenario, bool> needsProcess, ScenarioBackend backend, Form form, int factor)
    {
        ScenarioBudget budget = new(factor, static () => Environment.CpuUsage.TotalTime);
        using StreamReader input = new(ArtifactInput.OpenStream(file), Encoding.UTF8);
        IEnumerable<Scenario> scenarios = ScenarioReader.Read(input, new IcedAssembler());
        switch (form)
        {
            case Form.Json:
                // An answer is whole or it is none.
                List<ReadOnlyMemory<byte>> answers = [];
                long length = 0;
                foreach (Scenario scenario in scenarios)
                {
                    answers.Add(Answer(scenario));
                    length += answers[^1].Length;
                    if (length > MaxAnswers)
                    {
                        string problem = $"the answers have more than the {MaxAnswers >> 20} MiB that --json prints as one; ";
                        throw new ScenarioException(scenario.Line, "", problem + "without it each scenario is a line");
                    }
                }

                Standard.Write(stream => RunReport.WriteJson(stream, answers));
                break;
            case Form.Text:
                foreach (Scenario scenario in scenarios)
                {
                    RunReport.WriteText(Standard.Out, scenario, Answer(scenario));
                }

                break;
            default:
                Standard.Write(stream =>
                {
                    foreach (Scenario scenario in scenarios)
                    {
                        Answered(scenario, stream);
                    }
                });
                break;
        }

        return ExitCode.Fine;

        ReadOnlyMemory<byte> Answer(Scenario scenario)
        {
            using MemoryStream line = new();
            Answered(scenario, line);
            return line.ToArray();
        }

        void Answered(Scenario scenario, Stream output)
        {
            if (needsProcess(scenario))
            {
                ScenarioProcess.Run(scenario, factor, output);
            }
            else
            {
                ScenarioRunner.Run(scenario, backend, output, budget);
            }
        }
    }
}
