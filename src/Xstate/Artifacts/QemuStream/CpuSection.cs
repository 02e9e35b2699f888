using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Artifacts.QemuStream;

/// <summary>The section of one virtual CPU: its bytes, and where its fields are in them.</summary>
internal sealed class CpuSection
{
    private const int XstateSize = sizeof(ulong);
    private const int TopShift = 11;

    private readonly CpuPlace _place;
    private readonly byte[] _bytes;

    private CpuSection(CpuSection before, VmDevice device, byte[] bytes)
    {
        Id = before.Id;
        _place = before._place with { Device = device };
        _bytes = bytes;
        Fields = new CpuFields(device, bytes, Offset);
        Xcr0 = before.Xcr0;
        XstateBv = before.XstateBv;
    }

    /// <summary>Reads a section and checks that its fields are what they should be.</summary>
    /// <exception cref="MalformedArtifactException">The section is too long, or its fields are not those of a virtual CPU.</exception>
    public CpuSection(ArtifactSource source, CpuPlace place, ArtifactLimits limits)
    {
        Id = place.Device.InstanceId <= int.MaxValue
            ? (int)place.Device.InstanceId
            : throw new MalformedArtifactException(QemuStreamReader.Format, place.BodyOffset, $"virtual CPU {place.Device.InstanceId}",
                $"a number up to {int.MaxValue}");
        if (place.Device.BodyLength > limits.MaxCpuSection)
        {
            throw new MalformedArtifactException(QemuStreamReader.Format, place.BodyOffset,
                $"{place.Device.BodyLength} bytes for virtual CPU {Id}", $"at most {limits.MaxCpuSection}");
        }

        _place = place;
        _bytes = source.Bytes(QemuStreamReader.Format, Offset, (int)place.Device.BodyLength, $"virtual CPU {Id}");
        Fields = new CpuFields(place.Device, _bytes, Offset);
        Xcr0 = Fields.Get(RegisterMoves.Main, "env.xcr0", XstateSize);
        XstateBv = Fields.Get(RegisterMoves.Main, "env.xstate_bv", XstateSize);
        FieldPlace format = Fields.Get(RegisterMoves.Main, "env.fpregs_format_vmstate", sizeof(ushort));
        if (ReadUInt16(format) != 0)
        {
            throw new MalformedArtifactException(QemuStreamReader.Format, Offset + format.Offset,
                $"format {ReadUInt16(format)} of the x87 registers", "0, mantissa and exponent");
        }
    }

    /// <summary>The virtual CPU's index.</summary>
    public int Id { get; }

    /// <summary>Where the fields begin in the stream.</summary>
    public long Offset => _place.BodyOffset;

    /// <summary>Whether the section had to be searched for.</summary>
    public bool Searched => _place.Searched;

    /// <summary>The fields.</summary>
    public CpuFields Fields { get; }

    /// <summary>The bytes of all fields.</summary>
    public ReadOnlyMemory<byte> Bytes => _bytes;

    /// <summary>Where XCR0 is.</summary>
    public FieldPlace Xcr0 { get; }

    /// <summary>Where XSTATE_BV is.</summary>
    public FieldPlace XstateBv { get; }

    /// <summary>XCR0 as stored.</summary>
    public StateComponentSet Xcr0Value => new(ReadUInt64(Xcr0));

    /// <summary>XSTATE_BV as stored.</summary>
    public StateComponentSet XstateBvValue => new(ReadUInt64(XstateBv));

    /// <summary>TOP of the status word.</summary>
    public int Top => TopOf(ReadUInt16(Fields.Get(RegisterMoves.Main, "env.fpus_vmstate", sizeof(ushort))));

    /// <summary>Bit j set: physical register j is not empty.</summary>
    public int Tags => ReadUInt16(Fields.Get(RegisterMoves.Main, "env.fptag_vmstate", sizeof(ushort))) & 0xFF;

    /// <summary>TOP of a status word.</summary>
    public static int TopOf(ushort fsw) => fsw >> TopShift & 7;

