using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Transforms;

/// <summary>
/// One register given a value, as <c>REGISTER=VALUE</c> asks for it. Names are those that <see cref="RegisterDump"/> writes, at any width (<c>xmm3</c> leaves the upper parts of
/// ZMM3 alone). <c>0x…</c> is a number; digits alone are the bytes in memory order, lowest byte first, or a decimal number where the register is a number.
/// </summary>
public sealed class RegisterEdit
{
    private readonly RegisterPlace _place;
    private readonly byte[] _value;

    private RegisterEdit(RegisterPlace place, byte[] value)
    {
        _place = place;
        _value = value;
    }

    /// <summary>The register, lower case.</summary>
    public string Register => _place.Name;

    /// <summary>The value as <see cref="RegisterDump"/> writes it.</summary>
    public string Text => RegisterDump.Text(_value, _place.IsValue);

    /// <summary>The components that hold the register.</summary>
    public StateComponentSet Components => StateComponentSet.Of([.. _place.Pieces.Select(piece => piece.Component)]);

    /// <summary>Reads <c>REGISTER=VALUE</c>.</summary>
    /// <exception cref="RegisterEditException">There is no such register, or it cannot hold the value.</exception>
    public static RegisterEdit Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int sign = text.IndexOf('=', StringComparison.Ordinal);
        if (sign <= 0)
        {
            throw new RegisterEditException($"'{text}' is not REGISTER=VALUE");
        }

