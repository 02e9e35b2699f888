namespace Xstate.Tests.Artifacts.Mutations;

/// <summary>The same for every sample of the shared data, the third-party ones among them.</summary>
public class SharedMutationCampaignTests(ITestOutputHelper output)
{
    private const ulong Seed = 0x5EED_0601_0000_0000;
    private const int Count = 100_000;

    [Fact]
    public void Damage_to_a_shared_sample_gives_a_result_or_a_refusal() =>
        MutationCampaignTests.Run(MutationSamples.Shared(), Seed, Count, output);
}
