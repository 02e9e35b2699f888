using System.Collections.Immutable;

namespace Xstate.Captures;

/// <summary>A register that two states hold differently, as a program would read it.</summary>
/// <param name="Register">Its name: of <see cref="RegisterDump"/>, <c>xcr0</c>, <c>ia32_xss</c>, <c>ia32_xfd</c>, <c>msr 0x…</c>, or
/// <c>cpuid 0xd.0.eax</c>.</param>
/// <param name="Left">Its value in the left state.</param>
/// <param name="Right">Its value in the right state.</param>
internal sealed record RegisterContrast(string Register, string Left, string Right);

/// <summary>A difference of bytes that no program can read from a register.</summary>
/// <param name="What">What differs.</param>
/// <param name="Left">What the left state has.</param>
/// <param name="Right">What the right state has.</param>
internal sealed record NoiseContrast(string What, string Left, string Right);

/// <summary>Two states side by side.</summary>
/// <param name="LeftId">Virtual CPU index or thread id on the left.</param>
/// <param name="RightId">The same on the right.</param>
internal sealed record StateDifference(int LeftId, int RightId)
{
    /// <summary>What a program would see.</summary>
    public ImmutableArray<RegisterContrast> Registers { get; init; } = [];

    /// <summary>What only the bytes tell.</summary>
    public ImmutableArray<NoiseContrast> Noise { get; init; } = [];

    /// <summary>Facts that only the left capture has, by name: nothing to compare with.</summary>
    public ImmutableArray<string> OnlyLeft { get; init; } = [];

    /// <summary>Facts that only the right capture has.</summary>
    public ImmutableArray<string> OnlyRight { get; init; } = [];

    /// <summary>
    /// Whether both states hold every register that either of them holds. What the registers were captured under, such as XCR0, does not
    /// count: most formats leave some of it out.
    /// </summary>
    public bool IsComplete => OnlyLeft.Concat(OnlyRight).All(name => Circumstances.Contains(name));

    private static ImmutableArray<string> Circumstances => ["xcr0", "ia32_xss", "ia32_xfd", "guest CPUID"];
}

/// <summary>Two captures side by side.</summary>
/// <param name="States">The pairs of states, in the left capture's order.</param>
/// <param name="UnmatchedLeft">Ids of the left capture that the right one does not have.</param>
/// <param name="UnmatchedRight">Ids of the right capture that the left one does not have.</param>
internal sealed record CaptureDifference(ImmutableArray<StateDifference> States, ImmutableArray<int> UnmatchedLeft,
    ImmutableArray<int> UnmatchedRight)
{
    /// <summary>Whether every program would see the same: no register differs and no state is missing.</summary>
    public bool IsSame => UnmatchedLeft.IsEmpty && UnmatchedRight.IsEmpty && States.All(state => state.Registers.IsEmpty);
}
