using Xstate.WorldSwitch;

namespace Xstate.Tests.WorldSwitch;

/// <summary>Explores a protocol by name; a cancelled test run cancels it.</summary>
internal static class Exploration
{
    public static ExplorationResult Of(string id, ExplorationOptions options) =>
        Explorer.Explore(SwitchProtocols.Find(id), options, TestContext.Current.CancellationToken);
}
