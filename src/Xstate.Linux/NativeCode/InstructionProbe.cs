using System.Buffers.Binary;
using System.Runtime.Intrinsics.X86;
using System.Runtime.Versioning;
using Xstate.Architecture;
using Xstate.Linux.Interop;
using Xstate.Processor;

namespace Xstate.Linux.NativeCode;

/// <summary>
/// Executes one instruction on the real processor: from a register state of the caller's, on memory of the caller's, with any fault caught.
/// Registers and memory afterwards are for comparison with the model. One probe serves one thread at a time.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed unsafe class InstructionProbe : IDisposable
{
    /// <summary>Bytes of the memory that a probed instruction may be pointed at; as many inaccessible ones follow.</summary>
    public const int MemoryLength = 4 * LowMemory.PageLength;

    private const int SlotLength = 512;
    private const int ImageLength = 4 * LowMemory.PageLength;
    private const int InitialOffset = LowMemory.PageLength;
    private const int FinalOffset = InitialOffset + ImageLength;
    private const int MemoryOffset = FinalOffset + ImageLength;
    private const int GuardOffset = MemoryOffset + MemoryLength;
    private const int GuardLength = MemoryLength;
    private const int EnvironmentOffset = 512;
    private const int EnvironmentLength = 28;

    private static readonly StateComponentSet Tiles = StateComponentSet.Of(StateComponent.TileCfg, StateComponent.TileData);
    private static readonly Lock Once = new();
    private static LowMemory? _code;

    private readonly LowMemory _data = new(GuardOffset + GuardLength);

    /// <summary>Prepares memory, and on first use in the process the code and its fault handlers.</summary>
    /// <param name="withTiles">Load and save tile registers too, for which the process needs <see cref="ProcessPermission"/>.</param>
    /// <exception cref="PlatformNotSupportedException">The processor or the kernel does not offer XSAVE.</exception>
    public InstructionProbe(bool withTiles = false)
        : this(NativeProcessor.Profile, withTiles)
    {
    }

    internal InstructionProbe(ProcessorProfile profile, bool withTiles)
    {
        Profile = profile;
        if ((NativeProcessor.Cr4Mirror & Cr4.OsXsave) == Cr4.None)
        {
            throw new PlatformNotSupportedException("the kernel has not enabled XSAVE (CR4.OSXSAVE)");
        }

        Prepare();
        _data.Forbid(GuardOffset, GuardLength);
        Write(ProbeRecord.InitialImage, _data.Address + InitialOffset);
        Write(ProbeRecord.FinalImage, _data.Address + FinalOffset);
        Write(ProbeRecord.FinalEnvironment, _data.Address + EnvironmentOffset);

        // The first probe answers what no managed instruction can: XCR0. With tiles it also is their first use, after which IA32_XFD is 0
        // for this thread.
        ulong managed = withTiles ? ulong.MaxValue : ~Tiles.Bits;
        Write(ProbeRecord.ManagedLow, managed);
        new XsaveAreaWriter(InitialImage).WriteMxcsr(Mxcsr.Initial).WriteXstateBv(withTiles ? Tiles : StateComponentSet.Empty);
        Execute(new ProbedInstruction(StateInstruction.Xgetbv, XsaveOperand.Legacy, Is64BitMode: true), 0, 0, 0, 0);
        Enabled = new StateComponentSet(Rdx << 32 | (uint)Rax);
        Managed = new StateComponentSet(managed) & Enabled;
    }

    /// <summary>The processor.</summary>
    public ProcessorProfile Profile { get; }

    /// <summary>XCR0.</summary>
    public StateComponentSet Enabled { get; }

    /// <summary>The components that <see cref="InitialImage"/> gives and <see cref="FinalImage"/> shows.</summary>
    public StateComponentSet Managed { get; }

    /// <summary>The register state to start from: a standard-format area that XRSTOR accepts.</summary>
    public Span<byte> InitialImage => _data.Bytes(InitialOffset, ImageLength);

    /// <summary>The register state afterwards, as XSAVE64 of the managed components stored it.</summary>
    public ReadOnlySpan<byte> FinalImage => _data.Bytes(FinalOffset, ImageLength);

    /// <summary>
    /// The x87 environment afterwards, as FNSTENV stored it: it shows the full tag word, and pointers that saves of AMD hide.
    /// </summary>
    public ReadOnlySpan<byte> FinalEnvironment => _data.Bytes(EnvironmentOffset, EnvironmentLength);

    /// <summary>The memory to operate on. Its end is the end of what is accessible.</summary>
    public Span<byte> Memory => _data.Bytes(MemoryOffset, MemoryLength);

    /// <summary>The address of <see cref="Memory"/>.</summary>
    public ulong MemoryAddress => _data.Address + MemoryOffset;

    /// <summary>RAX after the instruction.</summary>
    public ulong Rax => Read(ProbeRecord.RaxAfter);

    /// <summary>RDX after the instruction.</summary>
    public ulong Rdx => Read(ProbeRecord.RdxAfter);

    /// <summary>PKRU after the instruction as RDPKRU reads it, or null where protection keys are off.</summary>
    public uint? Pkru => (NativeProcessor.Cr4Mirror & Cr4.ProtectionKeys) != Cr4.None ? (uint)Read(ProbeRecord.Pkru) : null;

    /// <summary>XINUSE after the instruction, as XGETBV with ECX=1 answers, or null where it is not offered.</summary>
    public ulong? InUse => NativeProcessor.Enumerated.HasXgetbv1
        ? Read(ProbeRecord.InUseHigh) << 32 | (uint)Read(ProbeRecord.InUseLow) : null;

    /// <summary>
    /// Whether the last fault came as SIGILL: #UD, or #NM of IA32_XFD without permission, for which the kernel leaves the vector of an
    /// earlier fault.
    /// </summary>
    public bool IsIllegal => Read(ProbeRecord.Vector) != 0 && Read(ProbeRecord.Signal) == NativeCodeCalls.SigIll;

    /// <summary>Executes an instruction.</summary>
    /// <param name="instruction">The instruction.</param>
    /// <param name="offset">Where in <see cref="Memory"/> its operand lies.</param>
    /// <param name="rax">RAX before; only EAX counts.</param>
    /// <param name="rdx">RDX before; only EDX counts.</param>
    /// <param name="rcx">RCX before; only ECX counts.</param>
    /// <param name="alignmentCheck">Whether EFLAGS.AC is set.</param>
    public Fault Execute(ProbedInstruction instruction, int offset, ulong rax, ulong rdx, ulong rcx, bool alignmentCheck = false)
    {
        int index = ProbedInstruction.All.IndexOf(instruction);
        ArgumentOutOfRangeException.ThrowIfNegative(index, nameof(instruction));
        Write(ProbeRecord.Memory, MemoryAddress + (ulong)offset);
        Write(ProbeRecord.Rax, rax);
        Write(ProbeRecord.Rdx, rdx);
        Write(ProbeRecord.Rcx, rcx);
        Write(ProbeRecord.Flags, alignmentCheck ? 1UL << 18 : 0);
        Write(ProbeRecord.Vector, 0);
        new XsaveAreaWriter(_data.Bytes(FinalOffset, XsaveFormat.ExtendedOffset)).WriteXstateBv(StateComponentSet.Empty);
        using (new DeferredSignals(FaultCatcher.Signals))
        {
            ((delegate* unmanaged<byte*, void>)(_code!.Pointer + (index * SlotLength)))(_data.Pointer);
        }

        FaultVector vector = (FaultVector)Read(ProbeRecord.Vector);
        return vector == FaultVector.None ? Fault.None
            : new Fault(vector, (uint)Read(ProbeRecord.ErrorCode), vector == FaultVector.PageFault ? Read(ProbeRecord.Cr2) : 0);
    }

    /// <inheritdoc/>
    public void Dispose() => _data.Dispose();

    // Handlers stay in force for the life of the process: taking them out again could cut off one that was installed later.
    private static void Prepare()
    {
        lock (Once)
        {
            if (_code is not null)
            {
                return;
            }

            int probes = ProbedInstruction.All.Length * SlotLength;
            LowMemory code = new(probes + FaultCatcher.CodeLength);
            bool hasPkru = (NativeProcessor.Cr4Mirror & Cr4.ProtectionKeys) != Cr4.None;
            for (int i = 0; i < ProbedInstruction.All.Length; i++)
            {
                CodeWriter probe = ProbeCode.Write(ProbedInstruction.All[i], NativeProcessor.Enumerated.HasXgetbv1, Avx.IsSupported,
                    hasPkru);
                probe.CopyTo(code.Bytes(i * SlotLength, SlotLength), code.Address + (ulong)(i * SlotLength));
            }

            FaultCatcher.Write(code, probes, code.Address, probes);
            code.MakeExecutable();
            FaultCatcher.Activate(code, probes);
            _code = code;
        }
    }

    private ulong Read(int offset) => BinaryPrimitives.ReadUInt64LittleEndian(_data.Bytes(offset, sizeof(ulong)));

    private void Write(int offset, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(_data.Bytes(offset, sizeof(ulong)), value);
}
