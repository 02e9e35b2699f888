using System.Globalization;

namespace Xstate.Fleet;

/// <summary>One of several runs that share the captures and the VM records of a fleet.</summary>
/// <param name="Index">Its number, from 0.</param>
/// <param name="Count">How many there are.</param>
internal readonly record struct PoolShard(int Index, int Count)
{
    /// <summary>Shards at most.</summary>
    public const int MaxCount = 10_000;

    /// <summary>The one run that takes all.</summary>
    public static PoolShard Whole { get; } = new(0, 1);

    /// <summary>Whether an input is its share: capture number N, or line number N of a file of records.</summary>
    public bool Takes(long number) => number % Count == Index;

    /// <summary>Reads <c>3/64</c>: the fourth of 64.</summary>
    public static bool TryParse(string text, out PoolShard shard)
    {
        ArgumentNullException.ThrowIfNull(text);
        shard = Whole;
        if (text.Split('/') is not [string index, string count]
            || !int.TryParse(index, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            || !int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out int all)
            || all is < 1 or > MaxCount || number >= all)
        {
            return false;
        }

        shard = new PoolShard(number, all);
        return true;
    }

    /// <summary><c>3/64</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Index}/{Count}");
}
