namespace Xstate.Guests;

/// <summary>Code for a guest and how it is to be run.</summary>
/// <param name="Code">The machine code, for <see cref="GuestLayout.CodeAddress"/>.</param>
internal sealed record GuestProgram(ReadOnlyMemory<byte> Code)
{
    /// <summary>The mode it starts in.</summary>
    public GuestMode Mode { get; init; }

    /// <summary>The privilege level it starts at: 0, or 3 in long mode.</summary>
    public int Cpl { get; init; }

    /// <summary>Whether the data area has user pages although the code runs at CPL 0; at CPL 3 all of its pages are.</summary>
    public bool UserData { get; init; }

    /// <summary>How many exits for IN and OUT are answered before the run ends with one.</summary>
    public int MaxExits { get; init; } = 1;

    /// <summary>
    /// Instructions, and repetitions of string instructions, after which a model takes the code for endless, over all its exits.
    /// </summary>
    public int InstructionLimit { get; init; } = 1_000_000;

    /// <summary>Called by a model every few thousand instructions; may throw to end the run.</summary>
    internal Action? OnInterval { get; init; }
}

/// <summary>How a guest's code ended.</summary>
/// <param name="Exit">The manual's name of the exit in the words of scenarios: <c>hlt</c>, <c>io</c>, <c>shutdown</c>,
/// <c>internal-error</c>.</param>
internal sealed record GuestExit(string Exit)
{
    /// <summary>The fault that stopped the code, in the manual's notation, or null.</summary>
    public string? Fault { get; init; }

    /// <summary>RAX, RBX, RCX, RDX at the end; null where the exit leaves none that mean anything (a shutdown).</summary>
    public (ulong Rax, ulong Rbx, ulong Rcx, ulong Rdx)? Registers { get; init; }

    /// <summary>The code came to an end of its own.</summary>
    public static string Halted => "hlt";

    /// <summary>IN or OUT.</summary>
    public static string PortAccess => "io";

    /// <summary>A triple fault.</summary>
    public static string TripleFault => "shutdown";

    /// <summary>The hypervisor could not go on.</summary>
    public static string HypervisorError => "internal-error";
}
