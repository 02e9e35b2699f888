using Xstate.Artifacts;
using Xstate.Artifacts.ElfCore;
using Xstate.Artifacts.UndoFile;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts.Mutations;

/// <summary>
/// Damaged files of every format, in everything that the verbs do: a result or a refusal with its place, in bounded memory and time. A
/// scale of 10 makes it two million.
/// </summary>
public class MutationCampaignTests(ITestOutputHelper output)
{
    private const ulong Seed = 0x5EED_0600_0000_0000;
    private const int CountOfOwn = 100_000;
    private const int CountOfRepairs = 8_000;

    [Fact]
    public void Damage_to_our_own_samples_gives_a_result_or_a_refusal()
    {
        MutationSample[] samples = MutationSamples.Own();
        Assert.Equal(
            Artifact.Formats.Select(format => format.Name).Append(UndoFileReader.Format).Order(StringComparer.Ordinal),
            samples.Select(sample => sample.Group).Distinct().Where(group => group != "none").Order(StringComparer.Ordinal));
        MutationCampaign campaign = Run(samples, Seed, CountOfOwn);
        Assert.All(
            campaign.Tallies.Where(pair => pair.Key is not ("none" or UndoFileReader.Format)),
            pair => Assert.True(pair.Value.OpenedFiles > pair.Value.Mutations / 50 && pair.Value.RefusedFiles > pair.Value.Mutations / 50,
                $"{pair.Key}: {pair.Value}"));
    }

    [Fact]
    public void Damage_to_a_damaged_core_gives_a_result_or_a_refusal_and_what_is_mended_reads_back()
    {
        MutationCampaign campaign = Run([.. MutationSamples.DamagedCores()], Seed + 0x2_0000_0000, CountOfRepairs);
        MutationTally cores = campaign.Tallies[ElfCoreReader.Format];
        Assert.True(cores.Mended > cores.Mutations / 5, $"{cores.Mended} mended");
    }

    [Theory]
    [InlineData("crash", "IndexOutOfRangeException")]
    [InlineData("allocation", "bytes for")]
    [InlineData("slow", "s on a processor")]
    [InlineData("hang", "no end after")]
    public void A_defect_is_found(string kind, string expected)
    {
        bool ended = false;
        int count = 0;
        MutationCampaign campaign = new([.. MutationSamples.DamagedCores()], Seed)
        {
            Open = (stream, options) =>
            {
                if (++count == 20)
                {
                    Break(kind, stream.Length, () => Volatile.Read(ref ended));
                }

                return Artifact.Open(stream, options);
            },
        };
        campaign.Run(50);
        Volatile.Write(ref ended, true);
        output.WriteLine(Assert.Single(campaign.Defects));
        Assert.Contains(expected, campaign.Defects[0], StringComparison.Ordinal);
        Assert.Contains("mutation 19 of", campaign.Defects[0], StringComparison.Ordinal);
    }

    private static void Break(string kind, long length, Func<bool> ended)
    {
        switch (kind)
        {
            case "crash":
                byte[] one = [1];
                GC.KeepAlive(one[length]);
                break;
            case "allocation":
                GC.KeepAlive(new byte[(3 << 20) + (64 * length)]);
                break;
            default:
                // Long enough to be too long, and short enough not to be taken for endless; or until the test is over.
                using (ThreadClock clock = ThreadClock.OfThisThread())
                {
                    TimeSpan end = clock.Elapsed + (MutationCampaign.Limit * 1.05);
                    while (kind == "slow" ? clock.Elapsed < end : !ended())
                    {
                        Thread.SpinWait(1000);
                    }
                }

                break;
        }
    }

    private MutationCampaign Run(MutationSample[] samples, ulong seed, int defaultCount) => Run(samples, seed, defaultCount, output);

    internal static MutationCampaign Run(MutationSample[] samples, ulong seed, int defaultCount, ITestOutputHelper output)
    {
        int count = (int)(defaultCount * Repository.Scale);
        MutationCampaign campaign = new(samples, seed);
        campaign.Run(count);
        output.WriteLine(campaign.Report());
        Assert.True(campaign.Defects.Count == 0, string.Join("\n\n", campaign.Defects));
        Assert.Equal(count, campaign.Tallies.Values.Sum(tally => tally.Mutations));
        return campaign;
    }
}
