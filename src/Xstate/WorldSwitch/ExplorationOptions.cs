namespace Xstate.WorldSwitch;

/// <summary>How far to explore, and with what.</summary>
internal sealed record ExplorationOptions
{
    /// <summary>Two vCPUs on two processors are the smallest machine on which a thread can move and find another's leftovers.</summary>
    public int Vcpus { get; init; } = 2;

    /// <summary>Logical processors, 1 to <see cref="MachineState.MaxActors"/>.</summary>
    public int Cpus { get; init; } = 2;

    /// <summary>What may happen between steps.</summary>
    public HostEvents Events { get; init; } = HostEvents.Default;

    /// <summary>
    /// Treat vCPUs, and processors, as interchangeable; forget dead values; let a processor with interrupts off finish before others move.
    /// Verdicts and the lengths of shortest traces stay the same. Off only to compare numbers with a checker that does none of it.
    /// </summary>
    public bool Reduction { get; init; } = true;

    /// <summary>Stop when this many states are stored.</summary>
    public long MaxStates { get; init; } = 200_000_000;

    /// <summary>Stop when the stored states take this many bytes; what else the process needs is not counted.</summary>
    public long MaxMemoryBytes { get; init; } = 1_800_000_000;

    /// <summary>How many threads explore. The result does not depend on it.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;

    /// <summary>Told every now and then how far it is.</summary>
    public IProgress<ExplorationProgress>? Progress { get; init; }

    internal void ThrowIfInvalid()
    {
        ThrowUnlessWithin(Vcpus, MachineState.MaxActors, nameof(Vcpus));
        ThrowUnlessWithin(Cpus, MachineState.MaxActors, nameof(Cpus));
        ThrowUnlessWithin(Threads, int.MaxValue, nameof(Threads));
        ThrowUnlessWithin(MaxStates, long.MaxValue, nameof(MaxStates));
        ThrowUnlessWithin(MaxMemoryBytes, long.MaxValue, nameof(MaxMemoryBytes));
    }

    private static void ThrowUnlessWithin(long value, long max, string name)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(value, name);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(value, max, name);
    }
}

/// <summary>How far an exploration is.</summary>
/// <param name="States">States stored.</param>
/// <param name="Depth">Steps from the start to the level being explored.</param>
/// <param name="MemoryBytes">Bytes that the stored states take.</param>
internal readonly record struct ExplorationProgress(long States, int Depth, long MemoryBytes);
