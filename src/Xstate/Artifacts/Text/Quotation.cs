using System.Text;

namespace Xstate.Artifacts.Text;

/// <summary>Quotes untrusted bytes in a message: short, on one line, printable.</summary>
internal static class Quotation
{
    private const int MaxLength = 60;

    public static string Of(string text) => Of(Encoding.UTF8.GetBytes(text));

    public static string Of(ReadOnlySpan<byte> bytes)
    {
        StringBuilder text = new("\"");
        foreach (byte value in bytes[..Math.Min(bytes.Length, MaxLength)])
        {
            text.Append(value is >= 0x20 and < 0x7F ? (char)value : '?');
        }

        return text.Append(bytes.Length > MaxLength ? "…\"" : "\"").ToString();
    }
}
