using System.Collections.Immutable;
using System.Globalization;

namespace Xstate.Architecture;

/// <summary>
/// The flags and fields of MXCSR, of the x87 control and status words (SDM Vol. 1, 10.2.3, 8.1.3 and 8.1.5) and of PKRU (Vol. 3A, 4.6.2),
/// by name: printing and setting read the same rows.
/// </summary>
internal static class RegisterFields
{
    private const string KeyPrefix = "key";

    private static readonly ImmutableArray<string> Rounding = ["nearest", "down", "up", "zero"];

    // Bit 0 disables any access, bit 1 writes; with both set writes are disabled once more.
    private static readonly ImmutableArray<string> Rights = ["rw", "none", "ro", "none"];

    private static readonly Dictionary<string, ImmutableArray<RegisterField>> ByRegister = new(StringComparer.OrdinalIgnoreCase)
    {
        ["mxcsr"] =
        [
            .. Flags(0, "ie", "de", "ze", "oe", "ue", "pe", "daz", "im", "dm", "zm", "om", "um", "pm"), new("rc", 13, 2, Rounding),
                .. Flags(15, "ftz"), .. Flags(17, "mm"),
        ],
        ["fcw"] = [.. Flags(0, "im", "dm", "zm", "om", "um", "pm"), new("pc", 8, 2, ["single", "reserved", "double", "extended"]),
            new("rc", 10, 2, Rounding), .. Flags(12, "x")],
        ["fsw"] = [.. Flags(0, "ie", "de", "ze", "oe", "ue", "pe", "sf", "es", "c0", "c1", "c2"), new("top", 11, 3, []),
            .. Flags(14, "c3", "b")],
        ["pkru"] = [.. Enumerable.Range(0, Pkru.KeyCount)
            .Select(key => new RegisterField(string.Create(CultureInfo.InvariantCulture, $"{KeyPrefix}{key}"), 2 * key, 2, Rights))],
    };

    /// <summary>The fields of a register; none for one that is a plain number.</summary>
    public static ImmutableArray<RegisterField> Of(string register) => ByRegister.GetValueOrDefault(register, []);

    /// <summary>Flags that are set, by name, and every field with its value: <c>im</c>, <c>rc:down</c>, <c>key1:ro</c>.</summary>
    public static IEnumerable<string> Describe(string register, ulong value)
    {
        foreach (RegisterField field in Of(register))
        {
            ulong found = field.In(value);
            if (!field.IsFlag)
            {
                yield return $"{field.Name}:{field.Describe(found)}";
            }
            else if (found != 0)
            {
                yield return field.Name;
            }
        }
    }

    /// <summary>Reads changes such as <c>+ftz,-dm,rc:down</c> or <c>key1:ro</c>.</summary>
    /// <param name="register">The register.</param>
    /// <param name="text">The changes, separated by commas.</param>
    /// <param name="mask">The bits that change.</param>
    /// <param name="value">What they become.</param>
    /// <param name="wrong">What is not understood, when the answer is false.</param>
    public static bool TryParse(string register, string text, out ulong mask, out ulong value, out string wrong)
    {
        ArgumentNullException.ThrowIfNull(text);
        (mask, value, wrong) = (0, 0, "");
        foreach (string change in text.Split(',', StringSplitOptions.TrimEntries))
        {
            if (Find(register, change) is not var (field, set) || (mask & field.Mask) != 0)
            {
                wrong = change;
                return false;
            }

            mask |= field.Mask;
            value |= set << field.Shift;
        }

        return true;
    }

    private static (RegisterField Field, ulong Value)? Find(string register, string change)
    {
        bool isFlag = change.Length > 1 && change[0] is '+' or '-';
        int colon = change.IndexOf(':', StringComparison.Ordinal);
        string name = isFlag ? change[1..] : colon > 0 ? change[..colon] : "";
        if (Of(register).FirstOrDefault(field => field.Name.Equals(name, StringComparison.OrdinalIgnoreCase)) is not { } found
            || found.IsFlag != isFlag)
        {
            return null;
        }

        if (isFlag)
        {
            return (found, change[0] == '+' ? 1UL : 0UL);
        }

        string wanted = change[(colon + 1)..];
        int index = found.Values.Select(value => value.ToLowerInvariant()).ToList().IndexOf(wanted.ToLowerInvariant());
        return index >= 0 ? (found, (ulong)index)
            : found.Values.IsEmpty && ulong.TryParse(wanted, NumberStyles.None, CultureInfo.InvariantCulture, out ulong number)
            && number < 1UL << found.Width ? (found, number)
            : null;
    }

    private static IEnumerable<RegisterField> Flags(int first, params ImmutableArray<string> names) =>
        names.Select((name, i) => new RegisterField(name, first + i, 1, []));
}
