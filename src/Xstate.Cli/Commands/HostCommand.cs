using System.CommandLine;
using Xstate.Artifacts.HostFile;
using Xstate.Captures;
using Xstate.Cli.Input;
using Xstate.Cli.Output;
using Xstate.Linux;
using Xstate.Reports;

namespace Xstate.Cli.Commands;

/// <summary><c>xstate host</c>: records this machine as a host that states can be checked against elsewhere.</summary>
internal static class HostCommand
{
    public static Command Create()
    {
        Option<bool> probe = new("--probe")
        {
            Description = "Find out on throw-away children and VMs how this kernel behaves; exit code 4 if its KVM was not probed.",
        };
        Option<string?> output = OutputOption.Create("Write a host record file.");
        Option<string?> name = new("--name") { Description = "The record's name; without it the machine's." };
        Option<string?> cpuid =
            new("--cpuid") { Description = "Take CPUID from /dev/cpu/N/cpuid, of that processor, instead of the one that this runs on." };
        Option<bool> force = new("--force") { Description = "Replace an existing regular file." };
        Option<bool> json = new("--json") { Description = "Print the stable JSON answer instead of text." };
        Command command = new("host", "Record this host: CPUID, kernel, KVM and how it behaves.") { probe, output, name, cpuid, force,
            json };
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(output) is { } destination)
            {
                AtomicFile.Refuse(destination, parsed.GetValue(force));
            }

            HostRecord host = LocalHost.Record(parsed.GetValue(name) ?? Environment.MachineName, parsed.GetValue(probe),
                parsed.GetValue(cpuid));
            int code = ExitCode.Fine;
            if (parsed.GetValue(probe) && OperatingSystem.IsLinux() && !HostProbe.IsKvmUsable(out string why))
            {
                Standard.Error.WriteLine($"xstate: KVM was not probed: {why}");
                code = ExitCode.MachineRefused;
            }

            if (parsed.GetValue(output) is { } path)
            {
                AtomicFile.Write(path, HostFileWriter.Write(host), parsed.GetValue(force), OutputMode.Public);
            }

            if (parsed.GetValue(json))
            {
                Standard.Write(stream => CpuReport.WriteHostJson(stream, "host", host));
            }
            else
            {
                CpuReport.WriteHostText(Standard.Out, host);
            }

            return code;
        });
        return command;
    }
}
