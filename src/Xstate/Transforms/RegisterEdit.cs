using System.Buffers.Binary;
using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Transforms;

/// <summary>
/// One register given a value, as <c>REGISTER=VALUE</c> asks for it. Names are those that <see cref="RegisterDump"/> writes, at any width
/// (<c>xmm3</c> leaves the upper parts of ZMM3 alone). <see cref="RegisterValueText"/> has the notations of values.
/// </summary>
internal sealed class RegisterEdit
{
    private readonly RegisterPlace _place;
    private readonly byte[] _value;
    private readonly byte[]? _mask;
    private readonly string _typed;

    internal RegisterEdit(RegisterPlace place, byte[] value, byte[]? mask = null, string typed = "")
    {
        _place = place;
        _value = value;
        _mask = mask;
        _typed = typed;
    }

    /// <summary>The register, lower case.</summary>
    public string Register => _place.Name;

    /// <summary>The value as <see cref="RegisterDump"/> writes it; of an edit that changes only some bits, what was typed.</summary>
    public string Text => _mask is null ? RegisterDump.Text(_value, _place.IsValue) : _typed;

    /// <summary>Whether only some bits of the register change, so that the result depends on what it was.</summary>
    public bool IsPartial => _mask is not null;

    /// <summary>Whether the edit gives PKRU a value that closes key 0, which nearly all memory of a process has.</summary>
    public bool ClosesKey0
    {
        get
        {
            const byte Key0 = 3;
            return Register == "pkru" && (_value[0] & (_mask?[0] ?? Key0) & Key0) != 0;
        }
    }

    /// <summary>The components that hold the register; none for the shadow-stack pointer.</summary>
    public StateComponentSet Components => _place.Components;

    /// <summary>Reads <c>REGISTER=VALUE</c>.</summary>
    /// <exception cref="RegisterEditException">There is no such register, or it cannot hold the value.</exception>
    public static RegisterEdit Parse(string text) => RegisterValueText.Parse(text);

    /// <summary>Whether a name is that of a register.</summary>
    public static bool IsRegister(string name) => RegisterCatalog.Find(name) is not null;

    /// <summary>A register of a state, in the notation of <see cref="Text"/>.</summary>
    /// <exception cref="RegisterEditException">There is no such register, the layout is not known, or the state has no place for
    /// it.</exception>
    public static string Read(string register, CapturedState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        RegisterPlace place = RegisterCatalog.Find(register) ?? throw new RegisterEditException($"there is no register '{register}'");
        int length = place.Length != 0 ? place.Length : LayoutOf(state).TryGetSlot(place.Pieces[0].Component, out XsaveSlot slot)
            ? slot.Size : 0;
        return new RegisterEdit(place, new byte[length]).ReadFrom(state);
    }

    /// <summary>
    /// Gives registers of a state their values. Components that were initial become explicit, with everything else in them initial as
    /// before.
    /// </summary>
    /// <param name="state">The state; its layout must be known.</param>
    /// <param name="edits">The registers, in order.</param>
    /// <exception cref="RegisterEditException">The layout is not known or only guessed, or the state has no place for a
    /// register.</exception>
    public static Transformed<CapturedState> Apply(CapturedState state, IEnumerable<RegisterEdit> edits)
    {
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(edits);
        XsaveLayout layout = LayoutOf(state);
        ImmutableArray<RegisterEdit> all = [.. edits];

        // Where x87 and SSE are, every processor agrees; anything else written at a guessed place would destroy something.
        if (state.Layout!.Provenance is { Source: FactSource.Guess } guess
            && all.Any(edit => !StateComponentSet.Legacy.ContainsAll(edit.Components)))
        {
            throw new RegisterEditException(
                $"the layout is a guess ({guess.Detail}) and nothing is written at a guessed place; give the CPUID of the processor that "
                + "wrote it with --layout");
        }

        byte[] area = XsaveArea.CopyPadded(state.Area.Span);
        CapturedState changed = state with { Area = area };
        List<RepairStep> steps = [];
        List<AreaRange> lost = [.. state.Lost];
        foreach (RegisterEdit edit in all)
        {
            string before = edit.ReadText(changed);
            int offset = -1;
            if (edit._place.Msr is { } msr)
            {
                changed = changed with { Msrs = changed.Msrs.SetItem(msr, edit.NumberFor(changed, msr)) };
            }
            else
            {
                edit.RequireRecorded(state);
                offset = edit.Write(area, layout, lost);
            }

            string after = edit.ReadText(changed);
            string text = before == after ? $"{edit.Register} is {after}" : $"{edit.Register} from {before} to {after}";
            steps.Add(new RepairStep(RepairKind.Register, state.Id, text + edit.Remark(area), offset));
        }

        return new Transformed<CapturedState>(changed with { Lost = [.. lost] }, steps, []);
    }

    /// <summary>The register as a state has it, in the notation of <see cref="Text"/>.</summary>
    /// <exception cref="RegisterEditException">The layout is not known, or the state has no place for the register.</exception>
    public string ReadFrom(CapturedState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        LayoutOf(state);
        return ReadText(state);
    }

    /// <summary>The edit as it would be typed.</summary>
    public override string ToString() => _mask is null ? $"{Register}={Text}" : _typed;

    private static XsaveLayout LayoutOf(CapturedState state) =>
        state.Layout?.Value ?? throw new RegisterEditException("the layout that the state was written with is not known");

    private void RequireRecorded(CapturedState state)
    {
        if (state.Recorded is { } recorded && !recorded.ContainsAll(Components))
        {
            throw new RegisterEditException($"{Register} is not recorded: the artifact holds {recorded.Describe()} only");
        }
    }

