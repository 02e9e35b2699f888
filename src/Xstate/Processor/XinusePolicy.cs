namespace Xstate.Processor;

/// <summary>How a processor decides XINUSE[i], which the manuals leave open beyond "0 means initial" (SDM Vol. 1, 13.6).</summary>
internal enum XinusePolicy
{
    /// <summary>By history: set by a write or by a restore from memory, cleared only by initialization (SDM Vol. 1, 13.8.3).</summary>
    Sticky,

    /// <summary>By value: 0 exactly while the registers hold the initial configuration. Measured on AMD family 25.</summary>
    ByValue,

    /// <summary>Always 1: the processor does not track. The least that the manuals permit; QEMU's TCG does so.</summary>
    AlwaysOne,
}