        RegisterPlace place = RegisterCatalog.Find(text[..sign]) ?? throw new RegisterEditException($"there is no register '{text[..sign]}'; 'show' lists those of a state");
        string value = text[(sign + 1)..];
        bool isNumber = value.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        return new RegisterEdit(place, isNumber || place.IsValue ? Number(place, value, isNumber) : Bytes(place, value));
    }

    /// <summary>Whether a name is that of a register.</summary>
    public static bool IsRegister(string name) => RegisterCatalog.Find(name) is not null;

    /// <summary>A register of a state, in the notation of <see cref="Text"/>.</summary>
    /// <exception cref="RegisterEditException">There is no such register, the layout is not known, or the state has no place for it.</exception>
    public static string Read(string register, CapturedState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        RegisterPlace place = RegisterCatalog.Find(register) ?? throw new RegisterEditException($"there is no register '{register}'");
        int length = place.Length != 0 ? place.Length : LayoutOf(state).TryGetSlot(place.Pieces[0].Component, out XsaveSlot slot) ? slot.Size : 0;
        return new RegisterEdit(place, new byte[length]).ReadFrom(state);
    }

    /// <summary>Gives registers of a state their values. Components that were initial become explicit, with everything else in them initial as before.</summary>
    /// <param name="state">The state; its layout must be known.</param>
    /// <param name="edits">The registers, in order.</param>
    /// <exception cref="RegisterEditException">The layout is not known or only guessed, or the state has no place for a register.</exception>
    public static Transformed<CapturedState> Apply(CapturedState state, IEnumerable<RegisterEdit> edits)
    {
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(edits);
        XsaveLayout layout = LayoutOf(state);
        ImmutableArray<RegisterEdit> all = [.. edits];

        // Where x87 and SSE are, every processor agrees; anything else written at a guessed place would destroy something.
        if (state.Layout!.Provenance is { Source: FactSource.Guess } guess && all.Any(edit => !StateComponentSet.Legacy.ContainsAll(edit.Components)))
        {
            throw new RegisterEditException($"the layout is a guess ({guess.Detail}) and nothing is written at a guessed place; give the CPUID of the processor that wrote it with --layout");
        }

        byte[] area = new byte[Math.Max(state.Area.Length, XsaveFormat.ExtendedOffset)];
        state.Area.Span.CopyTo(area);
        List<RepairStep> steps = [];
        List<AreaRange> lost = [.. state.Lost];
        foreach (RegisterEdit edit in all)
        {
            string before = edit.ReadText(area, layout);
            int offset = edit.Write(area, layout, lost);
            string after = edit.ReadText(area, layout);
            string text = before == after ? $"{edit.Register} is {after}" : $"{edit.Register} from {before} to {after}";
            steps.Add(new RepairStep(RepairKind.Register, state.Id, text, offset));
        }

        return new Transformed<CapturedState>(state with { Area = area, Lost = [.. lost] }, steps, []);
    }

    /// <summary>The register as a state has it, in the notation of <see cref="Text"/>.</summary>
    /// <exception cref="RegisterEditException">The layout is not known, or the state has no place for the register.</exception>
    public string ReadFrom(CapturedState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        byte[] area = new byte[Math.Max(state.Area.Length, XsaveFormat.ExtendedOffset)];
        state.Area.Span.CopyTo(area);
        return ReadText(area, LayoutOf(state));
    }

    /// <summary>The edit as it would be typed.</summary>
    public override string ToString() => $"{Register}={Text}";

    private static XsaveLayout LayoutOf(CapturedState state) =>
        state.Layout?.Value ?? throw new RegisterEditException("the layout that the state was written with is not known");

    private static byte[] Number(RegisterPlace place, string text, bool isHexadecimal)
    {
        if (place.Length is 0 or > sizeof(ulong))
        {
            return WideNumber(place, text);
        }

        ulong most = ulong.MaxValue >> ((sizeof(ulong) - place.Length) * 8);
        bool ok = isHexadecimal
            ? ulong.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong value)
            : ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
        if (!ok || value > most)
        {
            throw new RegisterEditException($"{place.Name} takes a number from 0x0 to 0x{most:x}, not '{text}'");
        }

        byte[] bytes = new byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        return bytes[..place.Length];
    }

    private static byte[] WideNumber(RegisterPlace place, string text)
    {
        string digits = text[2..];
        byte[]? big = digits.Length > 0 && place.Length > 0 && digits.Length <= place.Length * 2 ? FromHex(digits.Length % 2 == 0 ? digits : "0" + digits) : null;
        if (big is null)
        {
            // Without a length of its own: where would the highest digit be?
            throw new RegisterEditException(
                place.Length == 0 ? $"{place.Name} takes its bytes in memory order, without 0x" : $"{place.Name} takes a number of at most {place.Length * 2} hexadecimal digits, not '{text}'");
        }

        Array.Reverse(big);
        byte[] bytes = new byte[place.Length];
        big.CopyTo(bytes, 0);
        return bytes;
    }

    private static byte[] Bytes(RegisterPlace place, string text)
    {
        byte[]? bytes = FromHex(text);
        if (bytes is null || bytes.Length == 0 || (place.Length != 0 && bytes.Length != place.Length) || bytes.Length > XsaveLayout.MaxAreaLength)
        {
            string wanted = place.Length == 0 ? "its bytes" : $"{place.Length} bytes";
            throw new RegisterEditException($"{place.Name} takes {wanted} in memory order as hexadecimal digits, or a number behind 0x; '{text}' is neither");
        }

        return bytes;
    }

    private static byte[]? FromHex(string digits)
    {
        byte[] bytes = new byte[digits.Length / 2];
        return digits.Length % 2 == 0 && Convert.FromHexString(digits, bytes, out _, out _) == System.Buffers.OperationStatus.Done ? bytes : null;
    }

    private string ReadText(ReadOnlySpan<byte> area, XsaveLayout layout)
    {
        byte[] value = new byte[_value.Length];
        XsaveArea view = new(area);
        if (Register == "mxcsr")
        {
            BinaryPrimitives.WriteUInt32LittleEndian(value, RegisterDump.EffectiveMxcsr(view));
            return RegisterDump.Text(value, _place.IsValue);
        }

        int done = 0;
        foreach (RegisterPiece piece in _place.Pieces)
        {
            (int offset, int length) = Locate(view, layout, piece);
            Span<byte> part = value.AsSpan(done, length);
            if (view.XstateBv.Contains(piece.Component))
            {
                area.Slice(offset, length).CopyTo(part);
            }
            else if (Register == "fcw")
            {
                BinaryPrimitives.WriteUInt16LittleEndian(part, XsaveFormat.InitialFcw);
            }
            else if (piece.Offset == 0 && length >= sizeof(ulong))
            {
                BinaryPrimitives.WriteUInt64LittleEndian(part, StateComponents.Find(piece.Component)?.InitialValue ?? 0);
            }

            done += length;
        }

        return RegisterDump.Text(value, _place.IsValue);
    }

    private int Write(byte[] area, XsaveLayout layout, List<AreaRange> lost)
    {
        // All or nothing: every piece must have its place before the first is written.
        foreach (RegisterPiece piece in _place.Pieces)
        {
            Locate(new XsaveArea(area), layout, piece);
        }

        int first = -1;
        int done = 0;
        foreach (RegisterPiece piece in _place.Pieces)
        {
            (int offset, int length) = Locate(new XsaveArea(area), layout, piece);
            ReadOnlySpan<byte> value = _value.AsSpan(done, length);
            done += length;
            first = first < 0 ? offset : first;

            // The upper parts of a vector that are zero need not be explicit where they are initial: so a wide zero does not bring AVX-512 into use.
            bool isUpperPart = done > length;
            if (isUpperPart && value.IndexOfAnyExcept((byte)0) < 0 && !new XsaveArea(area).XstateBv.Contains(piece.Component))
            {
                continue;
            }

            MakeExplicit(area, layout, piece.Component);
            value.CopyTo(area.AsSpan(offset));
            RemoveFrom(lost, new AreaRange(offset, length));
        }

        return first;
    }

    // Sets the component's bit; if it was clear, its bytes may be stale and become the initial ones first.
    private static void MakeExplicit(byte[] area, XsaveLayout layout, StateComponent component)
    {
        XsaveArea view = new(area);
        StateComponentSet present = view.XstateBv;
        if (present.Contains(component))
        {
            return;
        }

        uint mxcsr = RegisterDump.EffectiveMxcsr(view);
        AreaTransforms.Clear(area, layout, StateComponentSet.Of(component));
        if (component is StateComponent.Sse or StateComponent.Avx)
        {
            // From now on the stored value counts, so it must be the one that counted before.
            BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(XsaveFormat.MxcsrOffset), mxcsr);
        }

        if (StateComponents.Find(component) is { InitialValue: not 0 and ulong initial } && layout.TryLocate(component, view.XcompBv, area.Length, out int offset, out int size) && size >= sizeof(ulong))
        {
            BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(offset), initial);
        }

        BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(XsaveFormat.XstateBvOffset), present.With(component).Bits);
    }

    private (int Offset, int Length) Locate(XsaveArea area, XsaveLayout layout, RegisterPiece piece)
    {
        if (StateComponentSet.Legacy.Contains(piece.Component))
        {
            return (piece.Offset, piece.Length);
        }

        if (!layout.TryLocate(piece.Component, area.XcompBv, area.Bytes.Length, out int offset, out int size))
        {
            string why = layout.TryGetSlot(piece.Component, out _) ? $"the area of {area.Bytes.Length} bytes has no place for it" : "the layout does not have it";
            throw new RegisterEditException($"{Register} belongs to the component {StateComponents.NameOf(piece.Component)}, and {why}");
        }

        int length = piece.Length == 0 ? _value.Length : piece.Length;
        return piece.Offset + length <= size && (piece.Length != 0 || length == size)
            ? (offset + piece.Offset, length)
            : throw new RegisterEditException($"{Register} has {piece.Offset + length} bytes, the component {StateComponents.NameOf(piece.Component)} has {size}");
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
