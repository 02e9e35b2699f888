using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Artifacts.ElfCore;

/// <summary>Who wrote a core, by marks that only this writer leaves, and what it leaves out.</summary>
/// <param name="Name">Its name; null for the kernel, for gdb and for a writer without marks.</param>
/// <param name="Rule">The rule about what it leaves out; null when it leaves nothing out.</param>
/// <param name="Message">What has to be said of it.</param>
internal sealed record CoreWriter(string? Name, Rule? Rule, string Message)
{
    private static readonly CoreWriter Unknown = new(null, null, "");

    /// <summary>Bytes of every FXSAVE image that the writer does not fill.</summary>
    public ImmutableArray<AreaRange> Unfilled { get; private init; } = [];

    /// <summary>Finds the writer.</summary>
    public static CoreWriter Of(CoreNotes notes)
    {
        bool hasAreas = notes.Threads.Any(thread => thread.Area is not null);
        return notes.Has(NoteOwner.Delve) ? new("Delve", null, "")
            : hasAreas || notes.Threads.Count == 0 ? Unknown
            : notes.Has(NoteOwner.NetBsd) ? FxsaveOnly("NetBSD")
            : notes.Has(NoteOwner.OpenBsd) ? FxsaveOnly("OpenBSD")
            : IsValgrind(notes) ? new("valgrind", Rules.ValgrindCore,
                "valgrind does not fill x87 registers and MXCSR: they are not known, and neither is anything wider than "
                + "XMM")
            { Unfilled = [new AreaRange(0, XsaveFormat.XmmOffset)] }
            : notes.BeginsWithVectors ? FxsaveOnly("createdump (.NET)")
            : Unknown;
    }

    private static CoreWriter FxsaveOnly(string name) => new(name, Rules.CoreWithoutWideState,
        $"{name} writes x87 and SSE only: wider registers, and whether there were any, are not in this core");

    // FCW 0, MXCSR 0 and MXCSR_MASK 0 in every thread: no processor stores the last one as zero since SSE2 exists, and no program runs with
    // the first two.
    private static bool IsValgrind(CoreNotes notes) =>
        notes.Threads.All(thread => thread.FpRegisters is { Bytes.Length: XsaveFormat.LegacyLength } image
            && image.Bytes.AsSpan(0, XsaveFormat.XmmOffset).IndexOfAnyExcept((byte)0) < 0);
}
