namespace Xstate.Architecture;

/// <summary>Where one component lies, as one processor enumerates it in CPUID leaf 0xD.</summary>
/// <param name="Component">The component.</param>
/// <param name="Size">Bytes (sub-leaf EAX).</param>
/// <param name="Offset">Byte offset in the standard format (sub-leaf EBX); 0 for supervisor components, which have none.</param>
/// <param name="IsSupervisor">Sub-leaf ECX[0]: enabled by IA32_XSS.</param>
/// <param name="IsAligned64">Sub-leaf ECX[1]: starts on a 64-byte boundary in the compacted format.</param>
/// <param name="SupportsXfd">Sub-leaf ECX[2]: IA32_XFD can disable it.</param>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public readonly record struct XsaveSlot(
    StateComponent Component, int Size, int Offset, bool IsSupervisor, bool IsAligned64, bool SupportsXfd)
{
    private const uint Supervisor = 1;
    private const uint Aligned = 1 << 1;
    private const uint Xfd = 1 << 2;

    /// <summary>First byte after the component in the standard format.</summary>
    public int End => Offset + Size;

    /// <summary>The slot that a sub-leaf of 0xD describes, whatever its numbers.</summary>
    public static XsaveSlot FromCpuid(StateComponent component, CpuidRegisters subleaf)
    {
        bool supervisor = (subleaf.Ecx & Supervisor) != 0;
        return new XsaveSlot(component, (int)subleaf.Eax, supervisor ? 0 : (int)subleaf.Ebx, supervisor, (subleaf.Ecx & Aligned) != 0,
            (subleaf.Ecx & Xfd) != 0);
    }

    /// <summary>The sub-leaf of 0xD that describes the slot.</summary>
    public CpuidRegisters ToCpuid() =>
        new((uint)Size, (uint)Offset, (IsSupervisor ? Supervisor : 0) | (IsAligned64 ? Aligned : 0) | (SupportsXfd ? Xfd : 0), 0);
}

