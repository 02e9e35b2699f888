namespace Xstate.Artifacts;

/// <summary>Ways in which artifacts are found compressed.</summary>
public enum Compression
{
    /// <summary>gzip (RFC 1952), decompressed by the library itself.</summary>
    Gzip,

    /// <summary>bzip2.</summary>
    Bzip2,

    /// <summary>The .xz container of LZMA2.</summary>
    Xz,

    /// <summary>lzop, the LZO container that libvirt can be told to save with.</summary>
    Lzop,

    /// <summary>Zstandard (RFC 8878).</summary>
    Zstd,

    /// <summary>The frame format of LZ4.</summary>
    Lz4,
}

/// <summary>Opens the content of a compressed stream.</summary>
/// <param name="compression">How it is compressed.</param>
/// <param name="compressed">The compressed bytes, from the current position on; stays open.</param>
/// <returns>The content, or null when this kind cannot be decompressed here.</returns>
public delegate Stream? Decompressor(Compression compression, Stream compressed);
