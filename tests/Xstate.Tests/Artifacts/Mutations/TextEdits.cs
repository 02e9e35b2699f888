using System.Text;

namespace Xstate.Tests.Artifacts.Mutations;

/// <summary>Damage that leaves JSON, XML or lines of fields well formed as text: one value becomes another, goes, or comes twice.</summary>
internal static class TextEdits
{
    private const int LongestValue = 1 << 14;
    private const int Depth = 5_000;

    /// <summary>The file with one value changed; the file itself where nothing looks like text.</summary>
    public static byte[] Apply(ref SplitMix64 random, byte[] file)
    {
        int from = random.Below(file.Length);
        int found = file.AsSpan(from).IndexOfAny(":,[="u8);
        if (found < 0)
        {
            return file;
        }

        int start = from + found + 1;
        int end = EndOfValue(file, start);
        ReadOnlySpan<byte> value = file.AsSpan(start..end);
        switch (random.Below(8))
        {
            case 0:
                return [.. file[..start], .. value, (byte)',', .. value, .. file[end..]];
            case 1:
                return [.. file[..(start - 1)], .. file[end..]];
            case 2:
                string nested = random.OneIn(2) ? new string('[', Depth)
                    + new string(']', Depth) : string.Concat(Enumerable.Repeat("{\"a\":", Depth)) + "0" + new string('}', Depth);
                return [.. file[..start], .. Encoding.ASCII.GetBytes(nested), .. file[end..]];
            case 3:
                return [.. file[..start], .. Encoding.ASCII.GetBytes($"\"{new string('x', 1 + random.Below(70_000))}\""), .. file[end..]];
            default:
                string other = random.Pick<string>(
                    "null", "true", "[]", "{}", "\"\"", "0", "-1", "-0", "1e400", "1.5", "18446744073709551616", "4294967295",
                    "\"0xffffffffffffffff\"", "\"0x\"", "\"\\ud800\"", "\"\\u0000\"", "'&#0;'", "'&x;'", "[0]", "\"é\"");
                return [.. file[..start], .. Encoding.UTF8.GetBytes(other), .. file[end..]];
        }
    }

    // Up to what ends it on its own level of brackets, outside quotes.
    private static int EndOfValue(byte[] file, int start)
    {
        int depth = 0;
        bool quoted = false;
        int limit = Math.Min(file.Length, start + LongestValue);
        for (int i = start; i < limit; i++)
        {
            switch (file[i])
            {
                case (byte)'"':
                    quoted = !quoted;
                    break;
                case (byte)'[' or (byte)'{' when !quoted:
                    depth++;
                    break;
                case (byte)']' or (byte)'}' when !quoted && depth-- == 0:
                case (byte)',' or (byte)'\n' or (byte)' ' or (byte)'>' when !quoted && depth == 0 && i > start:
                    return i;
            }
        }

        return limit;
    }
}
