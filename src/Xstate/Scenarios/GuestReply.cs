using Xstate.Guests;
using Xstate.Hypervisors;

namespace Xstate.Scenarios;

/// <summary>The answer of a guest step: how the code ended, or why it could not be run.</summary>
/// <param name="Errno">What the hypervisor's call answered.</param>
/// <param name="Why">The reason, from a model only.</param>
internal sealed record GuestReply(Errno Errno, Refusal? Why = null)
{
    /// <summary>How the code ended, when it ran.</summary>
    public GuestExit? Exit { get; init; }

    /// <summary>Guest memory afterwards.</summary>
    public ReadOnlyMemory<byte> Memory { get; init; }

    /// <summary>What the backend cannot do at all, or null.</summary>
    public string? Unsupported { get; init; }

    /// <summary>Instructions that a model executed, and what else counts as some; 0 on a real kernel.</summary>
    public int Instructions { get; init; }

    /// <summary>What a backend says of an exit of KVM_RUN that is none of <see cref="GuestExit"/>.</summary>
    public static string UnnamedExit(int reason) => $"KVM_RUN ended with exit reason {reason}, which scenarios have no name for";

    /// <summary>A backend that cannot run this.</summary>
    public static GuestReply NotHere(string what) => new(Errno.None) { Unsupported = what };
}
