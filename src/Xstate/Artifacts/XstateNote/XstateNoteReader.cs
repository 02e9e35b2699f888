using Xstate.Architecture;
using Xstate.Artifacts.ElfCore;
using Xstate.Artifacts.KvmXsave;
using Xstate.Captures;

namespace Xstate.Artifacts.XstateNote;

/// <summary>
/// Reads the register set NT_X86_XSTATE of one thread alone, as PTRACE_GETREGSET gives it: an XSAVE area in standard format, with the
/// kernel's components in the software bytes. Shorter than what KVM takes, but for AMX.
/// </summary>
internal static class XstateNoteReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "nt-x86-xstate";

    /// <summary>
    /// Whether the bytes are what a kernel writes: all that is asked of a kvm_xsave, and the components at byte 464. One as long as a
    /// kvm_xsave is taken for that, since nothing in the bytes tells them apart.
    /// </summary>
    public static bool Recognizes(ReadOnlySpan<byte> head, long length) =>
        length < KvmXsaveReader.MinLength && length % sizeof(ulong) == 0 && KvmXsaveReader.HasHeaderOfKernel(head)
        && !new XsaveNoteFacts(head[..(int)Math.Min(head.Length, length)].ToArray()).Written.IsEmpty;

    /// <exception cref="MalformedArtifactException">The length is none of an area, or beyond the limit.</exception>
    public static Artifact Read(ReadOnlyMemory<byte> bytes, ArtifactLimits limits)
    {
        if (bytes.Length < XsaveFormat.ExtendedOffset || bytes.Length % sizeof(ulong) != 0 || bytes.Length > limits.MaxArea)
        {
            throw new MalformedArtifactException(Format, Math.Min(bytes.Length, XsaveFormat.ExtendedOffset), $"{bytes.Length} bytes",
                $"{XsaveFormat.ExtendedOffset} to {limits.MaxArea} bytes in whole 64-bit words");
        }

        StateComponentSet written = new XsaveNoteFacts(bytes.ToArray()).Written;
        CapturedState state = new()
        {
            Id = 0,
            Area = bytes,
            Xcr0 = written.IsEmpty ? null
                : new Fact<StateComponentSet>(written, FactSource.Artifact, $"byte {XsaveFormat.SoftwareOffset} of NT_X86_XSTATE"),
        };
        Capture capture = new() { Format = Format, Kind = CaptureKind.Process, States = [state] };
        return Artifact.Of(capture, Format, new XstateNoteEncoder(limits));
    }
}
