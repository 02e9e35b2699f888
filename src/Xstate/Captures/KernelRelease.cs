using System.Globalization;

namespace Xstate.Captures;

/// <summary>
/// A Linux release. Without a patch level it stands for the newest release of its series, because that is what "6.1" runs as today.
/// </summary>
/// <param name="Major">First number.</param>
/// <param name="Minor">Second number.</param>
/// <param name="Patch">Stable release, or null for the newest of the series.</param>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public readonly record struct KernelRelease(int Major, int Minor, int? Patch = null) : IComparable<KernelRelease>
{
    /// <summary>
    /// Whether this release is the given one or later. Stable fixes of older series are separate: see the behaviour table.
    /// </summary>
    public bool IsAtLeast(int major, int minor) => Major > major || (Major == major && Minor >= minor);

    /// <summary>Whether this is the given series at the given patch level or later.</summary>
    public bool IsStableAtLeast(int major, int minor, int patch) =>
        Major == major && Minor == minor && (Patch is null || Patch >= patch);

    /// <summary>Reads <c>6.1</c>, <c>6.1.40</c> or what <c>uname -r</c> prints (<c>6.12.107+deb12-cloud-amd64</c>).</summary>
    public static bool TryParse(string text, out KernelRelease release)
    {
        ArgumentNullException.ThrowIfNull(text);
        release = default;
        Span<int> numbers = stackalloc int[3];
        int count = 0;
        ReadOnlySpan<char> rest = text;
        while (count < numbers.Length)
        {
            int digits = 0;
            while (digits < rest.Length && char.IsAsciiDigit(rest[digits]))
            {
                digits++;
            }

            if (digits is 0 or > 5)
            {
                break;
            }

            numbers[count++] = int.Parse(rest[..digits], NumberStyles.None, CultureInfo.InvariantCulture);
            rest = rest[digits..];
            if (rest.IsEmpty || rest[0] != '.' || count == numbers.Length)
            {
                break;
            }

            rest = rest[1..];
        }

        if (count < 2)
        {
            return false;
        }

        release = new KernelRelease(numbers[0], numbers[1], count == 3 ? numbers[2] : null);
        return true;
    }

    /// <inheritdoc/>
    public int CompareTo(KernelRelease other) =>
        (Major, Minor, Patch ?? int.MaxValue).CompareTo((other.Major, other.Minor, other.Patch ?? int.MaxValue));

    /// <summary><c>6.1.40</c>.</summary>
    public override string ToString() => Patch is null ? $"{Major}.{Minor}" : $"{Major}.{Minor}.{Patch}";

    /// <summary>Order of release numbers.</summary>
    public static bool operator <(KernelRelease left, KernelRelease right) => left.CompareTo(right) < 0;

    /// <summary>Order of release numbers.</summary>
    public static bool operator >(KernelRelease left, KernelRelease right) => left.CompareTo(right) > 0;

    /// <summary>Order of release numbers.</summary>
    public static bool operator <=(KernelRelease left, KernelRelease right) => left.CompareTo(right) <= 0;

    /// <summary>Order of release numbers.</summary>
    public static bool operator >=(KernelRelease left, KernelRelease right) => left.CompareTo(right) >= 0;
}
