using System.Buffers.Text;

namespace Xstate.Artifacts.Text;

/// <summary>Reads words and hexadecimal numbers from one line. Each Try method moves on only when it succeeds.</summary>
internal ref struct FieldCursor
{
    private ReadOnlySpan<byte> _rest;

    public FieldCursor(ReadOnlySpan<byte> line)
    {
        _rest = line;
    }

    public readonly ReadOnlySpan<byte> Rest => _rest;

    public readonly bool AtEnd => _rest.IsEmpty;

    /// <summary>Skips blanks and tabs; true if there was one.</summary>
    public bool SkipBlanks()
    {
        int count = _rest.IndexOfAnyExcept((byte)' ', (byte)'\t');
        count = count < 0 ? _rest.Length : count;
        _rest = _rest[count..];
        return count > 0;
    }

    public bool TrySkip(scoped ReadOnlySpan<byte> word)
    {
        if (!_rest.StartsWith(word))
        {
            return false;
        }

        _rest = _rest[word.Length..];
        return true;
    }

    /// <summary>A hexadecimal number behind a word; moves on only past both.</summary>
    public bool TryHexAfter(scoped ReadOnlySpan<byte> word, out uint value, int minDigits = 1)
    {
        ReadOnlySpan<byte> start = _rest;
        if (TrySkip(word) && TryHex(out value, minDigits))
        {
            return true;
        }

        _rest = start;
        value = 0;
        return false;
    }

    /// <summary>A decimal number; moves on only past it.</summary>
    public bool TryDecimal(out uint value)
    {
        if (!Utf8Parser.TryParse(_rest, out value, out int consumed))
        {
            return false;
        }

        _rest = _rest[consumed..];
        return true;
    }

    /// <summary>A number of one to eight hexadecimal digits that ends where the digits end.</summary>
    public bool TryHex(out uint value, int minDigits = 1)
    {
        if (!Utf8Parser.TryParse(_rest, out value, out int consumed, 'x') || consumed < minDigits || consumed > 8)
        {
            value = 0;
            return false;
        }

        _rest = _rest[consumed..];
        return true;
    }
}
