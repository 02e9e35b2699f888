namespace Xstate.Hypervisors;

/// <summary>What is known of one kernel and one difference, and from where.</summary>
/// <param name="Knowledge">Present, absent or unknown.</param>
/// <param name="Why">Where that comes from, in a few words: <c>release 6.1.40</c>, <c>probed: …</c>.</param>
internal readonly record struct DifferenceFact(Knowledge Knowledge, string Why);
