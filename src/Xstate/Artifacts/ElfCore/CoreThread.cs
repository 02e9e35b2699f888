namespace Xstate.Artifacts.ElfCore;

/// <summary>The bytes of a note's description and where they are in the file.</summary>
/// <param name="Offset">Where they begin.</param>
/// <param name="Bytes">The bytes.</param>
internal sealed record Description(long Offset, byte[] Bytes);

/// <summary>The notes that follow one NT_PRSTATUS: what a core has of one thread.</summary>
/// <param name="Id">Thread id.</param>
internal sealed record CoreThread(int Id)
{
    /// <summary>NT_X86_XSTATE: the XSAVE area in standard format.</summary>
    public Description? Area { get; set; }

    /// <summary>NT_FPREGSET: an FXSAVE image in 64-bit cores, an FSAVE image in those of i386.</summary>
    public Description? FpRegisters { get; set; }

    /// <summary>NT_PRXFPREG: the FXSAVE image that i386 cores have besides.</summary>
    public Description? FxRegisters { get; set; }

    /// <summary>NT_X86_SHSTK: the user shadow-stack pointer (Linux 6.6).</summary>
    public Description? ShadowStack { get; set; }

    /// <summary>The note with an FXSAVE image, if there is one.</summary>
    public Description? Fxsave => FxRegisters ?? (FpRegisters?.Bytes.Length == Architecture.XsaveFormat.LegacyLength ? FpRegisters : null);

    /// <summary>The note with an FSAVE image, if there is one.</summary>
    public Description? Fsave => FpRegisters?.Bytes.Length == FsaveImage.Length ? FpRegisters : null;
}
