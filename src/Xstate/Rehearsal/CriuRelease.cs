using System.Collections.Immutable;
using System.Globalization;
using Xstate.Captures;

namespace Xstate.Rehearsal;

/// <summary>
/// A span of releases of CRIU that restore alike: threads of a process, by signal frames of CRIU's own making. What counts is the CRIU that
/// restores; images do not name the one that wrote them.
/// </summary>
internal sealed class CriuRelease : Restorer
{
    private readonly Version _first;

    private CriuRelease(string first, string id, string releases)
    {
        _first = Version.Parse(first);
        Id = id;
        Releases = releases;
    }

    /// <summary>Up to 3.17: before 4930c9802 every component that the processor has is restored, in use or not.</summary>
    public static CriuRelease UpTo3Dot17 { get; } = new("0.0", "criu-3.17", "up to 3.17") { RestoresUnused = true };

    /// <summary>3.18 and 3.19: the components in XSTATE_BV only.</summary>
    public static CriuRelease From3Dot18 { get; } = new("3.18", "criu-3.18", "3.18 and 3.19");

    /// <summary>4.0 and later: shadow stacks too.</summary>
    public static CriuRelease From4Dot0 { get; } = new("4.0", "criu", "") { RestoresShadowStacks = true };

    /// <summary>All, newest first.</summary>
    public static ImmutableArray<CriuRelease> All { get; } = [From4Dot0, From3Dot18, UpTo3Dot17];

    /// <inheritdoc/>
    public override string Id { get; }

    /// <inheritdoc/>
    public override Vmm Vmm => Vmm.Criu;

    /// <inheritdoc/>
    public override string Releases { get; }

    /// <inheritdoc/>
    internal override RestorerEvidence Evidence => this == From4Dot0 ? RestorerEvidence.Run : RestorerEvidence.Read;

    /// <inheritdoc/>
    public override string Source =>
        "criu/arch/x86/crtools.c, restore_fpu, criu/arch/x86/shstk.c, and compel/arch/x86/src/lib/cpu.c, 3.17 to 4.2; run: 4.1.1";

    /// <inheritdoc/>
    public override CaptureKind Restores => CaptureKind.Process;

    /// <inheritdoc/>
    public override ImmutableArray<string> Notes => ["It asks no KVM: each thread returns from a signal frame by rt_sigreturn."];

    /// <summary>Whether components that the thread did not use are restored as well, from whatever the image has for them.</summary>
    public bool RestoresUnused { get; private init; }

    /// <summary>Whether shadow stacks are restored (arch/x86/shstk.c).</summary>
    public bool RestoresShadowStacks { get; private init; }

    /// <summary>The span that a release belongs to: <c>3.17</c>, <c>3.17.1</c>, <c>4.2</c>. Null when the text is no release.</summary>
    public static CriuRelease? Find(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] parts = text.TrimStart('v').Split('.');
        return parts.Length is 2 or 3 && Array.TrueForAll(parts,
            part => int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number < 1000)
            ? All.First(release => Version.Parse(string.Join('.', parts)) >= release._first)
            : null;
    }
}
