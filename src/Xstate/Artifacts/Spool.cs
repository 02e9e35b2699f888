namespace Xstate.Artifacts;

/// <summary>Copies a stream that cannot seek to where it can: to memory, and beyond a limit to a temporary file.</summary>
internal static class Spool
{
    private const int ChunkLength = 1 << 16;

    /// <summary>
    /// Whether a stream has to be copied: it cannot seek, or it has no length that it tells (files of /proc and /sys say 0, devices too).
    /// </summary>
    public static bool IsNeeded(Stream stream) => !stream.CanSeek || stream.Length == 0;

    /// <summary>Everything from the stream's position to its end, positioned at its beginning. Disposing it frees the file.</summary>
    /// <exception cref="MalformedArtifactException">There is more than <see cref="ArtifactLimits.MaxSpooled"/>.</exception>
    public static Stream Copy(Stream stream, ArtifactLimits limits)
    {
        Stream spool = new MemoryStream();

        // Generated files are small, and a device such as /dev/zero never ends.
        long most = stream.CanSeek ? limits.MaxWholeFile : limits.MaxSpooled;
        try
        {
            byte[] chunk = new byte[ChunkLength];
            int read;
            while ((read = stream.Read(chunk)) > 0)
            {
                if (spool.Length + read > most)
                {
                    throw new MalformedArtifactException("artifact", most, "more",
                        $"at most {most} bytes of {(stream.CanSeek ? "a file that tells no length" : "a compressed file or a pipe")}");
                }

                if (spool is MemoryStream && spool.Length + read > limits.MaxWholeFile)
                {
                    spool = ToFile(spool);
                }

                Write(spool, chunk.AsSpan(0, read));
            }

            spool.Position = 0;
            return spool;
        }
        catch
        {
            spool.Dispose();
            throw;
        }
    }

    // It holds a guest's memory: only its owner may open it, and nobody once its name is gone, whatever ends the process.
    private static FileStream ToFile(Stream memory)
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, BufferSize = 0 };
        FileStream file;
        if (OperatingSystem.IsWindows())
        {
            options.Options = FileOptions.DeleteOnClose;
            file = new FileStream(path, options);
        }
        else
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            file = new FileStream(path, options);
            File.Delete(path);
        }

        memory.Position = 0;
        byte[] chunk = new byte[ChunkLength];
        int read;
        while ((read = memory.Read(chunk)) > 0)
        {
            Write(file, chunk.AsSpan(0, read));
        }

        memory.Dispose();
        return file;
    }

    private static void Write(Stream spool, ReadOnlySpan<byte> bytes)
    {
        try
        {
            spool.Write(bytes);
        }
        catch (IOException error) when (spool is FileStream)
        {
            throw new IOException(
                $"{Path.GetTempPath()} cannot take what a compressed file or a pipe holds ({error.Message}); TMPDIR chooses another "
                + "directory", error);
        }
    }
}