    private ulong NumberFor(CapturedState state, uint msr) => state.Msrs.ContainsKey(msr)
        ? BinaryPrimitives.ReadUInt64LittleEndian(_value)
        : throw new RegisterEditException(
        $"{Register} is not recorded: the state has no shadow stack, or the artifact does not hold its pointer");

    // A number in a register that the tag word calls empty is not what the next instruction finds.
    private string Remark(ReadOnlySpan<byte> area)
    {
        const int Registers = 8;
        if (_place.Pieces is not [{ Component: StateComponent.X87, Offset: >= XsaveFormat.StOffset } piece])
        {
            return "";
        }

        int top = new XsaveArea(area).Fsw >> 11 & (Registers - 1);
        int physical = (((piece.Offset - XsaveFormat.StOffset) / XsaveFormat.StSlotLength) + top) % Registers;
        return (area[XsaveFormat.FtwOffset] >> physical & 1) != 0 ? "" : "; ftw says that the register is empty";
    }

    private string ReadText(CapturedState state)
    {
        byte[] value = new byte[_value.Length];
        if (_place.Msr is { } msr)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(value, state.Msrs.GetValueOrDefault(msr));
            return RegisterDump.Text(value, _place.IsValue);
        }

        XsaveArea view = state.ReadArea();
        foreach (RegisterPiece piece in _place.Pieces)
        {
            Locate(view, state.Layout!.Value, piece);
        }

        RegisterReader.Read(view, state.Layout!.Value, view.XstateBv, _place, value);
        return RegisterDump.Text(value, _place.IsValue);
    }

    private int Write(byte[] area, XsaveLayout layout, List<AreaRange> lost)
    {
        // All or nothing: every piece must have its place before the first is written.
        foreach (RegisterPiece piece in _place.Pieces)
        {
            Locate(new XsaveArea(area), layout, piece);
        }

        byte[] wanted = Merged(area, layout, lost);
        int first = -1;
        int done = 0;
        foreach (RegisterPiece piece in _place.Pieces)
        {
            (int offset, int length) = Locate(new XsaveArea(area), layout, piece);
            ReadOnlySpan<byte> value = wanted.AsSpan(done, length);
            ReadOnlySpan<byte> mask = _mask is null ? default : _mask.AsSpan(done, length);
            done += length;
            first = first < 0 ? offset : first;

            // The upper parts of a vector that are zero need not be explicit where they are initial: so a wide zero does not bring AVX-512
            // into use. What an edit leaves alone stays what it is.
            bool isUpperPart = done > length;
            bool isLeft = _mask is not null && mask.IndexOfAnyExcept((byte)0) < 0;
            if (isLeft || (isUpperPart && value.IndexOfAnyExcept((byte)0) < 0 && !new XsaveArea(area).XstateBv.Contains(piece.Component)))
            {
                continue;
            }

            new XsaveAreaWriter(area).MakeExplicit(piece.Component, layout);
            value.CopyTo(area.AsSpan(offset));
            for (int i = 0; i < length; i++)
            {
                if (_mask is null || mask[i] != 0)
                {
                    RemoveFrom(lost, new AreaRange(offset + i, 1));
                }
            }
        }

        return first;
    }

    // The bits that an edit leaves alone are those of the register as it reads now.
    private byte[] Merged(byte[] area, XsaveLayout layout, List<AreaRange> lost)
    {
        if (_mask is null)
        {
            return _value;
        }

        byte[] merged = new byte[_value.Length];
        XsaveArea view = new(area);
        RegisterReader.Read(view, layout, view.XstateBv, _place, merged);
        int done = 0;
        foreach (RegisterPiece piece in _place.Pieces)
        {
            (int offset, int length) = Locate(view, layout, piece);
            for (int i = 0; i < length; i++)
            {
                byte mask = _mask[done + i];
                if (mask is not (0 or 0xFF) && lost.Exists(range => range.Offset <= offset + i && range.End > offset + i))
                {
                    throw new RegisterEditException($"{Register} is lost: give it a whole value, not '{_typed}'");
                }

                merged[done + i] = (byte)((merged[done + i] & ~mask) | (_value[done + i] & mask));
            }

            done += length;
        }

        return merged;
    }

    private (int Offset, int Length) Locate(XsaveArea area, XsaveLayout layout, RegisterPiece piece)
    {
        if (StateComponentSet.Legacy.Contains(piece.Component))
        {
            return (piece.Offset, piece.Length);
        }

        if (!layout.TryLocate(piece.Component, area.XcompBv, area.Bytes.Length, out int offset, out int size))
        {
            string why = layout.TryGetSlot(piece.Component, out _)
                ? $"the area of {area.Bytes.Length} bytes has no place for it" : "the layout does not have it";
            throw new RegisterEditException($"{Register} belongs to the component {StateComponents.NameOf(piece.Component)}, and {why}");
        }

        int length = piece.Length == 0 ? _value.Length : piece.Length;
        return piece.Offset + length <= size && (piece.Length != 0 || length == size)
            ? (offset + piece.Offset, length)
            : throw new RegisterEditException(
            $"{Register} has {piece.Offset + length} bytes, the component {StateComponents.NameOf(piece.Component)} has {size}");
    }

    // What is written is no longer lost.
    private static void RemoveFrom(List<AreaRange> lost, AreaRange written)
    {
        for (int i = lost.Count - 1; i >= 0; i--)
        {
            AreaRange range = lost[i];
            if (range.End <= written.Offset || range.Offset >= written.End)
            {
                continue;
            }

            lost.RemoveAt(i);
            if (range.End > written.End)
            {
                lost.Insert(i, new AreaRange(written.End, range.End - written.End));
            }

            if (range.Offset < written.Offset)
            {
                lost.Insert(i, new AreaRange(range.Offset, written.Offset - range.Offset));
            }
        }
    }
}
