namespace Xstate.Artifacts;

/// <summary>Copies a stream that cannot seek to where it can: to memory, and beyond a limit to a temporary file.</summary>
internal static class Spool
{
    private const int ChunkLength = 1 << 16;

    /// <summary>Everything from the stream's position to its end, positioned at its beginning. Disposing it deletes the file.</summary>
    /// <exception cref="MalformedArtifactException">There is more than <see cref="ArtifactLimits.MaxSpooled"/>.</exception>
    public static Stream Copy(Stream stream, ArtifactLimits limits)
    {
        Stream spool = new MemoryStream();
        try
        {
            byte[] chunk = new byte[ChunkLength];
            int read;
            while ((read = stream.Read(chunk)) > 0)
            {
                if (spool.Length + read > limits.MaxSpooled)
                {
                    throw new MalformedArtifactException("artifact", limits.MaxSpooled, "more", $"at most {limits.MaxSpooled} bytes of a compressed file or a pipe");
                }

                if (spool is MemoryStream && spool.Length + read > limits.MaxWholeFile)
                {
                    spool = ToFile(spool);
                }

                spool.Write(chunk, 0, read);
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

    private static FileStream ToFile(Stream memory)
    {
        FileStream file = new(
            Path.Combine(Path.GetTempPath(), Path.GetRandomFileName()), FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, ChunkLength, FileOptions.DeleteOnClose);
        memory.Position = 0;
        memory.CopyTo(file);
        memory.Dispose();
        return file;
    }
}