/// <summary>
/// One CPU's enumeration of the XSAVE area: the only code that walks offsets. Offsets are not portable between vendors or models, so
/// a layout always comes from a CPUID table, a core's layout note, or an explicit list of slots.
/// </summary>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed class XsaveLayout : IEquatable<XsaveLayout>
{
    /// <summary>
    /// Ceiling for one component and for the whole area. The largest area in existence is 11,008 bytes; the ceiling keeps hostile CPUID
    /// tables from asking for gigabytes.
    /// </summary>
    public const int MaxAreaLength = 1 << 20;

    private readonly XsaveSlot[] _slots;

    private XsaveLayout(XsaveSlot[] slots, StateComponentSet user, StateComponentSet supervisor, StateComponentSet missing)
    {
        _slots = slots;
        UserComponents = user;
        SupervisorComponents = supervisor;
        MissingComponents = missing;
    }

    /// <summary>Components with a place in the standard format, x87 and SSE included.</summary>
    public StateComponentSet UserComponents { get; }

    /// <summary>Supervisor components, which exist in the compacted format only.</summary>
    public StateComponentSet SupervisorComponents { get; }

    /// <summary>
    /// Components that leaf 0xD announces in 0xD.0 or 0xD.1 without a usable sub-leaf. Dumps with holes are common; their offsets are not
    /// known and never guessed.
    /// </summary>
    public StateComponentSet MissingComponents { get; }

    /// <summary>All components with a known place.</summary>
    public StateComponentSet Components => UserComponents | SupervisorComponents;

    /// <summary>Bytes of a standard-format area that holds every user component.</summary>
    public int StandardLength => StandardLengthFor(UserComponents);

    /// <summary>The layout of an area that has only the legacy region and the header.</summary>
    public static XsaveLayout LegacyOnly { get; } = FromSlots([]);

    /// <summary>Reads leaf 0xD of one processor.</summary>
    public static XsaveLayout FromCpuid(CpuidTable cpuid)
    {
        ArgumentNullException.ThrowIfNull(cpuid);
        XsaveSlot[] slots = EmptySlots();
        StateComponentSet missing = StateComponentSet.Empty;
        StateComponentSet found = StateComponentSet.Empty;
        StateComponentSet announced = (cpuid.UserComponents | cpuid.SupervisorComponents).Except(BitsWithoutSlot);
        foreach (StateComponent component in announced)
        {
            CpuidRegisters leaf = cpuid.Read(CpuidTable.XsaveLeaf, (uint)component);
            XsaveSlot slot = XsaveSlot.FromCpuid(component, leaf);
            if (!IsPlausible(leaf, slot.IsSupervisor))
            {
                missing = missing.With(component);
                continue;
            }

            slots[(int)component] = slot;
            found = found.With(component);
        }

        return Create(slots, found, missing);
    }

    /// <summary>A layout from explicit slots, such as those of an NT_X86_XSAVE_LAYOUT note or a capture file.</summary>
    /// <exception cref="ArgumentException">A slot lies before byte 576, is empty, too large, or names a component without a
    /// slot.</exception>
    public static XsaveLayout FromSlots(IEnumerable<XsaveSlot> slots)
    {
        ArgumentNullException.ThrowIfNull(slots);
        XsaveSlot[] table = EmptySlots();
        StateComponentSet found = StateComponentSet.Empty;
        foreach (XsaveSlot slot in slots)
        {
            bool placed = slot.IsSupervisor || slot.Offset >= XsaveFormat.ExtendedOffset;
            if (BitsWithoutSlot.Contains(slot.Component) || slot.Size <= 0 || slot.Size > MaxAreaLength || !placed
                || slot.Offset > MaxAreaLength)
            {
                throw new ArgumentException(
                    $"component {StateComponents.NameOf(slot.Component)} cannot lie at offset {slot.Offset} with {slot.Size} bytes",
                    nameof(slots));
            }

            table[(int)slot.Component] = slot;
            found = found.With(slot.Component);
        }

        return Create(table, found, StateComponentSet.Empty);
    }

    /// <summary>
    /// The slot of a component, if this processor enumerates it. x87 and SSE have no slot of their own: they are the legacy region.
    /// </summary>
    public bool TryGetSlot(StateComponent component, out XsaveSlot slot)
    {
        slot = (int)component < _slots.Length ? _slots[(int)component] : default;
        return slot.Size > 0;
    }

    /// <summary>All slots, by component number.</summary>
    public IEnumerable<XsaveSlot> Slots
    {
        get
        {
            foreach (XsaveSlot slot in _slots)
            {
                if (slot.Size > 0)
                {
                    yield return slot;
                }
            }
        }
    }

    /// <summary>
    /// Bytes of a standard-format area for a set: the largest end of its components, which need not be the last one's (APX lies at 960).
    /// </summary>
    public int StandardLengthFor(StateComponentSet components)
    {
        int length = XsaveFormat.ExtendedOffset;
        foreach (StateComponent component in components & UserComponents)
        {
            length = Math.Max(length, _slots[(int)component].End);
        }

        return length;
    }

    /// <summary>Bytes of a compacted area whose XCOMP_BV names the set.</summary>
    public int CompactedLengthFor(StateComponentSet components) => CompactedEnd(components, XsaveFormat.CompactedFlag);

    /// <summary>
    /// Offset of a component in a compacted area (SDM Vol. 1, 13.4.3). XCOMP_BV alone decides it, whatever was requested or is in use; for
    /// a component outside XCOMP_BV the result is where the area ends.
    /// </summary>
    public int CompactedOffset(StateComponent component, StateComponentSet xcompBv)
    {
        int before = CompactedEnd(new StateComponentSet(xcompBv.Bits & ((1UL << (int)component) - 1)), 0);
        return _slots[(int)component].IsAligned64 ? Align64(before) : before;
    }

    /// <summary>Walks the extended components of a compacted area with their places, upwards, without allocating.</summary>
    public CompactedWalk WalkCompacted(StateComponentSet xcompBv) => new(this, xcompBv);

    /// <summary>
    /// Where a component's bytes are in an area with the given XCOMP_BV, or false when the area's format has no place for it or the place
    /// lies beyond <paramref name="areaLength"/>.
    /// </summary>
    public bool TryLocate(StateComponent component, ulong xcompBv, int areaLength, out int offset, out int size)
    {
        offset = 0;
        size = 0;
        if (!TryGetSlot(component, out XsaveSlot slot))
        {
            return false;
        }

        if ((xcompBv & XsaveFormat.CompactedFlag) == 0)
        {
            if (slot.IsSupervisor)
            {
                return false;
            }

            offset = slot.Offset;
        }
        else
        {
            StateComponentSet inImage = new(xcompBv & ~XsaveFormat.CompactedFlag);
            if (!inImage.Contains(component))
            {
                return false;
            }

            offset = CompactedOffset(component, inImage);
        }

        size = slot.Size;
        return offset + size <= areaLength;
    }

    /// <summary>The same layout restricted to a set of components.</summary>
    public XsaveLayout Restrict(StateComponentSet components) => FromSlots(Slots.Where(slot => components.Contains(slot.Component)));

    /// <inheritdoc/>
    public bool Equals(XsaveLayout? other) => other is not null && _slots.AsSpan().SequenceEqual(other._slots);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as XsaveLayout);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Components.Bits, StandardLength);

    /// <summary>
    /// The walk of <see cref="WalkCompacted"/>: one pass, where asking for each offset alone would start from the header every time.
    /// </summary>
    public struct CompactedWalk
    {
        private readonly XsaveLayout _layout;
        private StateComponentSet.Enumerator _rest;
        private int _end;

        internal CompactedWalk(XsaveLayout layout, StateComponentSet xcompBv)
        {
            _layout = layout;
            _rest = xcompBv.Except(BitsWithoutSlot).GetEnumerator();
            _end = XsaveFormat.ExtendedOffset;
        }

        /// <summary>The component's slot, with its offset in the compacted area instead of the standard one.</summary>
        public XsaveSlot Current { get; private set; }

        /// <summary>For foreach.</summary>
        public readonly CompactedWalk GetEnumerator() => this;

        /// <summary>Goes to the next component.</summary>
        public bool MoveNext()
        {
            if (!_rest.MoveNext())
            {
                return false;
            }

            XsaveSlot slot = _layout._slots[(int)_rest.Current];
            int offset = slot.IsAligned64 ? Align64(_end) : _end;
            _end = offset + slot.Size;
            Current = slot with { Component = _rest.Current, Offset = offset };
            return true;
        }
    }

    // x87 and SSE live in the legacy region; bit 63 is the format flag.
    private static StateComponentSet BitsWithoutSlot => new(XsaveFormat.CompactedFlag | StateComponentSet.Legacy.Bits);

    private static XsaveSlot[] EmptySlots() => new XsaveSlot[64];

    private static XsaveLayout Create(XsaveSlot[] slots, StateComponentSet found, StateComponentSet missing)
    {
        StateComponentSet supervisor = StateComponentSet.Empty;
        foreach (StateComponent component in found)
        {
            if (slots[(int)component].IsSupervisor)
            {
                supervisor = supervisor.With(component);
            }
        }

        return new XsaveLayout(slots, found.Except(supervisor) | StateComponentSet.Legacy, supervisor, missing);
    }

    private static bool IsPlausible(CpuidRegisters leaf, bool supervisor) =>
        leaf.Eax is > 0 and <= MaxAreaLength && (supervisor || leaf.Ebx is >= XsaveFormat.ExtendedOffset and <= MaxAreaLength);

    private static int Align64(int offset) => (offset + XsaveFormat.CompactedAlignment - 1) & -XsaveFormat.CompactedAlignment;

    private int CompactedEnd(StateComponentSet components, ulong ignored)
    {
        int end = XsaveFormat.ExtendedOffset;
        foreach (XsaveSlot slot in WalkCompacted(new StateComponentSet(components.Bits & ~ignored)))
        {
            end = slot.End;
        }

        return end;
    }
}
