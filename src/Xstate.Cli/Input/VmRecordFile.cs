using Xstate.Cli.Input.Parquet;

namespace Xstate.Cli.Input;

/// <summary>Opens a file of VM records: JSON Lines, or Parquet by its first bytes.</summary>
internal static class VmRecordFile
{
    private const int MagicLength = 4;

    /// <summary>The records as JSON Lines.</summary>
    /// <exception cref="IOException">It is Parquet, and cannot seek.</exception>
    public static Stream Open(string file)
    {
        Stream stream = ArtifactInput.OpenStream(file);
        try
        {
            byte[] start = new byte[MagicLength];
            int length = stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
            bool isParquet = ParquetLines.IsAt(start.AsSpan(0, length));
            if (!stream.CanSeek)
            {
                return isParquet ? throw new IOException("Parquet is read from a file only: what it consists of stands at its end")
                    : new PrefixedStream(start.AsMemory(0, length), stream);
            }

            stream.Position = 0;
            return isParquet ? new ParquetLines(stream) : stream;
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }
}
