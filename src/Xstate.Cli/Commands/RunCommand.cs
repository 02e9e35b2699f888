using System.CommandLine;
using System.Text;
using Xstate.Cli.GuestCode;
using Xstate.Cli.Input;
using Xstate.Cli.Output;
using Xstate.Linux;
using Xstate.Linux.Kvm;
using Xstate.Scenarios;

namespace Xstate.Cli.Commands;

/// <summary><c>xstate run FILE --backend model|kvm</c>: performs scenarios and prints one line of answers for each.</summary>
internal static class RunCommand
{
    public static Command Create()
    {
        Argument<string> file = new("FILE") { Description = "Scenarios as JSON Lines or one JSON object, or - for standard input." };
        Option<string> backend = new("--backend") { Description = "model, or kvm for this machine's kernel: its KVM, ptrace and signals.", Required = true };
        backend.AcceptOnlyFromAmong("model", "kvm");
        Option<string?> host = new("--host") { Description = "For the model: a host record, a CPUID dump or 'local', with @linux-X.Y or @vmm-before, @vmm-after, @vmm-corrected behind it." };
        Option<string?> supported = new("--supported") { Description = "For the model: what KVM_GET_SUPPORTED_CPUID answers (any CPUID artifact)." };
        Option<bool> here = new(ScenarioProcess.Option) { Description = "Perform all scenarios in this process, also those that ask for a permission.", Hidden = true };
        Command command = new("run", "Run scenarios on the model or on this machine's kernel.") { file, backend, host, supported, here };
        command.SetAction(parsed => Run(parsed.GetValue(file)!, parsed.GetValue(backend)!, parsed.GetValue(host), parsed.GetValue(supported), parsed.GetValue(here)));
        return command;
    }

    private static int Run(string file, string backend, string? host, string? supported, bool here)
    {
        if (backend == "model")
        {
            return Perform(file, static _ => false, HostArgument.ParseBackend(host ?? throw new UsageException("--backend model needs --host HOST@linux-X.Y"), supported, new IcedDecoder()));
        }

        if (host is not null || supported is not null)
        {
            throw new UsageException("--host and --supported are for the model; the kernel is what it is");
        }

        if (!OperatingSystem.IsLinux())
        {
            throw new UsageException("only Linux has /dev/kvm");
        }

        // Steps of a process need no KVM; on a machine without one those of KVM answer that they are not supported.
        using KvmDevice? device = HostProbe.IsKvmUsable(out _) ? KvmDevice.Open() : null;
        return Perform(file, scenario => scenario.AsksForPermission && !here, new KernelScenarioBackend(device));
    }

    private static int Perform(string file, Func<Scenario, bool> needsProcess, ScenarioBackend backend)
    {
        using StreamReader input = new(ArtifactInput.OpenStream(file), Encoding.UTF8);
        Stream output = Session.Current.Output;
        foreach (Scenario scenario in ScenarioReader.Read(input, new IcedAssembler()))
        {
            if (needsProcess(scenario))
            {
                ScenarioProcess.Run(scenario, output);
            }
            else
            {
                ScenarioRunner.Run(scenario, backend, output);
            }
        }

        return ExitCode.Fine;
    }
}
