namespace Xstate.Hypervisors.Kernels;

/// <summary>What a host tells of its kernel beside its name. Null is what is not recorded.</summary>
/// <param name="Version">The text of /proc/version.</param>
/// <param name="Signature">The text of /proc/version_signature.</param>
/// <param name="OsId">ID of os-release, such as <c>cos</c>.</param>
internal sealed record KernelEvidence(string? Version = null, string? Signature = null, string? OsId = null)
{
    /// <summary>Nothing but the name.</summary>
    public static KernelEvidence None { get; } = new();
}
