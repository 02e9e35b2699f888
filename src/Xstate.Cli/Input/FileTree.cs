using System.IO.Enumeration;
using Xstate.Artifacts.Criu;
using Xstate.Cli.Output;
using Xstate.Linux;

namespace Xstate.Cli.Input;

/// <summary>
/// The files that arguments stand for: each one itself, the regular files below a directory, or the files that fit a pattern which the
/// shell left as it is. What stands for nothing stays what it is, so that opening it says what is wrong with it.
/// </summary>
internal static class FileTree
{
    /// <summary>What is said in help.</summary>
    public const string Rules =
        "Of a directory all regular files below it are taken, in the order of their names, without names that begin with a dot, without "
        + "following symbolic links to directories, and without text that is no artifact, such as a README; a directory that criu dump "
        + "wrote is one FILE. A pattern in quotation marks takes *, ? and **.";

    /// <summary>Files at most; beyond that a list was not meant.</summary>
    public const int MaxFiles = 1_000_000;

    private const string AnyDepth = "**";
    private static readonly char[] Wildcards = ['*', '?'];

    /// <summary>The files of some arguments, in their order.</summary>
    /// <param name="arguments">Arguments of the command line.</param>
    /// <param name="isPattern">Whether an argument may be a pattern; names out of a list are names.</param>
    /// <exception cref="UsageException">There are too many.</exception>
    public static List<string> Expand(IEnumerable<string> arguments, bool isPattern = true)
    {
        List<string> files = [];
        foreach (string argument in arguments)
        {
            int before = files.Count;
            Session.Current.LeftOut.Named(argument);
            if (Directory.Exists(argument))
            {
                AddBelow(files, argument);
            }
            else if (isPattern && argument.IndexOfAny(Wildcards) >= 0 && !File.Exists(argument))
            {
                AddFitting(files, argument);
            }

            if (files.Count == before)
            {
                Add(files, argument);
            }
        }

        return files;
    }

    private static void Add(List<string> files, string path)
    {
        if (files.Count == MaxFiles)
        {
            throw new UsageException($"there are more than {MaxFiles} files");
        }

        files.Add(path);
    }

    // What cannot be listed is taken as a file, and opening it says why it cannot be read.
    private static void AddBelow(List<string> files, string folder)
    {
        List<string> folders = [];
        string[] entries;
        try
        {
            entries = [.. Directory.EnumerateFileSystemEntries(folder).Where(IsShown).Order(StringComparer.Ordinal)];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            Add(files, folder);
            return;
        }

        if (CriuImages.Recognizes(entries.Select(entry => Path.GetFileName(entry)!)))
        {
            Add(files, folder);
            return;
        }

        foreach (string entry in entries)
        {
            if (!Directory.Exists(entry))
            {
                if (IsRegular(entry))
                {
                    Session.Current.LeftOut.Found(entry);
                    Add(files, entry);
                }
            }
            else if (!IsLink(entry))
            {
                folders.Add(entry);
            }
        }

        foreach (string below in folders)
        {
            AddBelow(files, below);
        }
    }

    private static void AddFitting(List<string> files, string pattern)
    {
        string root = Path.IsPathRooted(pattern) ? Path.GetPathRoot(pattern)! : "";
        string[] segments = pattern[root.Length..].Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries);

        // At the end, ** is all that is below.
        segments = segments[^1] == AnyDepth ? [.. segments, "*"] : segments;
        AddFitting(files, root, segments, expands: !segments.Contains(AnyDepth));
    }

    // A directory that fits is taken with all that is below, unless the pattern goes there by itself.
    private static void AddFitting(List<string> files, string folder, ReadOnlySpan<string> segments, bool expands)
    {
        if (segments is not [string first, .. ReadOnlySpan<string> rest])
        {
            return;
        }

        if (first == AnyDepth)
        {
            AddFitting(files, folder, rest, expands);
        }

        foreach (string entry in Matches(folder, first))
        {
            bool isFolder = Directory.Exists(entry);
            if (first == AnyDepth)
            {
                if (isFolder && !IsLink(entry))
                {
                    AddFitting(files, entry, segments, expands);
                }
            }
            else if (!rest.IsEmpty)
            {
                AddFitting(files, entry, rest, expands);
            }
            else if (isFolder)
            {
                if (expands)
                {
                    AddBelow(files, entry);
                }
            }
            else if (IsRegular(entry))
            {
                Add(files, entry);
            }
        }
    }

    // As in a shell, a wildcard stands for no dot at the beginning of a name.
    private static string[] Matches(string folder, string segment)
    {
        if (segment.IndexOfAny(Wildcards) < 0)
        {
            string path = Path.Combine(folder, segment);
            return Path.Exists(path) ? [path] : [];
        }

        try
        {
            string listed = folder.Length == 0 ? "." : folder;
            return
            [
                .. Directory.EnumerateFileSystemEntries(listed).Select(entry => Path.GetFileName(entry)!)
                    .Where(name => FileSystemName.MatchesSimpleExpression(segment, name, ignoreCase: false)
                        && (segment[0] == '.' || name[0] != '.'))
                    .Order(StringComparer.Ordinal).Select(name => Path.Combine(folder, name)),
            ];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static bool IsShown(string path) => !Path.GetFileName(path).StartsWith('.');

    private static bool IsLink(string path) => new DirectoryInfo(path).LinkTarget is not null;

    // A pipe of such a name would be waited for.
    internal static bool IsRegular(string path) => !OperatingSystem.IsLinux()
        || FileStatus.Of(path, followLinks: true) is { Kind: FileKind.Regular };
}
