namespace Xstate.Artifacts.ElfCore;

/// <summary>
/// Reads ELF cores of x86 processes, as Linux, FreeBSD and gdb's gcore write them: ELFCLASS64, and ELFCLASS32 for i386 and x32. One state
/// for each thread, its area byte for byte the note's. Only headers and notes are read.
/// </summary>
internal static class ElfCoreReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "elf-core";

    internal static bool Recognizes(ArtifactSource source) => ElfHeader.Recognizes(source.Head);

    /// <exception cref="MalformedArtifactException">Not an x86 core, damaged, or without any thread's registers.</exception>
    internal static Artifact Read(ArtifactSource source, ArtifactLimits limits)
    {
        CoreDecoder decoder = new(CoreNotes.Read(source, limits));
        return decoder.Decode();
    }
}
