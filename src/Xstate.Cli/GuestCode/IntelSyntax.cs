using System.Globalization;
using Iced.Intel;
using Xstate.Guests;

namespace Xstate.Cli.GuestCode;

/// <summary>An operand as it is written.</summary>
internal abstract record WrittenOperand
{
    /// <summary>A register.</summary>
    internal sealed record InRegister(Register Register) : WrittenOperand;

    /// <summary>A constant.</summary>
    internal sealed record Constant(ulong Value) : WrittenOperand;

    /// <summary>A label.</summary>
    internal sealed record Label(string Name) : WrittenOperand;

    /// <summary>Memory: <c>dword ptr [rbx+rcx*4+8]</c>. The size is 0 when none is written.</summary>
    internal sealed record InMemory(int Size, Register Segment, Register Base, Register Index, int Scale, long Displacement)
        : WrittenOperand;
}

/// <summary>An instruction as it is written.</summary>
/// <param name="Text">All of it, for messages.</param>
/// <param name="Prefixes">LOCK, REP and the like.</param>
/// <param name="Mnemonic">Lower case.</param>
/// <param name="Operands">In Intel's order.</param>
internal sealed record WrittenInstruction(string Text, IReadOnlyList<string> Prefixes, string Mnemonic,
    IReadOnlyList<WrittenOperand> Operands);

/// <summary>Reads Intel syntax: one instruction from text, without knowing which instructions exist.</summary>
internal static class IntelSyntax
{
    private static readonly Dictionary<string, Register> Registers = MakeRegisters();

    private static readonly Dictionary<string, int> Sizes = new(StringComparer.OrdinalIgnoreCase)
    {
        ["byte"] = 1,
        ["word"] = 2,
        ["dword"] = 4,
        ["fword"] = 6,
        ["qword"] = 8,
        ["tword"] = 10,
        ["tbyte"] = 10,
        ["oword"] = 16,
        ["xmmword"] = 16,
        ["yword"] = 32,
        ["ymmword"] = 32,
        ["zword"] = 64,
        ["zmmword"] = 64,
    };

    private static readonly string[] Prefixes = ["lock", "rep", "repe", "repz", "repne", "repnz"];

    /// <summary>Whether memory of a size can be written as such.</summary>
    public static bool HasName(int size) => Sizes.ContainsValue(size);

    /// <summary>Lines and statements of a source, without comments.</summary>
    public static IEnumerable<string> Statements(string source) =>
        source.Split('\n').SelectMany(line => line.Split('#')[0].Split(';')).Select(statement => statement.Trim())
        .Where(statement => statement.Length > 0);

    /// <summary>Whether a word can be a label: letters, digits, <c>_</c> and <c>.</c>, no digit first, no register.</summary>
    public static bool IsLabel(string word) =>
        word.Length > 0 && !char.IsDigit(word[0]) && word.All(c => char.IsLetterOrDigit(c) || c is '_' or '.')
        && !Registers.ContainsKey(word);

    /// <summary>One instruction.</summary>
    /// <exception cref="GuestCodeException">It cannot be read.</exception>
    public static WrittenInstruction Read(string text)
    {
        List<string> prefixes = [];
        string rest = text;
        string word = TakeWord(ref rest);
        while (Prefixes.Contains(word))
        {
            prefixes.Add(word);
            word = TakeWord(ref rest);
        }

        WrittenOperand[] operands = rest.Length == 0 ? [] : [.. rest.Split(',').Select(operand => Operand(operand.Trim(), text))];
        return new WrittenInstruction(text, prefixes, word, operands);
    }

    private static Dictionary<string, Register> MakeRegisters()
    {
        Dictionary<string, Register> registers = new(StringComparer.OrdinalIgnoreCase);
        foreach (Register register in Enum.GetValues<Register>())
        {
            if (register != Register.None && !register.ToString().StartsWith("DontUse", StringComparison.Ordinal))
            {
                registers[register.ToString()] = register;
            }
        }

        for (int number = 0; number < 8; number++)
        {
            registers[$"st({number})"] = Register.ST0 + number;
            registers[$"r{number + 8}b"] = Register.R8L + number;
        }

        registers["st"] = Register.ST0;
        return registers;
    }

