using System.Collections.Immutable;
using Xstate.Architecture;

namespace Xstate.Captures;

/// <summary>What the captured states belong to.</summary>
public enum CaptureKind
{
    /// <summary>Virtual CPUs of one virtual machine.</summary>
    VirtualMachine,

    /// <summary>Threads of one process.</summary>
    Process,
}

/// <summary>The extended state of one virtual CPU or thread, as some kernel or emulator wrote it.</summary>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed record CapturedState
{
    /// <summary>Virtual CPU index, or thread id.</summary>
    public required int Id { get; init; }

    /// <summary>The XSAVE area, standard or compacted, exactly as captured.</summary>
    public required ReadOnlyMemory<byte> Area { get; init; }

    /// <summary>The layout of the processor that wrote the area; null when nothing tells it.</summary>
    public Fact<XsaveLayout>? Layout { get; init; }

    /// <summary>XCR0 at capture.</summary>
    public Fact<StateComponentSet>? Xcr0 { get; init; }

    /// <summary>IA32_XSS at capture.</summary>
    public Fact<StateComponentSet>? Xss { get; init; }

    /// <summary>IA32_XFD at capture.</summary>
    public Fact<StateComponentSet>? Xfd { get; init; }

    /// <summary>The CPUID that the guest saw.</summary>
    public Fact<CpuidTable>? GuestCpuid { get; init; }

    /// <summary>
    /// What the artifact says beside the registers, when it stores them by name and the area was built from them; else null.
    /// </summary>
    internal StoredRegisters? Stored { get; init; }

    /// <summary>Other model-specific registers by index.</summary>
    public ImmutableSortedDictionary<uint, ulong> Msrs { get; init; } = ImmutableSortedDictionary<uint, ulong>.Empty;

    /// <summary>
    /// The numbers of all saved MSRs, IA32_XSS and IA32_XFD among them, in the artifact's own order: that in which its VMM sets them. Empty
    /// when the artifact has none.
    /// </summary>
    public ImmutableArray<uint> MsrOrder { get; init; } = [];

    /// <summary>
    /// Whether there are MSRs that the artifact does not tell: none of those that are not here is known to be left alone.
    /// </summary>
    public bool HidesMsrs { get; init; }

    /// <summary>
    /// x87 and XMM registers that the monitor keeps a second time and sets after the area (struct kvm_fpu), at their places in a legacy
    /// region of 512 bytes; MXCSR is not part of it. Null when there is no second time.
    /// </summary>
    public ReadOnlyMemory<byte>? Fpu { get; init; }

    /// <summary>
    /// The first byte of the legacy region in which <see cref="Fpu"/> is not what the area has, among those that XSTATE_BV says count; null
    /// when they agree.
    /// </summary>
    public int? FpuDisagreement
    {
        get
        {
            if (Fpu is not { } fpu || fpu.Length < XsaveFormat.LegacyLength || Area.Length < XsaveFormat.ExtendedOffset)
            {
                return null;
            }

            StateComponentSet counts = new XsaveArea(Area.Span).XstateBv;
            for (int i = 0; i < XsaveFormat.XmmEnd; i++)
            {
                bool isReserved = i == XsaveFormat.FtwOffset + 1;
                if (!isReserved && LegacyRegion.ComponentAt(i) is { } component && counts.Contains(component)
                    && fpu.Span[i] != Area.Span[i])
                {
                    return i;
                }
            }

            return null;
        }
    }

    /// <summary>The thread's alternate signal stack; null when the artifact does not tell.</summary>
    internal SignalStack? SignalStack { get; init; }

    /// <summary>
    /// Whether the code ran outside 64-bit mode: the area has room for all registers, but only XMM0 to XMM7 and what widens them could be
    /// named.
    /// </summary>
    public bool Is32Bit { get; init; }

    /// <summary>
    /// Bytes of the area that are not what the registers held, because whoever wrote the artifact destroyed them: ascending, without
    /// overlap.
    /// </summary>
    internal ImmutableArray<AreaRange> Lost { get; init; } = [];

    /// <summary>
    /// The components that the artifact holds, in use or initial; null when it holds all that the state has. Of the others nothing is
    /// known: they are neither zero nor initial, and XSTATE_BV says nothing of them.
    /// </summary>
    public StateComponentSet? Recorded { get; init; }

    /// <summary>
    /// The components of which nothing is known: those that the artifact does not hold (<see cref="Recorded"/>), and those that XSTATE_BV
    /// names without a place in the area, for the layout that is known.
    /// </summary>
    public StateComponentSet NotRecorded
    {
        get
        {
            StateComponentSet unknown = Recorded is { } recorded
                ? StateComponents.UserComponents.Except(recorded) : StateComponentSet.Empty;
            if (Area.Length < XsaveFormat.ExtendedOffset || Layout is null)
            {
                return unknown;
            }

            XsaveArea area = new(Area.Span);
            foreach (StateComponent component in area.XstateBv.Except(StateComponentSet.Legacy))
            {
                unknown = Layout.Value.TryLocate(component, area.XcompBv, area.Bytes.Length, out _, out _)
                    ? unknown : unknown.With(component);
            }

            return unknown;
        }
    }

    /// <summary>
    /// The components that the state has, for the layout that is known: what its guest's CPUID, its XCR0 or its writer's software mask say,
    /// never less than what is in use.
    /// </summary>
    public StateComponentSet Components
    {
        get
        {
            XsaveArea area = ReadArea();
            XsaveLayout layout = Layout?.Value ?? XsaveLayout.LegacyOnly;
            StateComponentSet has = new StateComponentSet(area.SoftwareMask) & StateComponents.UserComponents;
            if (GuestCpuid is { } cpuid)
            {
                has = cpuid.Value.UserComponents;
            }
            else if (Xcr0 is { } xcr0)
            {
                has = xcr0.Value;
            }
            else if (has.IsEmpty)
            {
                has = layout.UserComponents;
            }

            return (has | StateComponentSet.Legacy | area.XstateBv) & (layout.Components | StateComponentSet.Legacy);
        }
    }

    /// <summary>
    /// The components in use of which bytes are lost, for the layout that is known: what can be said of the others does not hold for them.
    /// </summary>
    public StateComponentSet LostComponents
    {
        get
        {
            if (Lost.IsEmpty)
            {
                return StateComponentSet.Empty;
            }

            XsaveArea area = ReadArea();
            XsaveLayout layout = Layout?.Value ?? XsaveLayout.LegacyOnly;
            StateComponentSet lost = StateComponentSet.Empty;
            foreach (StateComponent component in area.XstateBv)
            {
                bool isLost = (component == StateComponent.Sse && IsLost(XsaveFormat.MxcsrOffset, sizeof(uint)))
                    || LegacyRegion.PiecesOf(component).Any(piece => IsLost(piece.Start.Value, piece.End.Value - piece.Start.Value))
                    || (layout.TryLocate(component, area.XcompBv, area.Bytes.Length, out int offset, out int size)
                    && IsLost(offset, size));
                lost = isLost ? lost.With(component) : lost;
            }

            return lost;
        }
    }

    /// <summary>A view of the area; one that is too short for a header reads as if zeros followed it.</summary>
    public XsaveArea ReadArea()
    {
        return new XsaveArea(Area.Length >= XsaveFormat.ExtendedOffset ? Area.Span : XsaveArea.CopyPadded(Area.Span));
    }

    private bool IsLost(int offset, int length) => Lost.Any(range => range.Offset < offset + length && range.End > offset);
}

