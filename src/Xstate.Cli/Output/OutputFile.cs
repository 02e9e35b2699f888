using Microsoft.Win32.SafeHandles;
using Xstate.Hypervisors;
using Xstate.Linux;

namespace Xstate.Cli.Output;

/// <summary>
/// One output that appears whole or not at all: written without a name, or under a temporary one, as a file that only its owner may open,
/// and put in place at the end.
/// </summary>
internal sealed class OutputFile : IDisposable
{
    // Writes are large, and what a buffer holds would be written when it is disposed, whether that can still fail or not.
    private const int NoBuffer = 0;

    private readonly string _path;
    private readonly bool _force;
    private readonly OutputMode _mode;
    private readonly FileStream _file;
    private string? _temporary;
    private bool _replaced;

    private OutputFile(string path, bool force, OutputMode mode, FileStream file, string? temporary)
    {
        _path = path;
        _force = force;
        _mode = mode;
        _file = file;
        _temporary = temporary;
        Stream = new GuardedStream(file, IsStandardOutput ? "standard output" : path);
    }

    /// <summary>What is written; can seek and be read again.</summary>
    public GuardedStream Stream { get; }

    /// <summary>Whether it has its name, though something may still have failed after that.</summary>
    public bool IsInPlace { get; private set; }

    private bool IsStandardOutput => _path == AtomicFile.StandardOutput;

    /// <summary>Opens an output. The caller has asked <see cref="AtomicFile.Refuse"/> whether it may.</summary>
    public static OutputFile Create(string path, bool force, OutputMode mode)
    {
        string directory = path == AtomicFile.StandardOutput ? Path.GetTempPath() : Path.GetDirectoryName(Path.GetFullPath(path))!;
        if (OperatingSystem.IsLinux() && UnnamedFile.TryCreate(directory) is { } unnamed)
        {
            return new OutputFile(path, force, mode, new FileStream(unnamed, FileAccess.ReadWrite, NoBuffer), null);
        }

        string temporary = Temporaries.NameIn(directory);
        FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, BufferSize = NoBuffer };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = OutputMode.OwnerOnly;
        }

        FileStream? file = null;
        try
        {
            Temporaries.Make(temporary, () => file = new FileStream(temporary, options));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new OutputException(path, error);
        }

        return new OutputFile(path, force, mode, file!, temporary);
    }

    /// <summary>Sees the bytes on the disk: after this, little can fail any more.</summary>
    public void Complete()
    {
        Stream.Flush();
        try
        {
            Synchronize(_file);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or LinuxException)
        {
            throw new OutputException(_path, error);
        }
    }

    /// <summary>Sees a file on its disk.</summary>
    public static void Synchronize(FileStream file)
    {
        file.Flush(flushToDisk: !OperatingSystem.IsLinux());
        if (OperatingSystem.IsLinux())
        {
            UnnamedFile.Synchronize(file.SafeFileHandle);
        }
    }

    /// <summary>Puts the output in place.</summary>
    /// <exception cref="UsageException">Something has that name meanwhile.</exception>
    /// <exception cref="OutputException">It could not be put there; nothing was.</exception>
    public void Commit()
    {
        if (IsStandardOutput)
        {
            _file.Position = 0;
            Session.Current.Flush();
            _file.CopyTo(Session.Current.Output);
            return;
        }

        try
        {
            Put();
        }
        catch (LinuxException error) when (error.Errno == Errno.EEXIST)
        {
            AtomicFile.Refuse(_path, force: false);
            throw new OutputException(_path, error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or LinuxException)
        {
            throw new OutputException(_path, error);
        }
    }

    /// <summary>
    /// Takes an output that has just been put in place away again, unless it replaced another file, which cannot come back. What cannot be
    /// taken away stays one of <see cref="Session.Written"/>.
    /// </summary>
    public void TakeBack()
    {
        if (_replaced || IsStandardOutput)
        {
            return;
        }

        try
        {
            File.Delete(_path);
            Session.Current.Written.Remove(_path);
            IsInPlace = false;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // What made it necessary is told.
        }
    }

    public void Dispose()
    {
        _file.Dispose();
        if (_temporary is { } name)
        {
            try
            {
                Temporaries.Delete(name);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // The output has failed already, and that is told; what cannot be deleted is its owner's alone.
            }
        }
    }

    private void Put()
    {
        FileStatus? replaced = _force && OperatingSystem.IsLinux() ? FileStatus.Of(_path, followLinks: false) : null;
        bool replaces = replaced is not null || (_force && !OperatingSystem.IsLinux() && File.Exists(_path));
        _replaced = replaces;
        if (!replaces)
        {
            SetMode(_mode.OfNewFile());
        }

        if (_temporary is null && OperatingSystem.IsLinux())
        {
            if (!replaces)
            {
                UnnamedFile.Link(_file.SafeFileHandle, _path);
                SetInPlace();
                return;
            }

            // A link cannot replace: for a moment the complete file has a temporary name.
            string name = Temporaries.NameIn(Path.GetDirectoryName(Path.GetFullPath(_path))!);
            SafeFileHandle handle = _file.SafeFileHandle;
            Temporaries.Make(name, Link);
            _temporary = name;

            void Link()
            {
                if (OperatingSystem.IsLinux())
                {
                    UnnamedFile.Link(handle, name);
                }
            }
        }

        UnixFileMode? kept = replaced is { Kind: FileKind.Regular } && _mode.KeepsExisting ? TakeFrom(replaced) : null;
        Temporaries.Rename(_temporary!, _path, _force);
        _temporary = null;
        SetInPlace();
        if (replaces)
        {
            SetMode(kept ?? _mode.OfNewFile());
        }
    }

    // Before anything else can fail: what is in place is told with the failure.
    private void SetInPlace()
    {
        IsInPlace = true;
        Session.Current.Written.Add(_path);
    }

    private UnixFileMode? TakeFrom(FileStatus replaced)
    {
        const UnixFileMode group = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute;
        const UnixFileMode permissions = (UnixFileMode)0x1FF;
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        // What belonged to another group is not opened to this process's one.
        bool owned = UnnamedFile.TakeOwnerAndLabel(_file.SafeFileHandle, _path, replaced)
            || FileStatus.Of(_file.SafeFileHandle)?.Group == replaced.Group;
        return replaced.Mode & (owned ? permissions : permissions & ~group);
    }

    private void SetMode(UnixFileMode mode)
    {
        if (!OperatingSystem.IsWindows() && mode != OutputMode.OwnerOnly)
        {
            File.SetUnixFileMode(_file.SafeFileHandle, mode);
        }
    }
}
