// Will this state load on that host, what would the guest see, and what becomes of it? Arguments: the state, a host record, a kernel.
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kernels;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;

Capture capture = Open(args[0]).Capture ?? throw new InvalidDataException($"{args[0]} holds no state");
HostRecord record = Open(args[1]).Host ?? throw new InvalidDataException($"{args[1]} is no host record");
if (!KernelNames.TryRead(args[2], KernelEvidence.None, out KernelBehavior? kernel, out string error))
{
    throw new InvalidDataException(error);
}

LinuxHost host = new(record, kernel);
TargetOutcome outcome = RestoreRehearsal.Perform(capture, host);
Console.WriteLine($"{outcome.Verdict} on {record.Name} with {kernel.Name}");
foreach (Finding finding in outcome.Findings)
{
    Console.WriteLine($"{finding.Rule.Id} {finding.Message}");
}

static Artifact Open(string path)
{
    using FileStream file = File.OpenRead(path);
    return Artifact.Open(file);
}
