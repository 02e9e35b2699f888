using Xstate.Artifacts;
using Xstate.Linux;

namespace Xstate.Cli.Output;

/// <summary>Files that appear whole or not at all.</summary>
internal static class AtomicFile
{
    /// <summary>The name that stands for standard output.</summary>
    public const string StandardOutput = "-";

    /// <summary>Writes an output. Refuses to replace an existing file without force.</summary>
    public static void Write(string path, ReadOnlyMemory<byte> bytes, bool force, OutputMode? mode = null) =>
        Write(path, stream => stream.Write(bytes.Span), force, mode);

    /// <summary>Writes an output, whatever <paramref name="write"/> gives. When it throws, nothing appears.</summary>
    /// <param name="path">The output's name on the command line.</param>
    /// <param name="write">Writes it.</param>
    /// <param name="force">Whether an existing file may be replaced.</param>
    /// <param name="mode">Who may read it; only the owner when it is not said.</param>
    public static void Write(string path, Action<Stream> write, bool force, OutputMode? mode = null)
    {
        Refuse(path, force);
        Replace(path, write, force, mode ?? OutputMode.Private);
    }

    /// <summary>Writes two outputs, of which the second is never there without the first.</summary>
    /// <param name="first">The output that is put in place first.</param>
    /// <param name="second">The other one.</param>
    public static void CommitBoth(OutputFile first, OutputFile second)
    {
        first.Complete();
        second.Complete();
        first.Commit();
        try
        {
            second.Commit();
        }
        catch when (!second.IsInPlace)
        {
            first.TakeBack();
            throw;
        }
    }

    /// <summary>Writes a file that was read before, in place of itself, with its mode, owner and label.</summary>
    public static void ReplaceInput(string path, Action<Stream> write)
    {
        // Through a symbolic link the file itself is meant, which is also what was read.
        string file = File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;
        RefuseKind(file, path);
        Replace(file, write, force: true, OutputMode.Private);
    }

    /// <summary>
    /// Throws when the destination may not be written to: what exists needs force, an input or what is no regular file is never replaced.
    /// </summary>
    public static void Refuse(string path, bool force)
    {
        if (path == StandardOutput)
        {
            TakeStandardOutput();
            return;
        }

        if (Session.Current.Inputs.Contains(path))
        {
            throw new UsageException($"{path} is an input of this command; it is not replaced");
        }

        RefuseKind(path, path);
        if (!force && (File.Exists(path) || new FileInfo(path).LinkTarget is not null))
        {
            throw new UsageException($"{path} exists; --force replaces it");
        }
    }

    /// <summary>Changes bytes of a file where they are, and sees them on the disk.</summary>
    public static void PatchInPlace(string path, IReadOnlyList<ArtifactPatch> patches)
    {
        try
        {
            // Without a buffer: each write is one system call, and none is left for when the file is closed.
            using FileStream file = new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.Read, bufferSize: 0);
            PatchedCopy.InPlace(file, patches);
            OutputFile.Synchronize(file);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or LinuxException)
        {
            throw new OutputException(path, error);
        }
    }

    private static void Replace(string path, Action<Stream> write, bool force, OutputMode mode)
    {
        using OutputFile output = OutputFile.Create(path, force, mode);
        write(output.Stream);
        output.Complete();
        output.Commit();
    }

    private static void TakeStandardOutput()
    {
        if (Session.Current.Streams.IsOutputTerminal)
        {
            throw new UsageException(
                "-o - writes to standard output, which is a terminal; redirect it, or name a file (./- is a file of that name)");
        }

        Session.Current.IsOutputTaken = true;
    }

    // Renaming over a device or a pipe takes it from everybody who uses it.
    private static void RefuseKind(string path, string name)
    {
        FileKind? kind = OperatingSystem.IsLinux() ? FileStatus.Of(path, followLinks: true)?.Kind : Directory.Exists(path)
            ? FileKind.Directory : null;
        string? what = kind switch
        {
            FileKind.Directory => "a directory",
            FileKind.Device => "a device",
            FileKind.Fifo => "a named pipe",
            FileKind.Socket => "a socket",
            _ => null,
        };
        if (what is not null)
        {
            throw new UsageException($"{name} is {what}; only regular files are replaced, and -o - is standard output");
        }
    }
}
