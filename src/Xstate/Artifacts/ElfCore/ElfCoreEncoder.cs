using System.Buffers.Binary;
using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Artifacts.ElfCore;

/// <summary>
/// Writes changed areas over the old ones, and carries what changed in their legacy regions to the other notes of the same thread, which
/// debuggers read too. What a repair could not bring back is marked in a note of its own.
/// </summary>
/// <param name="threads">The threads, with the places of their notes.</param>
/// <param name="lost">Bytes of every area that were lost when the core was read.</param>
/// <param name="limits">What the core was opened with.</param>
internal sealed class ElfCoreEncoder(ImmutableArray<CoreThread> threads, ImmutableArray<AreaRange> lost, ArtifactLimits limits)
    : ICaptureEncoder
{
    public ImmutableArray<ArtifactPatch> Encode(Capture changed, ArtifactSource original)
    {
        List<ArtifactPatch> patches = [];
        foreach ((CoreThread thread, CapturedState state) in threads.Zip(changed.States))
        {
            if (thread.Id != state.Id)
            {
                throw new NotSupportedException($"thread {state.Id} stands where the core has {thread.Id}");
            }

            if (thread.Area is { } area)
            {
                CheckLost(area, state);
                PatchArea(patches, thread, area, state);
            }
            else if (!state.Lost.IsEmpty && !state.Area.Span[..XsaveFormat.XmmOffset].SequenceEqual(Unfilled))
            {
                throw new NotSupportedException(
                    $"thread {state.Id}: the core's writer did not fill x87 and MXCSR, so the file cannot say that one of them became "
                    + "known");
            }
            else
            {
                PatchLegacy(patches, thread, state);
            }

            PatchShadowStack(patches, thread, state);
        }

        return [.. WithLostNote(patches, changed, original).OrderBy(patch => patch.Offset)];
    }

    private static ReadOnlySpan<byte> Unfilled => new byte[XsaveFormat.XmmOffset];

    // One register of a state whose other bytes are still marked lost: the file cannot say which of them became known.
    private void CheckLost(Description area, CapturedState state)
    {
        int length = Math.Min(area.Bytes.Length, state.Area.Length);
        bool repaired = state.Lost.Any(range => !lost.Any(before => range.Offset >= before.Offset && range.End <= before.End));
        if (!repaired && lost.Any(range => range.End <= length
            && !area.Bytes.AsSpan(range.Offset, range.Length).SequenceEqual(state.Area.Span.Slice(range.Offset, range.Length))))
        {
            throw new NotSupportedException($"thread {state.Id}: a register of which bytes are lost cannot be given a value in this core");
        }
    }

    private IEnumerable<ArtifactPatch> WithLostNote(List<ArtifactPatch> patches, Capture changed, ArtifactSource original)
    {
        CapturedState[] states = [.. changed.States.Where((_, i) => threads[i].Area is not null)];
        if (states.Length == 0 || states.All(state => state.Lost.SequenceEqual(lost)))
        {
            return patches;
        }

        CoreNotes notes = CoreNotes.Read(original, limits);
        if (!notes.Lost.IsEmpty || !states.All(state => state.Lost.SequenceEqual(states[0].Lost)) || states[0].Lost.IsEmpty)
        {
            throw new NotSupportedException("a core marks the same bytes as lost in all of its threads, once");
        }

        byte[] note = CoreNote.Write(LostNote.Owner, NoteType.XstateLost, LostNote.Write(states[0].Lost), notes.Segment.NotePadding);
        return new NotePlacement(original, notes).Append(note, patches);
    }

    private static void PatchArea(List<ArtifactPatch> patches, CoreThread thread, Description area, CapturedState state)
    {
        if (state.Area.Length != area.Bytes.Length)
        {
            throw new NotSupportedException(
                $"thread {thread.Id} has an area of {area.Bytes.Length} bytes; one of {state.Area.Length} has no place in the core");
        }

        patches.AddRange(ArtifactPatch.Between(area.Bytes, state.Area, area.Offset));
        foreach (Description fxsave in new[] { thread.FxRegisters, thread.Fsave is null ? thread.FpRegisters : null }.OfType<Description>())
        {
            byte[] image = [.. fxsave.Bytes];
            for (int i = 0; i < XsaveFormat.SoftwareOffset; i++)
            {
                image[i] = area.Bytes[i] == state.Area.Span[i] ? image[i] : state.Area.Span[i];
            }

            patches.AddRange(ArtifactPatch.Between(fxsave.Bytes, image, fxsave.Offset));
        }

        if (thread.Fsave is { } fsave && !SameX87(area.Bytes, state.Area.Span))
        {
            patches.AddRange(ArtifactPatch.Between(fsave.Bytes, FromArea(fsave, state.Area.Span), fsave.Offset));
        }
    }

    // The area was made from this note, so only what the note has can be written.
    private static void PatchLegacy(List<ArtifactPatch> patches, CoreThread thread, CapturedState state)
    {
        if (thread.Fxsave is { } fxsave)
        {
            byte[] expected = new byte[XsaveFormat.ExtendedOffset];
            fxsave.Bytes.CopyTo(expected, 0);
            new XsaveAreaWriter(expected).WriteXstateBv(StateComponentSet.Legacy);
            CheckLegacy(thread, state, expected, XsaveFormat.LegacyLength);
            patches.AddRange(ArtifactPatch.Between(fxsave.Bytes, state.Area[..XsaveFormat.LegacyLength], fxsave.Offset));
        }
        else if (thread.Fsave is { } fsave)
        {
            byte[] expected = new byte[XsaveFormat.ExtendedOffset];
            FsaveImage.ToArea(fsave.Bytes, expected);
            new XsaveAreaWriter(expected).WriteMxcsr(Mxcsr.Initial).WriteXstateBv(StateComponentSet.Of(StateComponent.X87));
            CheckLegacy(thread, state, expected, XsaveFormat.XmmOffset);
            if (!SameX87(expected, state.Area.Span))
            {
                byte[] image = FromArea(fsave, state.Area.Span);
                byte[] read = new byte[XsaveFormat.ExtendedOffset];
                FsaveImage.ToArea(image, read);
                if (!SameX87(read, state.Area.Span))
                {
                    throw new NotSupportedException(
                        $"thread {thread.Id} has no NT_X86_XSTATE: its NT_FPREGSET holds 32 bits of each x87 pointer and ten bytes of "
                        + "each register");
                }

                patches.AddRange(ArtifactPatch.Between(fsave.Bytes, image, fsave.Offset));
            }
        }
    }

    private static void CheckLegacy(CoreThread thread, CapturedState state, byte[] expected, int free)
    {
        ReadOnlySpan<byte> area = state.Area.Span;
        bool mxcsrKept = free == XsaveFormat.LegacyLength || area[LegacyRegion.MxcsrAndMask]
            .SequenceEqual(expected.AsSpan(LegacyRegion.MxcsrAndMask));
        if (area.Length != expected.Length || !mxcsrKept || !area[free..].SequenceEqual(expected.AsSpan(free)))
        {
            throw new NotSupportedException(
                $"thread {thread.Id} has no NT_X86_XSTATE: its core has a place for "
                + $"x87{(free == XsaveFormat.LegacyLength ? " and SSE" : "")} only");
        }
    }

    private static void PatchShadowStack(List<ArtifactPatch> patches, CoreThread thread, CapturedState state)
    {
        ImmutableSortedDictionary<uint, ulong> before = CoreDecoder.MsrsOf(thread);
        if (before.SequenceEqual(state.Msrs))
        {
            return;
        }

        if (thread.ShadowStack is not { } note || !state.Msrs.Keys.SequenceEqual(before.Keys))
        {
            throw new NotSupportedException(
                $"thread {thread.Id}: a core has no place for model-specific registers but the shadow-stack pointer of a thread that had "
                + "one");
        }

        byte[] pointer = new byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(pointer, state.Msrs.Values.Single());
        patches.AddRange(ArtifactPatch.Between(note.Bytes, pointer, note.Offset));
    }

    private static byte[] FromArea(Description fsave, ReadOnlySpan<byte> area)
    {
        byte[] image = [.. fsave.Bytes];
        FsaveImage.FromArea(area, image);
        return image;
    }

    private static bool SameX87(ReadOnlySpan<byte> before, ReadOnlySpan<byte> after) =>
        LegacyRegion.AreEqual(StateComponent.X87, before, after);
}
