using System.Collections.Immutable;
using System.Globalization;
using Xstate.Architecture;

namespace Xstate.Captures;

/// <summary>
/// Registers that somebody asked for: names (<c>zmm5</c>), ranges (<c>zmm5-zmm9</c>), families (<c>st</c>, <c>k</c>), components
/// (<c>opmask</c>) and model-specific registers (<c>ia32_efer</c>, <c>msr:0x48</c>).
/// </summary>
internal sealed class RegisterSelection
{
    private const int MaxItems = 256;
    private readonly ImmutableArray<RegisterPlace> _places;

    private RegisterSelection(ImmutableArray<RegisterPlace> places)
    {
        _places = places;
    }

    /// <summary>The names, in the order in which they were asked for, each once.</summary>
    public IEnumerable<string> Names => _places.Select(place => place.Name);

    internal ImmutableArray<RegisterPlace> Places => _places;

    /// <summary>Reads a list that is separated by commas.</summary>
    /// <exception cref="FormatException">There is no such register.</exception>
    public static RegisterSelection Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] items = text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return items.Length is > 0 and <= MaxItems
            ? new RegisterSelection([.. items.SelectMany(Find).DistinctBy(place => place.Name)])
            : throw new FormatException($"'{text}' has {items.Length} names of registers, not 1 to {MaxItems}");
    }

    private static IEnumerable<RegisterPlace> Find(string item)
    {
        int dash = item.IndexOf("..", StringComparison.Ordinal);
        (string first, string last) = dash > 0 ? (item[..dash], item[(dash + 2)..]) : item.IndexOf('-', StringComparison.Ordinal) is > 0
            and var at ? (item[..at], item[(at + 1)..]) : (item, "");
        if (last.Length > 0)
        {
            return Range(item, first, last);
        }

        return RegisterCatalog.Find(item) is { } place ? [place]
            : StateComponents.TryParse(item, out StateComponent component) ? RegisterCatalog.Listed(component)
            : RegisterCatalog.Family(item) is { IsEmpty: false } family ? family
            : Msr(item) is { } msr ? [msr]
            : throw new FormatException($"there is no register '{item}'; 'show' lists those of a state");
    }

    private static IEnumerable<RegisterPlace> Range(string item, string first, string last)
    {
        string prefix = first.TrimEnd('0', '1', '2', '3', '4', '5', '6', '7', '8', '9');
        string end = last.StartsWith(prefix, StringComparison.OrdinalIgnoreCase) ? last[prefix.Length..] : last;
        bool ok = int.TryParse(first.AsSpan(prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int from)
            & int.TryParse(end, NumberStyles.None, CultureInfo.InvariantCulture, out int to) && from <= to && to < RegisterCatalog.Vectors;
        for (int i = from; ok && i <= to; i++)
        {
            yield return RegisterCatalog.Find(string.Create(CultureInfo.InvariantCulture, $"{prefix}{i}"))
                ?? throw new FormatException($"there is no register '{prefix}{i}' of the range '{item}'");
        }

        if (!ok)
        {
            throw new FormatException($"'{item}' is no range of registers, such as zmm5-zmm9");
        }
    }

    private static RegisterPlace? Msr(string item)
    {
        const string Prefix = "msr:0x";
        bool isNumber = item.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase);
        uint index = 0;
        bool ok = isNumber ? uint.TryParse(item.AsSpan(Prefix.Length), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture,
            out index) : MsrNames.TryParse(item, out index);
        return ok ? RegisterCatalog.OfMsr(index) : null;
    }
}
