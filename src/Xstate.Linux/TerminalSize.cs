using System.Buffers.Binary;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;
using Xstate.Linux.Interop;

namespace Xstate.Linux;

/// <summary>How large the terminal behind a descriptor is. It is asked only; the runtime's own Console would also write to it.</summary>
[SupportedOSPlatform("linux")]
internal static class TerminalSize
{
    // struct winsize: rows, columns, and the same in pixels.
    private const nuint TIOCGWINSZ = 0x5413;
    private const int Length = 8;
    private const int Columns = 2;

    /// <summary>Cells of a line; null where the terminal does not know, and where there is none.</summary>
    public static int? ColumnsOf(int descriptor)
    {
        using SafeFileHandle handle = new(descriptor, ownsHandle: false);
        Span<byte> size = stackalloc byte[Length];
        return LibC.ioctl(handle, TIOCGWINSZ, size) == 0 && BinaryPrimitives.ReadUInt16LittleEndian(size[Columns..]) is > 0 and var columns
            ? columns : null;
    }
}
