using System.Buffers.Binary;
using Xstate.Architecture;

namespace Xstate.Hypervisors.Linux;

/// <summary>
/// Register sets that are the thread's buffer itself, as ptrace moved them up to 5.13 (arch/x86/kernel/fpu/regset.c): NT_PRFPREG on every
/// host, NT_X86_XSTATE where the kernel keeps the standard format. Bytes that no register has come back as they were written, and what was
/// written counts at once. Measured on 5.4, 5.10 and 5.13.
/// </summary>
internal static class BufferRegsets
{
    /// <summary>
    /// PTRACE_GETREGSET with NT_X86_XSTATE. The kernel's signature of its own mask lands in the thread's buffer first, and stays there.
    /// </summary>
    /// <param name="state">The buffer, of a host that keeps the standard format.</param>
    /// <param name="image">The destination: as long as the register set.</param>
    public static void ReadXstate(FpState state, Span<byte> image)
    {
        Sanitize(state);
        Span<byte> software = state.Legacy[XsaveFormat.SoftwareOffset..];
        software.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(software, state.Host.UserFeatures.Bits);
        state.Buffer[..image.Length].CopyTo(image);
        new XsaveAreaWriter(image).WriteXstateBv(state.Xfeatures);
    }

    /// <summary>PTRACE_SETREGSET with NT_X86_XSTATE: everything is copied, then the header is looked at.</summary>
    /// <param name="state">The buffer, of a host that keeps the standard format.</param>
    /// <param name="image">What was given, no longer than the register set; what is missing stays.</param>
    /// <param name="lenient">Whether MXCSR is masked and a refusal leaves the initial state; else a refusal changes nothing.</param>
    public static Refusal? WriteXstate(FpState state, ReadOnlySpan<byte> image, bool lenient)
    {
        byte[] written = new byte[state.Buffer.Length];
        state.Buffer.CopyTo(written);
        new XsaveAreaWriter(written).WriteXstateBv(state.Xfeatures);
        image.CopyTo(written);
        XsaveArea area = new(written);
        Refusal? refusal = UabiXstate.CheckHeader(state, written, area.XstateBv, UabiBorder.Process);
        if (lenient)
        {
            MaskMxcsr(written, state.Host.MxcsrMask);
        }
        else
        {
            refusal ??= UabiXstate.CheckMxcsr(area.Mxcsr, state.Host,
                "", UabiBorder.Process);
        }

        if (refusal is null)
        {
            written.CopyTo(state.Buffer);
            new XsaveAreaWriter(state.Buffer).ClearHeader();
            state.Xfeatures = area.XstateBv;
        }
        else if (lenient)
        {
            // fpstate_init: no mask beside MXCSR.
            state.Reset();
        }

        return refusal;
    }

    /// <summary>PTRACE_GETREGSET with NT_PRFPREG.</summary>
    public static byte[] ReadFpregs(FpState state)
    {
        Sanitize(state);
        return state.Legacy.ToArray();
    }

    /// <summary>PTRACE_SETREGSET with NT_PRFPREG: as many bytes as are given; MXCSR loses the bits that the host lacks.</summary>
    public static void WriteFpregs(FpState state, ReadOnlySpan<byte> image)
    {
        Sanitize(state);
        image[..Math.Min(image.Length, XsaveFormat.LegacyLength)].CopyTo(state.Legacy);
        MaskMxcsr(state.Legacy, state.Host.MxcsrMask);
        state.Xfeatures |= StateComponentSet.Legacy;
    }

    // fpstate_sanitize_xstate: a processor that leaves initial components out of what it saves leaves older bytes there. MXCSR and its mask
    // are never touched.
    private static void Sanitize(FpState state)
    {
        if (!state.Host.HasXsaveopt)
        {
            return;
        }

        foreach (StateComponent component in StateComponentSet.Legacy.Except(state.Xfeatures))
        {
            LegacyRegion.Initialize(component, state.Legacy);
        }

        foreach (StateComponent component in state.Host.UserFeatures.Except(state.Xfeatures).Except(StateComponentSet.Legacy))
        {
            state.Component(component).Clear();
        }
    }

    private static void MaskMxcsr(Span<byte> legacy, uint mask) =>
        LegacyRegion.WriteMxcsr(legacy, LegacyRegion.ReadMxcsr(legacy) & mask);
}
