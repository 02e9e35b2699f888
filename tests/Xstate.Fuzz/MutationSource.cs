using Xstate.Tests.Artifacts.Mutations;

namespace Xstate.Fuzz;

/// <summary>Damaged files, as many of each format, and of each format the small ones more often.</summary>
internal sealed class MutationSource(IEnumerable<MutationSample> samples)
{
    private readonly MutationSample[][] _formats = [.. samples.GroupBy(sample => sample.Group)
        .OrderBy(group => group.Key, StringComparer.Ordinal).Select(group => group.ToArray())];

    /// <summary>The next one.</summary>
    public (MutationSample Sample, byte[] File) Next(ref SplitMix64 random)
    {
        MutationSample sample = Choose(ref random, _formats[random.Below(_formats.Length)]);
        byte[] donor = random.OneIn(2) ? sample.Bytes : Choose(ref random, _formats[random.Below(_formats.Length)]).Bytes;
        byte[]? edited = sample.Bytes is [(byte)'{' or (byte)'[', ..] && !random.OneIn(3)
            ? JsonEdits.Apply(ref random, sample.Bytes) : null;
        byte[] file = edited ?? (random.OneIn(20) ? sample.Bytes : Mutator.Mutate(ref random, sample.Bytes, donor));
        if (edited is null && random.OneIn(4))
        {
            file = Mutator.Mutate(ref random, file, sample.Bytes);
        }

        return (sample, sample.Mend is { } mend && !random.OneIn(4) ? mend([.. file]) : file);
    }

    private static MutationSample Choose(ref SplitMix64 random, MutationSample[] group)
    {
        int at = random.Below(group.Sum(sample => sample.Weight));
        int i = 0;
        while ((at -= group[i].Weight) >= 0)
        {
            i++;
        }

        return group[i];
    }
}
