using Xstate.Architecture;
using Xstate.Hypervisors.Linux;

namespace Xstate.Rehearsal;

/// <summary>
/// How glibc's dynamic linker saves vector registers around the lookup of a symbol that is bound on first use (_dl_runtime_resolve_xsave
/// and _xsavec) and around TLS descriptors. The number of bytes is computed once, when the process starts, from the CPUID of that
/// processor; the components that the instruction writes are decided by the processor that runs it.
/// </summary>
/// <param name="UsesXsavec">Whether the compacted format was chosen.</param>
/// <param name="Room">Bytes that the process keeps for an area, for all of its life.</param>
internal sealed record DynamicLinker(bool UsesXsavec, int Room)
{
    /// <summary>STATE_SAVE_MASK: SSE, AVX, BNDREGS and AVX-512. x87 and PKRU are not saved.</summary>
    public static StateComponentSet Saved { get; } = StateComponentSet.Of(
        StateComponent.Sse, StateComponent.Avx, StateComponent.BndRegs, StateComponent.Opmask, StateComponent.ZmmHi256,
        StateComponent.Hi16Zmm);

    private const int Alignment = 64;

    /// <summary>What a process decides that starts on a processor.</summary>
    /// <param name="components">The processor's components, as far as they are known.</param>
    /// <param name="usesXsavec">Whether it has XSAVEC (leaf 0xD.1 EAX bit 1).</param>
    /// <param name="standardLength">Leaf 0xD.0 EBX: bytes of the standard format with the components that the kernel enabled.</param>
    public static DynamicLinker StartedOn(StateComponentSet components, bool usesXsavec, int standardLength) =>
        new(usesXsavec, Align(usesXsavec ? CompactedLength(components) : standardLength));

    /// <summary>Bytes that the chosen instruction writes on a host.</summary>
    public int WrittenOn(LinuxHost host)
    {
        ArgumentNullException.ThrowIfNull(host);
        StateComponentSet written = host.UserFeatures & Saved;
        return UsesXsavec ? CompactedLength(written) : host.Layout.StandardLengthFor(written);
    }

    // None of these components is aligned in the compacted format, and their sizes are the same on every processor.
    private static int CompactedLength(StateComponentSet components)
    {
        int length = XsaveFormat.ExtendedOffset;
        foreach (StateComponent component in (components & Saved).Except(StateComponentSet.Legacy))
        {
            length += StateComponents.Get(component).Size;
        }

        return length;
    }

    private static int Align(int length) => (length + Alignment - 1) / Alignment * Alignment;
}
