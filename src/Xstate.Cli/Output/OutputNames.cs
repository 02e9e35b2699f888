using Xstate.Cli.Input;

namespace Xstate.Cli.Output;

/// <summary>The output of each FILE: what <c>-o</c> names, or a file in the directory that it names.</summary>
internal static class OutputNames
{
    private static readonly string[] Compressed = [".gz", ".zst", ".xz", ".bz2", ".lz4", ".lzo"];

    /// <summary>Which output each FILE has. The directory is made where it is missing and its name ends like one.</summary>
    /// <param name="files">The FILEs.</param>
    /// <param name="output">What <c>-o</c> names.</param>
    /// <param name="name">The name of a FILE's output in a directory.</param>
    /// <exception cref="UsageException">Two FILEs would have one output, or there are several and no directory.</exception>
    public static Func<string, string> For(IReadOnlyList<string> files, string output, Func<string, string> name)
    {
        bool isFolder = Path.EndsInDirectorySeparator(output) || (files.Count > 1 && Directory.Exists(output));
        if (!isFolder)
        {
            return files.Count <= 1 ? _ => output
                : throw new UsageException($"for several FILEs -o names a directory, such as {output}{Path.DirectorySeparatorChar}");
        }

        Dictionary<string, string> outputs = [];
        Dictionary<string, string> takenBy = [];
        foreach (string file in files)
        {
            if (file == "-" || LiveArgument.Find(file) is not null)
            {
                throw new UsageException($"{file} has no name that a file in {output} could have; name its output with -o FILE");
            }

            string path = Path.Combine(output, name(Path.GetFileName(Path.TrimEndingDirectorySeparator(file))));
            if (!takenBy.TryAdd(path, file) && takenBy[path] != file)
            {
                throw new UsageException($"{takenBy[path]} and {file} would both be written to {path}; give them one by one");
            }

            outputs[file] = path;
        }

        try
        {
            Directory.CreateDirectory(output);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new OutputException(output, error);
        }

        return file => outputs[file];
    }

    /// <summary>A file's name without the ending of a compression: what is written is not compressed.</summary>
    public static string Uncompressed(string name)
    {
        string ending = Path.GetExtension(name);
        return Compressed.Contains(ending, StringComparer.OrdinalIgnoreCase) && ending.Length < name.Length ? name[..^ending.Length] : name;
    }
}
