using System.Buffers.Binary;
using System.Globalization;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Transforms;

/// <summary>
/// The notations of <c>REGISTER=VALUE</c>. <c>0x…</c> is a number; digits alone are the bytes in memory order, lowest byte first, or a
/// decimal number where the register is a number. <c>st0=3.14</c> is a decimal number; <c>mxcsr=+ftz,-dm,rc:down</c> and
/// <c>pkru=key1:ro</c> change fields and leave the others; <c>zmm5.f32=1,2,…</c> gives every element of a view, <c>zmm5.f32[3]=1.5</c> one
/// and <c>zmm5.f32[*]=1.5</c> all the same.
/// </summary>
internal static class RegisterValueText
{
    private const string EveryElement = "*";

    /// <summary>Reads an edit.</summary>
    /// <exception cref="RegisterEditException">There is no such register, or it cannot hold the value.</exception>
    public static RegisterEdit Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int sign = text.IndexOf('=', StringComparison.Ordinal);
        if (sign <= 0)
        {
            throw new RegisterEditException($"'{text}' is not REGISTER=VALUE");
        }

        string name = text[..sign];
        string value = text[(sign + 1)..];
        int dot = name.IndexOf('.', StringComparison.Ordinal);
        RegisterPlace place = RegisterCatalog.Find(dot < 0 ? name : name[..dot])
            ?? throw new RegisterEditException($"there is no register '{(dot < 0 ? name : name[..dot])}'; 'show' lists those of a state");
        if (dot >= 0)
        {
            return OfElements(place, name[(dot + 1)..], value, text);
        }

        return OfFields(place, value, text) ?? new RegisterEdit(place, WholeValue(place, value));
    }

    private static byte[] WholeValue(RegisterPlace place, string value)
    {
        bool isNumber = value.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        if (isNumber || place.IsValue)
        {
            return Number(place, value, isNumber);
        }

        if (place.Length == Float80.Length && value.Length != 2 * Float80.Length && Float80.TryParse(value, out Float80 number))
        {
            byte[] bytes = new byte[Float80.Length];
            number.Write(bytes);
            return bytes;
        }

        return Bytes(place, value);
    }

    // Flags and fields: only in registers that have them, and only where the value is no number.
    private static RegisterEdit? OfFields(RegisterPlace place, string value, string typed)
    {
        bool isNumber = value.Length == 0 || char.IsAsciiDigit(value[0]);
        if (isNumber || RegisterFields.Of(place.Name).IsEmpty)
        {
            return null;
        }

        if (!RegisterFields.TryParse(place.Name, value, out ulong mask, out ulong set, out string wrong))
        {
            string known = string.Join(", ", RegisterFields.Of(place.Name).Select(field => field.IsFlag
                ? $"+{field.Name}" : $"{field.Name}:{(field.Values.IsEmpty ? "N" : string.Join('|', field.Values.Distinct()))}"));
            throw new RegisterEditException($"{place.Name} takes a number or changes such as {known}, each once, not '{wrong}'");
        }

        return new RegisterEdit(place, LittleEndian(set, place.Length), LittleEndian(mask, place.Length), typed);
    }

    private static RegisterEdit OfElements(RegisterPlace place, string viewText, string value, string typed)
    {
        int bracket = viewText.IndexOf('[', StringComparison.Ordinal);
        string viewName = bracket < 0 ? viewText : viewText[..bracket];
        ElementView view = ElementView.Find(viewName)
            ?? throw new RegisterEditException(
            $"there is no view '{viewName}'; there are {string.Join(", ", ElementView.All.Select(known => known.Name))}");
        if (place.Length == 0 || place.Length % view.Size != 0)
        {
            throw new RegisterEditException($"{place.Name} does not consist of elements of {view.Name}");
        }

        int count = place.Length / view.Size;
        string[] elements = value.Split(',', StringSplitOptions.TrimEntries);
        string? index = bracket < 0 ? null : viewText[(bracket + 1)..].TrimEnd(']');
        if (index is null ? elements.Length != count : elements.Length != 1)
        {
            throw new RegisterEditException(index is null
                ? $"{place.Name}.{view.Name} takes {count} values, lowest element first, not {elements.Length}; "
                    + $"{place.Name}.{view.Name}[0]= sets one, {place.Name}.{view.Name}[{EveryElement}]= all"
                : $"{place.Name}.{viewText} takes one value, not {elements.Length}");
        }

        byte[] bytes = new byte[place.Length];
        byte[] mask = new byte[place.Length];
        int first = index is null or EveryElement ? 0 : Index(place, view, index, count);
        int last = index is null or EveryElement ? count - 1 : first;
        for (int i = first; i <= last; i++)
        {
            string element = elements[elements.Length == 1 ? 0 : i];
            if (!view.TryParse(element, bytes.AsSpan(i * view.Size, view.Size)))
            {
                throw new RegisterEditException($"'{element}' is no {view.Name}");
            }

            mask.AsSpan(i * view.Size, view.Size).Fill(0xFF);
        }

        return first == 0 && last == count - 1 ? new RegisterEdit(place, bytes) : new RegisterEdit(place, bytes, mask, typed);
    }

    private static int Index(RegisterPlace place, ElementView view, string text, int count) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int index) && index < count
            ? index
            : throw new RegisterEditException($"{place.Name}.{view.Name} has the elements 0 to {count - 1}, not '{text}'");

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
        return ok && value <= most ? LittleEndian(value,
            place.Length) : throw new RegisterEditException($"{place.Name} takes a number from 0x0 to 0x{most:x}, not '{text}'");
    }

    private static byte[] LittleEndian(ulong value, int length)
    {
        byte[] bytes = new byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        return bytes[..length];
    }

    private static byte[] WideNumber(RegisterPlace place, string text)
    {
        string digits = text[2..];
        byte[]? big = digits.Length > 0 && place.Length > 0 && digits.Length <= place.Length * 2
            ? FromHex(digits.Length % 2 == 0 ? digits : "0" + digits) : null;
        if (big is null)
        {
            // Without a length of its own: where would the highest digit be?
            throw new RegisterEditException(
                place.Length == 0 ? $"{place.Name} takes its bytes in memory order, without 0x"
                : $"{place.Name} takes a number of at most {place.Length * 2} hexadecimal digits, not '{text}'");
        }

        Array.Reverse(big);
        byte[] bytes = new byte[place.Length];
        big.CopyTo(bytes, 0);
        return bytes;
    }

    private static byte[] Bytes(RegisterPlace place, string text)
    {
        byte[]? bytes = FromHex(text);
        if (bytes is null || bytes.Length == 0 || (place.Length != 0 && bytes.Length != place.Length)
            || bytes.Length > XsaveLayout.MaxAreaLength)
        {
            string wanted = place.Length == 0 ? "its bytes" : $"{place.Length} bytes";
            throw new RegisterEditException(
                $"{place.Name} takes {wanted} in memory order as hexadecimal digits, or a number behind 0x; '{text}' is neither");
        }

        return bytes;
    }

    private static byte[]? FromHex(string digits)
    {
        byte[] bytes = new byte[digits.Length / 2];
        return digits.Length % 2 == 0 && Convert.FromHexString(digits, bytes, out _, out _) == System.Buffers.OperationStatus.Done
            ? bytes : null;
    }
}