    /// <summary>The section with further subsections behind the others, all zeros.</summary>
    public CpuSection With(ImmutableArray<VmSubsection> added)
    {
        List<byte> bytes = [.. _bytes];
        foreach (VmSubsection subsection in added)
        {
            bytes.Add(CpuFields.TypeSubsection);
            bytes.Add((byte)subsection.Name.Length);
            bytes.AddRange(Encoding.ASCII.GetBytes(subsection.Name));
            bytes.AddRange([(byte)(subsection.Version >> 24), (byte)(subsection.Version >> 16), (byte)(subsection.Version >> 8),
                (byte)subsection.Version]);
            bytes.AddRange(new byte[subsection.Fields.Sum(field => field.Length)]);
        }

        VmDevice device = _place.Device with { BodyLength = bytes.Count, Subsections = [.. _place.Device.Subsections, .. added] };
        return added.IsEmpty ? this : new CpuSection(this, device, [.. bytes]);
    }

    /// <summary>A value of eight bytes.</summary>
    public ulong ReadUInt64(FieldPlace place) => BinaryPrimitives.ReadUInt64BigEndian(_bytes.AsSpan(place.Offset, sizeof(ulong)));

    /// <summary>
    /// The order of the x87 registers as their contents tell it: the one in which every register that is tagged empty holds zero, when that
    /// is so in one order only. Null when it is so in both or in none.
    /// </summary>
    public X87Order? OrderByContents()
    {
        bool physical = EmptyOnesAreZero(0);
        bool stackTop = EmptyOnesAreZero(Top);
        return physical == stackTop ? null : physical ? X87Order.Physical : X87Order.StackTop;
    }

    /// <summary>The registers in an area of this layout and order, with the components in XSTATE_BV that are not initial.</summary>
    public byte[] ToArea(XsaveLayout layout, X87Order order)
    {
        byte[] area = new byte[layout.StandardLength];
        RegisterMoves.Load(RegisterMoves.Of(Fields, layout, order, Top), _bytes, area);
        return area;
    }

    /// <summary>Components of an area whose bytes differ from the initial state. MXCSR counts as SSE.</summary>
    public static StateComponentSet InUse(ReadOnlySpan<byte> area, XsaveLayout layout)
    {
        StateComponentSet used = StateComponentSet.Empty;
        ReadOnlySpan<byte> x87 = area[..XsaveFormat.MxcsrOffset];
        bool control = BinaryPrimitives.ReadUInt16LittleEndian(x87) != XsaveFormat.InitialFcw || x87[XsaveFormat.FswOffset..]
            .ContainsAnyExcept((byte)0);
        if (control || area[LegacyRegion.Stack].ContainsAnyExcept((byte)0))
        {
            used = used.With(StateComponent.X87);
        }

        if (area[XsaveFormat.XmmOffset..XsaveFormat.XmmEnd].ContainsAnyExcept((byte)0) || new XsaveArea(area).Mxcsr != Mxcsr.Initial)
        {
            used = used.With(StateComponent.Sse);
        }

        foreach (XsaveSlot slot in layout.Slots)
        {
            used = area.Slice(slot.Offset, slot.Size).ContainsAnyExcept((byte)0) ? used.With(slot.Component) : used;
        }

        return used;
    }

    private bool EmptyOnesAreZero(int rotation)
    {
        FieldPlace registers = Fields.Get(RegisterMoves.Main, "env.fpregs", sizeof(ulong) + sizeof(ushort), 8);
        for (int i = 0; i < registers.Count; i++)
        {
            bool empty = (Tags >> (i + rotation) % registers.Count & 1) == 0;
            if (empty && _bytes.AsSpan(registers.Offset + (i * registers.Size), registers.Size).ContainsAnyExcept((byte)0))
            {
                return false;
            }
        }

        return true;
    }

    private ushort ReadUInt16(FieldPlace place) => BinaryPrimitives.ReadUInt16BigEndian(_bytes.AsSpan(place.Offset, sizeof(ushort)));
}
