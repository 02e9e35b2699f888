using System.Buffers.Binary;
using Xstate.Architecture;

namespace Xstate.Processor;

/// <summary>
/// The registers of every state component, held in one block of bytes in the order and form in which XSAVE writes them, so that saving a
/// component is one copy. Besides the bytes it keeps what the processor remembers about them: which components were written since they were
/// last initialized, and which since the last restore.
/// </summary>
/// <threadsafety>One thread at a time, as the processor it belongs to.</threadsafety>
public sealed class RegisterFile
{
    private const int X87Length = XsaveFormat.XmmOffset;

    // The largest number of components and bytes that exist without an enumeration: registers work whether or not XSAVE manages them.
    private readonly byte[] _bytes;
    private readonly int[] _offsets = new int[64];
    private readonly int[] _lengths = new int[64];
    private readonly ulong[] _initial = new ulong[64];

    internal RegisterFile(XsaveLayout layout)
    {
        X87 = new X87Registers(this);
        Vectors = new VectorRegisters(this);
        int end = XsaveFormat.LegacyLength;
        for (int bit = 2; bit < 63; bit++)
        {
            StateComponent component = (StateComponent)bit;
            StateComponentInfo? info = StateComponents.Find(component);
            int length = layout.TryGetSlot(component, out XsaveSlot slot) ? slot.Size : component == StateComponent.TileData
                ? 0 : info?.Size ?? 0;
            _initial[bit] = info?.InitialValue ?? 0;
            _offsets[bit] = end;
            _lengths[bit] = length;
            end += (length + 63) & ~63;
            Components = length > 0 ? Components.With(component) : Components;
        }

        _bytes = new byte[end];
        Components |= StateComponentSet.Legacy;
    }

    /// <summary>
    /// Components whose registers exist here: all that the processor enumerates, and those of the manuals that are small.
    /// </summary>
    public StateComponentSet Components { get; }

    /// <summary>MXCSR. Not a component of its own, and outside the tracking of XMODIFIED (measured on AMD family 25).</summary>
    public uint Mxcsr
    {
        get => LegacyRegion.ReadMxcsr(_bytes);
        set => LegacyRegion.WriteMxcsr(_bytes, value);
    }

    /// <summary>The x87 registers.</summary>
    public X87Registers X87 { get; }

    /// <summary>XMM, YMM, ZMM and opmask registers.</summary>
    public VectorRegisters Vectors { get; }

    /// <summary>PKRU.</summary>
    public Pkru Pkru
    {
        get => new(BinaryPrimitives.ReadUInt32LittleEndian(Read(StateComponent.Pkru)));
        set => BinaryPrimitives.WriteUInt32LittleEndian(Write(StateComponent.Pkru), value.Value);
    }

    /// <summary>FCS, which only saves without REX.W show.</summary>
    public ushort Fcs { get; internal set; }

    /// <summary>FDS, which only saves without REX.W show.</summary>
    public ushort Fds { get; internal set; }

    /// <summary>Components written or loaded since they were last initialized: XINUSE by history.</summary>
    internal StateComponentSet History { get; set; }

    /// <summary>XMODIFIED: components written since the last restore.</summary>
    internal StateComponentSet Modified { get; set; } = new(ulong.MaxValue);

    /// <summary>The legacy region as a 64-bit FXSAVE image whose reserved bytes are zero: x87, MXCSR, XMM.</summary>
    internal Span<byte> Legacy => _bytes.AsSpan(0, XsaveFormat.LegacyLength);

    /// <summary>
    /// The bytes of a component as XSAVE would store them. x87 is bytes 0 to 159 of the legacy region (64-bit form, MXCSR at 24), SSE the
    /// XMM registers. Empty when the processor has no such component.
    /// </summary>
    public ReadOnlySpan<byte> Read(StateComponent component) => Bytes(component);

    /// <summary>
    /// The bytes of a component for writing, as an instruction that changes the registers would: the component counts as in use and
    /// modified from here on.
    /// </summary>
    public Span<byte> Write(StateComponent component)
    {
        Touch(StateComponentSet.Of(component));
        return Bytes(component);
    }

    /// <summary>
    /// Gives components their initial configuration (SDM Vol. 1, 13.6), as a restore does for components that are not in the image. MXCSR
    /// is kept.
    /// </summary>
    public void Initialize(StateComponentSet components)
    {
        foreach (StateComponent component in components & Components)
        {
            if (component == StateComponent.X87)
            {
                X87Registers.Initialize(this);
            }
            else
            {
                Clear(component);
            }
        }

        History = History.Except(components);
        Modified |= components;
    }

    /// <summary>Whether the registers of a component hold the initial configuration, whatever the history.</summary>
    /// <param name="component">The component.</param>
    /// <param name="ignorePointers">Leave FIP and FDP out of the comparison, as AMD does.</param>
    public bool IsInitial(StateComponent component, bool ignorePointers = false)
    {
        if (component == StateComponent.X87)
        {
            return X87Registers.IsInitial(this, ignorePointers);
        }

        ReadOnlySpan<byte> bytes = Bytes(component);
        ulong first = _initial[(int)component];
        if (first != 0)
        {
            return BinaryPrimitives.ReadUInt64LittleEndian(bytes) == first && !bytes[sizeof(ulong)..].ContainsAnyExcept((byte)0);
        }

        // DEPTH is not part of the LBR state that XSAVES tracks (SDM Vol. 1, 13.5.12).
        return component == StateComponent.Lbr
            ? !bytes[..LbrDepthOffset].ContainsAnyExcept((byte)0) && !bytes[(LbrDepthOffset + sizeof(ulong))..].ContainsAnyExcept((byte)0)
            : !bytes.ContainsAnyExcept((byte)0);
    }

    internal const int LbrDepthOffset = 8;

    internal Span<byte> Bytes(StateComponent component) => component switch
    {
        StateComponent.X87 => _bytes.AsSpan(0, X87Length),
        StateComponent.Sse => _bytes.AsSpan(XsaveFormat.XmmOffset, XsaveFormat.XmmEnd - XsaveFormat.XmmOffset),
        _ => _bytes.AsSpan(_offsets[(int)component & 63], _lengths[(int)component & 63]),
    };

    internal void Touch(StateComponentSet components)
    {
        History |= components;
        Modified |= components;
    }

    internal void CopyFrom(RegisterFile other)
    {
        other._bytes.CopyTo(_bytes, 0);
        Fcs = other.Fcs;
        Fds = other.Fds;
        History = other.History;
        Modified = other.Modified;
    }

    internal bool SameContent(RegisterFile other) =>
        _bytes.AsSpan().SequenceEqual(other._bytes) && Fcs == other.Fcs && Fds == other.Fds && History == other.History
        && Modified == other.Modified;

    private void Clear(StateComponent component)
    {
        Span<byte> bytes = Bytes(component);
        if (component == StateComponent.Lbr)
        {
            bytes[..LbrDepthOffset].Clear();
            bytes[(LbrDepthOffset + sizeof(ulong))..].Clear();
            return;
        }

        bytes.Clear();
        if (_initial[(int)component] != 0)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, _initial[(int)component]);
        }
    }
}