/// <summary>Some bytes of an XSAVE area.</summary>
/// <param name="Offset">The first one.</param>
/// <param name="Length">How many.</param>
internal readonly record struct AreaRange(int Offset, int Length)
{
    /// <summary>The first byte after them.</summary>
    public int End => Offset + Length;
}

/// <summary>One virtual machine or process, captured at one moment.</summary>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed record Capture
{
    /// <summary>The artifact format that it was read from, such as <c>kvm_xsave</c>.</summary>
    public required string Format { get; init; }

    /// <summary>The program whose own format it is, which therefore restores it; null when the format belongs to none.</summary>
    public Vmm? Vmm { get; init; }

    /// <summary>
    /// The accelerator that the file itself says it is restored with, as a libvirt save does by its domain's type; null when it does not
    /// say.
    /// </summary>
    public Fact<Accelerator>? RestoredBy { get; init; }

    /// <summary>How the file says that the guest's CPU is made; null when it does not say.</summary>
    internal SavedCpu? SavedCpu { get; init; }

    /// <summary>Virtual CPUs or threads.</summary>
    public CaptureKind Kind { get; init; }

    /// <summary>The states, in the order of the artifact.</summary>
    public required ImmutableArray<CapturedState> States { get; init; }

    /// <summary>The host that wrote it, as far as known.</summary>
    public Fact<HostRecord>? Source { get; init; }

    /// <summary>
    /// AT_MINSIGSTKSZ of a process: what its kernel told it to reserve for a signal's frame (Linux 5.14); null when the artifact does not
    /// tell.
    /// </summary>
    public Fact<ulong>? MinSignalStack { get; init; }

    /// <summary>A free remark of whoever captured it.</summary>
    public string? Note { get; init; }
}
