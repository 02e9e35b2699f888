using K4os.Compression.LZ4.Streams;
using SharpCompress.Compressors;
using SharpCompress.Compressors.BZip2;
using Xstate.Artifacts;
using ZstdSharp;

namespace Xstate.Cli.Input;

/// <summary>
/// Decompresses what the library, which has no dependencies, cannot. All of it happens in this process but lzop, for which there is no
/// package.
/// </summary>
internal static class ContentDecompressor
{
    /// <summary>The content of a compressed stream, which can seek and stays open; null for a kind that is not known here.</summary>
    /// <exception cref="IOException">It needs a program that is not installed.</exception>
    public static Stream? Open(Compression compression, Stream compressed) => compression switch
    {
        Compression.Bzip2 => new CheckedContent(
            () => BZip2Stream.Create(compressed, CompressionMode.Decompress, decompressConcatenated: true, leaveOpen: true)),
        Compression.Xz => new CheckedContent(() => new XzContent(compressed)),
        Compression.Zstd => new CheckedContent(() => new DecompressionStream(compressed, 0, checkEndOfStream: true, leaveOpen: true)),
        Compression.Lz4 => new CheckedContent(() => LZ4Stream.Decode(compressed, extraMemory: 0, leaveOpen: true)),
        Compression.Lzop => ProgramOutput.Start("lzop", compressed),
        _ => null,
    };
}
