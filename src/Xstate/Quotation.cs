using System.Globalization;
using System.Text;

namespace Xstate;

/// <summary>
/// Quotes untrusted text: short, and with what was left out said. Values of registers, paths and this program's own texts are never cut.
/// </summary>
internal static class Quotation
{
    /// <summary>Characters, or bytes, that are quoted.</summary>
    public const int MaxLength = 64;

    /// <summary>Characters of prose that is shown: notes, and where a fact came from.</summary>
    public const int MaxProse = 240;

    /// <summary>Text for a message: in quotation marks, printable ASCII with a question mark for every other byte, cut.</summary>
    /// <param name="text">The text.</param>
    public static string Of(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Of(Encoding.UTF8.GetBytes(text.Length > MaxLength * 2 ? text[..(MaxLength * 2)] : text), text.Length);
    }

    /// <summary>Bytes for a message: in quotation marks, printable ASCII with a question mark for every other byte, cut.</summary>
    /// <param name="bytes">The bytes.</param>
    public static string Of(ReadOnlySpan<byte> bytes) => Of(bytes, bytes.Length);

    /// <summary>Text for a report: as it is, but cut. What a terminal would act on has to be escaped where it is printed.</summary>
    /// <param name="text">The text.</param>
    /// <param name="maxLength">Characters that are shown.</param>
    public static string Cut(string text, int maxLength = MaxLength)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxLength, 1);
        if (text.Length <= maxLength)
        {
            return text;
        }

        int length = char.IsHighSurrogate(text[maxLength - 1]) ? maxLength - 1 : maxLength;
        return string.Create(CultureInfo.InvariantCulture, $"{text.AsSpan(0, length)}… ({text.Length - length} more characters)");
    }

    private static string Of(ReadOnlySpan<byte> bytes, int length)
    {
        StringBuilder text = new("\"");
        foreach (byte value in bytes[..Math.Min(bytes.Length, MaxLength)])
        {
            text.Append(value is >= 0x20 and < 0x7F ? (char)value : '?');
        }

        text.Append(length > MaxLength ? string.Create(CultureInfo.InvariantCulture, $"…\" ({length - MaxLength} more)") : "\"");
        return text.ToString();
    }
}
