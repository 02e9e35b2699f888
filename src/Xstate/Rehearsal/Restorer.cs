using System.Collections.Immutable;
using Xstate.Captures;

namespace Xstate.Rehearsal;

/// <summary>How one VMM, in a range of its releases, restores a capture. A class of its own stands for each way of doing it.</summary>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public abstract class Restorer
{
    /// <summary>Name on the command line and in JSON.</summary>
    public abstract string Id { get; }

    /// <summary>Further names of the same restorer.</summary>
    public virtual ImmutableArray<string> Aliases => [];

    /// <summary>The program.</summary>
    public abstract Vmm Vmm { get; }

    /// <summary>Its releases that restore like this, for people.</summary>
    public abstract string Releases { get; }

    /// <summary>Program and releases, for people.</summary>
    public string Title => Releases.Length == 0 ? Vmm.Title : $"{Vmm.Title} {Releases}";

    /// <summary>Whether the program was run or only its source was read.</summary>
    internal abstract RestorerEvidence Evidence { get; }

    /// <summary>Where the calls and their order were read, and what was run.</summary>
    public abstract string Source { get; }

    /// <summary>The calls that concern extended state, in order; empty for a restorer that asks no KVM.</summary>
    internal virtual ImmutableArray<RestoreCall> Order => [];

    /// <summary>What else is worth knowing, one sentence each.</summary>
    public virtual ImmutableArray<string> Notes => [];

    /// <summary>What it restores.</summary>
    public virtual CaptureKind Restores => CaptureKind.VirtualMachine;

    /// <inheritdoc/>
    public override string ToString() => Title;
}
