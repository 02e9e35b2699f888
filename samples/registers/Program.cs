// What does a register hold in every state of a file? Arguments: the file (a core, a snapshot, a capture), a register such as zmm5.
using Xstate.Artifacts;
using Xstate.Captures;

foreach (CapturedState state in Artifact.Open(args[0]).Capture?.States ?? [])
{
    byte[] value = new byte[state.LengthOfRegister(args[1])];
    string text = state.TryReadRegister(args[1], value, out RegisterKnowledge knowledge) ? Convert.ToHexStringLower(value) : "no value";
    Console.WriteLine($"{state.Id} {args[1]} {knowledge}: {text}");
}
