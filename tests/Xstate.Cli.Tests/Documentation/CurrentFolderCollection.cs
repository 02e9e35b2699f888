namespace Xstate.Cli.Tests.Documentation;

/// <summary>Tests that change the process's current folder, which belongs to all of its threads: nothing else runs meanwhile.</summary>
[CollectionDefinition(nameof(CurrentFolderCollection), DisableParallelization = true)]
public sealed class CurrentFolderCollection;
