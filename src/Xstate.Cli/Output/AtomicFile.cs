using Xstate.Artifacts;

namespace Xstate.Cli.Output;

/// <summary>Files that appear whole or not at all.</summary>
internal static class AtomicFile
{
    /// <summary>Writes beside the destination and renames. Refuses to replace an existing file without force.</summary>
    public static void Write(string path, ReadOnlyMemory<byte> bytes, bool force) => Write(path, stream => stream.Write(bytes.Span), force);

    /// <summary>Writes beside the destination, whatever <paramref name="write"/> gives, and renames. When it throws, nothing appears.</summary>
    public static void Write(string path, Action<Stream> write, bool force)
    {
        Refuse(path, force);
        string directory = Path.GetDirectoryName(Path.GetFullPath(path))!;
        string temporary = Path.Combine(directory, $".{Path.GetFileName(path)}.{Environment.ProcessId}.tmp");
        try
        {
            using (FileStream stream = new(temporary, FileMode.CreateNew, FileAccess.ReadWrite))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: force);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    /// <summary>Throws when the destination exists and may not be replaced.</summary>
    public static void Refuse(string path, bool force)
    {
        if (!force && File.Exists(path))
        {
            throw new UsageException($"{path} exists; --force replaces it");
        }
    }

    /// <summary>Changes bytes of a file where they are, and sees them on the disk.</summary>
    public static void PatchInPlace(string path, IReadOnlyList<ArtifactPatch> patches)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.Read);
        PatchedCopy.InPlace(file, patches);
        file.Flush(flushToDisk: true);
    }
}
