namespace Xstate.Findings;

/// <summary>What a finding speaks about. Everything that does not apply is null.</summary>
/// <param name="Vcpu">Virtual CPU index, or thread id in a process.</param>
/// <param name="Offset">Byte offset in the XSAVE area or file.</param>
/// <param name="Leaf">CPUID register, as <c>0xd.0.eax</c>.</param>
/// <param name="Register">Register or MSR by name.</param>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed record FindingLocation(int? Vcpu = null, long? Offset = null, string? Leaf = null, string? Register = null);

/// <summary>One thing that is wrong, risky or worth knowing about a state: a result, never an exception.</summary>
/// <param name="Rule">The rule that explains it; its id is stable.</param>
/// <param name="Severity">How much it matters.</param>
/// <param name="Message">A sentence that names the thing, the value found and the value expected.</param>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed record Finding(Rule Rule, Severity Severity, string Message)
{
    /// <summary>Where it is.</summary>
    public FindingLocation Where { get; init; } = new();

    /// <summary>What was found, as printed.</summary>
    public string? Found { get; init; }

    /// <summary>What would have been accepted, as printed.</summary>
    public string? Expected { get; init; }

    /// <summary>Since which kernel (and until which) this is so.</summary>
    public string? Since { get; init; }

    /// <summary>What to do about it.</summary>
    public string? Mend { get; init; }
}
