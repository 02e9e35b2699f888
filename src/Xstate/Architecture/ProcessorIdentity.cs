namespace Xstate.Architecture;

/// <summary>
/// Who executes the instructions: vendor, family and model, and what CPUID gives away beyond them. What CPUID does not enumerate is decided
/// by it.
/// </summary>
/// <param name="Model">Vendor, family and model.</param>
/// <param name="Cpuid">Everything the processor enumerates.</param>
internal sealed record ProcessorIdentity(ProcessorModel Model, CpuidTable Cpuid)
{
    private const uint HypervisorLeaf = 0x4000_0000;

    /// <summary>Reads it from CPUID.</summary>
    public static ProcessorIdentity From(CpuidTable cpuid) => new(ProcessorModel.From(cpuid), cpuid);

    /// <summary>
    /// Whether the "processor" is QEMU's code generator (signature TCGTCGTCGTCG in leaf 4000_0000h), whatever vendor it claims.
    /// </summary>
    public bool IsTcg => Cpuid.Read(HypervisorLeaf) is { Ebx: 0x5447_4354, Ecx: 0x4354_4743, Edx: 0x4743_5447 };

    /// <summary>Whether real AMD (or Hygon) silicon executes the instructions.</summary>
    public bool IsAmdSilicon => Model.IsAmdLike && !IsTcg;

    /// <summary>Whether real Intel silicon executes the instructions.</summary>
    public bool IsIntelSilicon => Model.Vendor == ProcessorVendor.Intel && !IsTcg;

    /// <summary>
    /// The MXCSR_MASK that the processor writes (SDM Vol. 1, 11.6.6). An assumption wherever no image of it is at hand: AMD's have bit 17
    /// (misaligned SSE), which QEMU's code generator has not even when it claims to be one.
    /// </summary>
    public uint MxcsrMask => IsAmdSilicon ? Mxcsr.AmdMask : Mxcsr.IntelMask;
}
