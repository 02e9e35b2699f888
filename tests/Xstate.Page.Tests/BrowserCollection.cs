namespace Xstate.Page.Tests;

/// <summary>The tests that share the browser.</summary>
[CollectionDefinition(Name)]
public sealed class BrowserCollection : ICollectionFixture<Browser>
{
    /// <summary>The name of the collection.</summary>
    public const string Name = "browser";
}
