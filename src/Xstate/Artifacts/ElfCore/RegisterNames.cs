using System.Globalization;
using System.Text;
using Xstate.Captures;

namespace Xstate.Artifacts.ElfCore;

/// <summary>Lists of registers for messages: <c>k0 to k7, zmm0 to zmm5, pkru</c>.</summary>
internal static class RegisterNames
{
    public static string Compress(IEnumerable<RegisterValue> registers)
    {
        StringBuilder text = new();
        (string Prefix, int First, int Last)? run = null;
        foreach (RegisterValue register in registers)
        {
            (string prefix, int number) = Split(register.Name);
            if (run is { } open && open.Prefix == prefix && number == open.Last + 1)
            {
                run = open with { Last = number };
                continue;
            }

            Append(text, run);
            run = (prefix, number, number);
        }

        Append(text, run);
        return text.ToString();
    }

    private static (string Prefix, int Number) Split(string name)
    {
        string prefix = name.TrimEnd("0123456789".ToCharArray());
        return prefix.Length < name.Length ? (prefix, int.Parse(name.AsSpan(prefix.Length), CultureInfo.InvariantCulture)) : (name, -1);
    }

    private static void Append(StringBuilder text, (string Prefix, int First, int Last)? run)
    {
        if (run is not { } it)
        {
            return;
        }

        text.Append(text.Length > 0 ? ", " : "").Append(it.Prefix);
        if (it.First >= 0)
        {
            text.Append(CultureInfo.InvariantCulture, $"{it.First}");
        }

        if (it.Last > it.First)
        {
            text.Append(CultureInfo.InvariantCulture, $" to {it.Prefix}{it.Last}");
        }
    }
}
