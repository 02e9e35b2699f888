using System.Buffers.Binary;
using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Artifacts.ElfCore;

/// <summary>Writes changed areas over the old ones, and carries what changed in their legacy regions to the other notes of the same thread, which debuggers read too.</summary>
internal sealed class ElfCoreEncoder(ImmutableArray<CoreThread> threads) : ICaptureEncoder
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
                PatchArea(patches, thread, area, state);
            }
            else
            {
                PatchLegacy(patches, thread, state);
            }

            PatchShadowStack(patches, thread, state);
        }

        return [.. patches.OrderBy(patch => patch.Offset)];
    }

    private static void PatchArea(List<ArtifactPatch> patches, CoreThread thread, Description area, CapturedState state)
    {
        if (state.Area.Length != area.Bytes.Length)
        {
            throw new NotSupportedException($"thread {thread.Id} has an area of {area.Bytes.Length} bytes; one of {state.Area.Length} has no place in the core");
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
            patches.AddRange(FromArea(fsave, state.Area.Span));
        }
    }

    // The area was made from this note, so only what the note has can be written.
    private static void PatchLegacy(List<ArtifactPatch> patches, CoreThread thread, CapturedState state)
    {
        if (thread.Fxsave is { } fxsave)
        {
            byte[] expected = new byte[XsaveFormat.ExtendedOffset];
            fxsave.Bytes.CopyTo(expected, 0);
            expected[XsaveFormat.XstateBvOffset] = (byte)StateComponentSet.Legacy.Bits;
            CheckLegacy(thread, state, expected, XsaveFormat.LegacyLength);
            patches.AddRange(ArtifactPatch.Between(fxsave.Bytes, state.Area[..XsaveFormat.LegacyLength], fxsave.Offset));
        }
        else if (thread.Fsave is { } fsave)
        {
            byte[] expected = new byte[XsaveFormat.ExtendedOffset];
            FsaveImage.ToArea(fsave.Bytes, expected);
            BinaryPrimitives.WriteUInt32LittleEndian(expected.AsSpan(XsaveFormat.MxcsrOffset), Mxcsr.Initial);
            expected[XsaveFormat.XstateBvOffset] = (byte)StateComponentSet.Of(StateComponent.X87).Bits;
            CheckLegacy(thread, state, expected, XsaveFormat.XmmOffset);
            if (!SameX87(expected, state.Area.Span))
            {
                patches.AddRange(FromArea(fsave, state.Area.Span));
            }
        }
    }

    private static void CheckLegacy(CoreThread thread, CapturedState state, byte[] expected, int free)
    {
        ReadOnlySpan<byte> area = state.Area.Span;
        bool mxcsrKept = free == XsaveFormat.LegacyLength || area.Slice(XsaveFormat.MxcsrOffset, 8).SequenceEqual(expected.AsSpan(XsaveFormat.MxcsrOffset, 8));
        if (area.Length != expected.Length || !mxcsrKept || !area[free..].SequenceEqual(expected.AsSpan(free)))
        {
            throw new NotSupportedException($"thread {thread.Id} has no NT_X86_XSTATE: its core has a place for x87{(free == XsaveFormat.LegacyLength ? " and SSE" : "")} only");
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
            throw new NotSupportedException($"thread {thread.Id}: a core has no place for model-specific registers but the shadow-stack pointer of a thread that had one");
        }

        byte[] pointer = new byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(pointer, state.Msrs.Values.Single());
        patches.AddRange(ArtifactPatch.Between(note.Bytes, pointer, note.Offset));
    }

    private static ImmutableArray<ArtifactPatch> FromArea(Description fsave, ReadOnlySpan<byte> area)
    {
        byte[] image = [.. fsave.Bytes];
        FsaveImage.FromArea(area, image);
        return ArtifactPatch.Between(fsave.Bytes, image, fsave.Offset);
    }

    private static bool SameX87(ReadOnlySpan<byte> before, ReadOnlySpan<byte> after) =>
        before[..XsaveFormat.MxcsrOffset].SequenceEqual(after[..XsaveFormat.MxcsrOffset])
        && before[XsaveFormat.StOffset..XsaveFormat.XmmOffset].SequenceEqual(after[XsaveFormat.StOffset..XsaveFormat.XmmOffset]);
}
