using System.Text;
using Xstate.Linux;

namespace Xstate.Cli.Output;

/// <summary>
/// A folder of outputs that appears whole or not at all: written under a temporary name beside its own, and renamed at the end. A list of
/// its files lies in it, so that only what was written here is ever replaced.
/// </summary>
internal static class OutputFolder
{
    /// <summary>The list of the files of a folder that was written here.</summary>
    public const string ListName = ".xstate-files";

    private const int MaxList = 1 << 20;
    private const UnixFileMode Readers = UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    /// <summary>Throws when the folder may not be written to.</summary>
    /// <param name="path">Its name on the command line.</param>
    /// <param name="force">Whether one that was written here may be replaced.</param>
    public static void Refuse(string path, bool force)
    {
        if (path == AtomicFile.StandardOutput)
        {
            throw new UsageException("-o names a folder here; standard output cannot be one");
        }

        if (new DirectoryInfo(Path.TrimEndingDirectorySeparator(path)).LinkTarget is not null)
        {
            throw new UsageException($"{path} is a symbolic link; name the folder itself");
        }

        if (File.Exists(path))
        {
            throw new UsageException($"{path} is a file; -o names a folder");
        }

        if (!Directory.Exists(path) || IsEmpty(path))
        {
            return;
        }

        if (Foreign(path) is { } foreign)
        {
            throw new UsageException($"{path} holds {Escaped(foreign)}, which xstate did not write; name an empty or a new folder");
        }

        if (!force)
        {
            throw new UsageException($"{path} exists; --force replaces it");
        }
    }

    /// <summary>Writes a folder. The caller has asked <see cref="Refuse"/> whether it may.</summary>
    /// <param name="path">Its name on the command line.</param>
    /// <param name="files">Paths in it with slashes, and what is in each.</param>
    /// <exception cref="OutputException">It cannot be written; then it is as it was.</exception>
    public static void Write(string path, IReadOnlyCollection<(string Path, byte[] Bytes)> files)
    {
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        string parent = Path.GetDirectoryName(full) ?? throw new UsageException($"{path} is no folder that can be replaced");
        string temporary = Temporaries.NameIn(parent);
        string aside = Temporaries.NameIn(parent);
        try
        {
            Temporaries.Make(temporary, () => CreatePrivate(temporary));
            string list = string.Concat(files.Select(file => file.Path).Order(StringComparer.Ordinal).Select(name => $"{name}\n"));
            foreach ((string name, byte[] bytes) in files.Append((ListName, Encoding.UTF8.GetBytes(list))))
            {
                string file = Path.Combine(temporary, name);
                Temporaries.Do(() => WriteFile(file, bytes));
            }

            Open(temporary);

            Temporaries.RenameFolder(temporary, full, Directory.Exists(full) ? aside : null);
            Session.Current.Written.Add(path);
            Temporaries.Delete(aside);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or LinuxException)
        {
            throw new OutputException(path, error);
        }
        finally
        {
            TryDelete(temporary);
        }
    }

    private static void CreatePrivate(string folder)
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(folder);
        }
        else
        {
            Directory.CreateDirectory(folder, OutputMode.OwnerOnly | UnixFileMode.UserExecute);
        }
    }

    // As open as the umask leaves a new folder; nobody else looks into an unfinished one.
    private static void Open(string folder)
    {
        if (!OperatingSystem.IsWindows())
        {
            UnixFileMode files = OutputMode.Public.OfNewFile();
            File.SetUnixFileMode(folder, files | (UnixFileMode)((int)(files & Readers) >> 2));
        }
    }

    private static void WriteFile(string path, byte[] bytes)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using FileStream file = new(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0);
        file.Write(bytes);
        OutputFile.Synchronize(file);
    }

    private static bool IsEmpty(string path) => !Directory.EnumerateFileSystemEntries(path).Any();

    // The first thing in a folder that is not of its own list; the whole folder where there is no list.
    private static string? Foreign(string path)
    {
        FileInfo list = new(Path.Combine(path, ListName));
        HashSet<string> own = new(StringComparer.Ordinal) { ListName };
        if (list.Exists && list.LinkTarget is null && list.Length <= MaxList)
        {
            own.UnionWith(File.ReadAllLines(list.FullName));
        }

        EnumerationOptions everything = new() { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.None };
        return Directory.EnumerateFileSystemEntries(path, "*", everything)
            .Where(entry => !Directory.Exists(entry) || new DirectoryInfo(entry).LinkTarget is not null)
            .Select(entry => Path.GetRelativePath(path, entry).Replace(Path.DirectorySeparatorChar, '/'))
            .Where(name => !own.Contains(name)).Order(StringComparer.Ordinal).FirstOrDefault();
    }

    private static string Escaped(string name) => TerminalWriter.Escape(name);

    private static void TryDelete(string temporary)
    {
        try
        {
            Temporaries.Delete(temporary);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The output has failed already, and that is told.
        }
    }
}
