using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Artifacts.ElfCore;

/// <summary>Changes to a core that are not changes to a thread's registers.</summary>
internal static class ElfCoreEditing
{
    /// <summary>
    /// Gives a core the NT_X86_XSAVE_LAYOUT that kernels before 6.12 and gdb leave out, so that every reader knows its offsets. The note
    /// goes behind the others where there is room before the memory begins, as Linux leaves it; else all notes go to the end of the file
    /// and the header of their segment follows them. Memory never moves.
    /// </summary>
    /// <param name="content">The core, uncompressed and seekable, as <see cref="ArtifactContent.Open"/> gives it.</param>
    /// <param name="layout">The layout of the processor that wrote it; null takes the one that the core itself tells without doubt.</param>
    /// <param name="options">What the core was opened with.</param>
    /// <returns>The patches; none for a core that has this note already.</returns>
    /// <exception cref="MalformedArtifactException">Not a core that can be read.</exception>
    /// <exception cref="NotSupportedException">The layout is not known for sure or contradicts the core, or the file has no place for the
    /// note.</exception>
    public static ImmutableArray<ArtifactPatch> AddLayoutNote(Stream content, XsaveLayout? layout = null, ArtifactOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(content);
        options ??= ArtifactOptions.Default;
        content.Position = 0;
        using ArtifactSource source = new(content, options);
        CoreNotes notes = CoreNotes.Read(source, options.Limits);
        Capture capture = new CoreDecoder(notes).Decode().Capture!;
        XsaveLayout chosen = Restrict(capture, layout ?? Certain(capture));
        if (notes.Layout is { } present)
        {
            return present.Equals(chosen)
                ? [] : throw new NotSupportedException("the core has a layout note already, and it says something else");
        }

        NotePlacement placement = new(source, notes);
        return placement.Append(CoreNote.Write(LayoutNote.Owner, NoteType.X86XsaveLayout, LayoutNote.Write(chosen),
            notes.Segment.NotePadding));
    }

    private static XsaveLayout Certain(Capture capture)
    {
        Fact<XsaveLayout>[] layouts = [.. capture.States.Select(state => state.Layout).OfType<Fact<XsaveLayout>>()];
        if (layouts.Length < capture.States.Length || layouts.Any(layout => layout.Provenance.Source == FactSource.Guess))
        {
            throw new NotSupportedException("nothing in the core tells its layout for sure; give the CPUID of the processor that wrote it");
        }

        return layouts.All(layout => layout.Value.Equals(layouts[0].Value))
            ? layouts[0].Value : throw new NotSupportedException("the threads of this core have different layouts");
    }

    // The components that the areas have, all inside the shortest of them.
    private static XsaveLayout Restrict(Capture capture, XsaveLayout layout)
    {
        StateComponentSet components = StateComponentSet.Empty;
        int shortest = int.MaxValue;
        foreach (CapturedState state in capture.States)
        {
            components |= new XsaveArea(state.Area.Span).XstateBv | (state.Xcr0?.Value ?? StateComponentSet.Empty);
            shortest = Math.Min(shortest, state.Area.Length);
        }

        StateComponentSet unplaced = components.Except(layout.UserComponents);
        XsaveLayout restricted = layout.Restrict(components);
        if (!unplaced.IsEmpty || restricted.StandardLength > shortest)
        {
            throw new NotSupportedException(
                $"a layout of {layout.UserComponents} in {restricted.StandardLength} bytes is not that of areas with {components} in "
                + $"{shortest} bytes");
        }

        return restricted.Slots.Any()
            ? restricted : throw new NotSupportedException("the areas have no component beyond x87 and SSE, so there is no layout to note");
    }
}
