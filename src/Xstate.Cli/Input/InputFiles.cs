using Xstate.Linux;

namespace Xstate.Cli.Input;

/// <summary>The files that a run has opened for reading, so that no output replaces one of them.</summary>
internal sealed class InputFiles
{
    private readonly List<(string Path, FileStatus? Status)> _files = [];

    /// <summary>Notes a file.</summary>
    public void Add(string path)
    {
        if (path != "-")
        {
            _files.Add((Path.GetFullPath(path), StatusOf(path)));
        }
    }

    /// <summary>Whether an output would be one of them, by whatever name.</summary>
    public bool Contains(string path)
    {
        string full = Path.GetFullPath(path);
        FileStatus? status = StatusOf(path);
        return _files.Exists(file => file.Path == full || (status is not null && file.Status?.IsSameFile(status) == true));
    }

    private static FileStatus? StatusOf(string path) => OperatingSystem.IsLinux() ? FileStatus.Of(path, followLinks: true) : null;
}
