// Will this state load on that host, what would the guest see, and what becomes of it? Arguments: the state, a host record, a kernel.
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;

Capture capture = Artifact.Open(args[0]).Capture ?? throw new InvalidDataException($"{args[0]} holds no state");
HostRecord record = Artifact.Open(args[1]).Host ?? throw new InvalidDataException($"{args[1]} is no host record");
if (!KernelBehavior.TryParse(args[2], out KernelBehavior? kernel, out string error)
    || !LinuxHost.TryCreate(record, kernel, out LinuxHost? host, out error))
{
    throw new InvalidDataException(error);
}

TargetOutcome outcome = RestoreRehearsal.Perform(capture, host);
Console.WriteLine($"{outcome.Verdict} on {record.Name} with {kernel.Name}");
foreach (Finding finding in outcome.Findings)
{
    Console.WriteLine($"{finding.Rule.Id} {finding.Message}");
}
