namespace Xstate.Captures;

/// <summary>How well a state knows a register. Only <see cref="Initial"/> and <see cref="Stored"/> are values.</summary>
public enum RegisterKnowledge
{
    /// <summary>There is no such register: no name of one, or the processor that wrote the state has none.</summary>
    Absent,

    /// <summary>The thread or virtual CPU may have had the register; the artifact does not hold it.</summary>
    NotRecorded,

    /// <summary>The artifact's writer destroyed at least one byte of the register.</summary>
    Lost,

    /// <summary>The bits of XSTATE_BV are clear, so a load gives the register its initial value (SDM Vol. 1, 13.6).</summary>
    Initial,

    /// <summary>The artifact stores the value.</summary>
    Stored,
}
