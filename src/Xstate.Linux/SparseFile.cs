using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;
using Xstate.Artifacts;
using Xstate.Linux.Interop;

namespace Xstate.Linux;

/// <summary>Where a file has bytes on its disk, as its file system tells (lseek with SEEK_DATA and SEEK_HOLE, Linux 3.1).</summary>
[SupportedOSPlatform("linux")]
internal static class SparseFile
{
    private const int NoSuchDevice = 6;

    /// <summary>
    /// The stored ranges of an open file. A file system without holes says that everything is stored; a file that is no regular one is
    /// taken for that.
    /// </summary>
    public static StoredRanges StoredRangesOf(SafeFileHandle file)
    {
        ArgumentNullException.ThrowIfNull(file);
        return from => Next(file, from);
    }

    private static StoredRange? Next(SafeFileHandle file, long from)
    {
        nint data = LibC.lseek(file, (nint)from, LibC.SEEK_DATA);
        if (data < 0)
        {
            // ENXIO: only a hole is left, or nothing. Any other error: nobody knows of holes here.
            return Marshal.GetLastPInvokeError() == NoSuchDevice ? null : new StoredRange(from, long.MaxValue);
        }

        nint hole = LibC.lseek(file, data, LibC.SEEK_HOLE);
        return new StoredRange(data, hole < 0 ? long.MaxValue : hole);
    }
}
