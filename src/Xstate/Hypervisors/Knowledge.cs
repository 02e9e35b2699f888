namespace Xstate.Hypervisors;

/// <summary>What is known of a kernel and one difference. The same three words stand in text and JSON.</summary>
public enum Knowledge
{
    /// <summary>The kernel does not have it.</summary>
    Absent,

    /// <summary>The kernel has it.</summary>
    Present,

    /// <summary>Nothing that was read, measured or probed settles it.</summary>
    Unknown,
}
