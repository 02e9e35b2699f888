#:project ../../src/Xstate/Xstate.csproj
#:property PublishAot=false

// Explores one protocol without reduction, as spin does, and prints what compare.sh puts beside spin's numbers:
//   states transitions processor-seconds violated-invariants
// The first run compiles the code paths; the second one is timed.
using Xstate.WorldSwitch;

ExplorationOptions options = new()
{
    Vcpus = int.Parse(args[1]),
    Cpus = int.Parse(args[1]),
    Events = HostEventCatalogue.Parse(args[2]),
    Reduction = false,
    Threads = 1,
};
SwitchProtocol protocol = SwitchProtocols.Find(args[0]);
Explorer.Explore(protocol, options with { MaxStates = 300_000 });
TimeSpan before = Environment.CpuUsage.TotalTime;
ExplorationResult result = Explorer.Explore(protocol, options);
double seconds = (Environment.CpuUsage.TotalTime - before).TotalSeconds;
string violated = string.Join(',', result.Violations.Select(violation => (int)violation.Invariant + 1));
Console.WriteLine(FormattableString.Invariant(
    $"{result.States} {result.Transitions} {seconds:f2} {(violated.Length == 0 ? "none" : violated)}"));
return result.Complete ? 0 : 1;
