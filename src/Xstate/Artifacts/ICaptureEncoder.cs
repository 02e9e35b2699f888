using System.Collections.Immutable;
using Xstate.Captures;

namespace Xstate.Artifacts;

/// <summary>The way back: what a decoder that can write leaves behind, with the places that it found things at.</summary>
internal interface ICaptureEncoder
{
    /// <summary>The changes to the original's bytes that make it hold the changed capture, by offset; none for an unchanged one.</summary>
    /// <param name="changed">The decoded capture with changed states: the same ones, in the same order.</param>
    /// <param name="original">The bytes that the capture was decoded from.</param>
    /// <exception cref="NotSupportedException">The format, or this file, has no place for the change; the message names it.</exception>
    ImmutableArray<ArtifactPatch> Encode(Capture changed, ArtifactSource original);
}
