using Xstate.Linux;

namespace Xstate.Cli.Input;

/// <summary>The files that a run has opened for reading, so that no output replaces one of them.</summary>
internal sealed class InputFiles
{
    private readonly HashSet<string> _paths = [];
    private readonly HashSet<(uint Major, uint Minor, ulong Inode)> _files = [];

    /// <summary>Notes a file.</summary>
    public void Add(string path)
    {
        if (path != "-" && _paths.Add(Path.GetFullPath(path)) && StatusOf(path) is { } status)
        {
            _files.Add(status.Identity);
        }
    }

    /// <summary>Whether an output would be one of them, by whatever name.</summary>
    public bool Contains(string path) =>
        _paths.Contains(Path.GetFullPath(path)) || (StatusOf(path) is { } status && _files.Contains(status.Identity));

    private static FileStatus? StatusOf(string path) => OperatingSystem.IsLinux() ? FileStatus.Of(path, followLinks: true) : null;
}