    private static string TakeWord(ref string rest)
    {
        int end = rest.AsSpan().IndexOfAny(' ', '\t');
        string word = end < 0 ? rest : rest[..end];
        rest = end < 0 ? "" : rest[end..].Trim();
        return word.ToLowerInvariant();
    }

    private static WrittenOperand Operand(string text, string whole)
    {
        if (text.Length == 0)
        {
            throw new GuestCodeException(whole, "an operand is missing");
        }

        if (text.EndsWith(']'))
        {
            return Memory(text, whole);
        }

        if (Registers.TryGetValue(text, out Register register))
        {
            return new WrittenOperand.InRegister(register);
        }

        return TryNumber(text, out ulong value) ? new WrittenOperand.Constant(value)
            : IsLabel(text) ? new WrittenOperand.Label(text)
            : throw new GuestCodeException(whole, $"{text} is no register, number, label or [address]");
    }

    private static WrittenOperand.InMemory Memory(string text, string whole)
    {
        int open = text.IndexOf('[', StringComparison.Ordinal);
        if (open < 0)
        {
            throw new GuestCodeException(whole, $"{text} has no [");
        }

        (int size, Register segment) = Qualifiers(text[..open], whole);
        Register based = Register.None;
        Register index = Register.None;
        int scale = 1;
        long displacement = 0;
        foreach ((bool minus, string term) in Terms(text[(open + 1)..^1], whole))
        {
            string[] factors = [.. term.Split('*').Select(factor => factor.Trim())];
            if (TryNumber(term, out ulong number))
            {
                displacement += minus ? -(long)number : (long)number;
            }
            else if (!minus && factors.Length == 2 && Registers.TryGetValue(factors[0], out Register scaled)
                && TryNumber(factors[1], out ulong by) && by is 1 or 2 or 4 or 8 && index == Register.None)
            {
                (index, scale) = (scaled, (int)by);
            }
            else if (!minus && Registers.TryGetValue(term, out Register register) && (based == Register.None || index == Register.None))
            {
                (based, index) = based == Register.None ? (register, index) : (based, register);
            }
            else
            {
                throw new GuestCodeException(whole, $"{term} cannot be part of an address here");
            }
        }

        return new WrittenOperand.InMemory(size, segment, based, index, scale, displacement);
    }

    private static (int Size, Register Segment) Qualifiers(string text, string whole)
    {
        int size = 0;
        Register segment = Register.None;
        foreach (string word in text.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries))
        {
            if (Sizes.TryGetValue(word, out int found))
            {
                size = found;
            }
            else if (word.EndsWith(':') && Registers.TryGetValue(word[..^1], out Register named) && named.IsSegmentRegister())
            {
                segment = named;
            }
            else if (!word.Equals("ptr", StringComparison.OrdinalIgnoreCase))
            {
                throw new GuestCodeException(whole, $"{word} is no size of memory");
            }
        }

        return (size, segment);
    }

    private static IEnumerable<(bool Minus, string Term)> Terms(string text, string whole)
    {
        int start = 0;
        bool minus = false;
        for (int at = 0; at <= text.Length; at++)
        {
            if (at < text.Length && text[at] is not ('+' or '-'))
            {
                continue;
            }

            string term = text[start..at].Trim();
            if (term.Length > 0)
            {
                yield return (minus, term);
            }
            else if (start > 0 || at == text.Length)
            {
                throw new GuestCodeException(whole, $"[{text}] is no address");
            }

            minus = at < text.Length && text[at] == '-';
            start = at + 1;
        }
    }

    private static bool TryNumber(string text, out ulong value)
    {
        bool negative = text.StartsWith('-');
        string digits = (negative ? text[1..] : text).Replace("_", "", StringComparison.Ordinal);
        bool ok = digits.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            ? ulong.TryParse(digits.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value)
            : ulong.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out value);
        value = negative ? unchecked(0 - value) : value;
        return ok;
    }
}
