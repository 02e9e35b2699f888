using Xstate.Artifacts;

namespace Xstate.Cli.Input;

/// <summary>
/// Files that a directory has beside artifacts, such as a README: nobody named them, and they are text that no format begins like. They
/// are left out and counted, where a file that was named, or a damaged artifact, is an error.
/// </summary>
internal sealed class LeftOutFiles
{
    private readonly HashSet<string> _found = [];
    private readonly HashSet<string> _named = [];
    private readonly HashSet<string> _left = [];

    /// <summary>What has to be said at the end of the run; null for nothing.</summary>
    public string? Remark => _left.Count switch
    {
        0 => null,
        1 => $"{_left.First()} is left out: it is text and no artifact",
        int count => $"{count} files in directories are left out: they are text and no artifacts ({_left.Min(StringComparer.Ordinal)}, …); "
            + "one that is named is read",
    };

    /// <summary>Notes a file that was found in a directory.</summary>
    public void Found(string path) => _found.Add(path);

    /// <summary>Notes a file that was named.</summary>
    public void Named(string path) => _named.Add(path);

    /// <summary>Leaves a file out if what is wrong with it is only that it is something else.</summary>
    public bool Takes(string path, Exception error)
    {
        bool takes = error is MalformedArtifactException { IsOtherText: true } && _found.Contains(path) && !_named.Contains(path);
        if (takes)
        {
            _left.Add(path);
        }

        return takes;
    }
}
