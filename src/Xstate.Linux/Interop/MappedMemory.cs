using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Xstate.Hypervisors;

namespace Xstate.Linux.Interop;

/// <summary>One mapping of memory, unmapped when released.</summary>
[SupportedOSPlatform("linux")]
internal sealed class MappedMemory : SafeHandle
{
    private readonly int _length;

    private MappedMemory(nint address, int length)
        : base(-1, ownsHandle: true)
    {
        _length = length;
        SetHandle(address);
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == -1;

    /// <summary>Maps a file's first bytes, shared with the kernel.</summary>
    internal static MappedMemory OfFile(SafeHandle file, int length, string request) =>
        Checked(LibC.mmap(0, (nuint)length, LibC.PROT_READ | LibC.PROT_WRITE, LibC.MAP_SHARED, file, 0), length, request);

    /// <summary>Maps zeroed pages.</summary>
    internal static MappedMemory Anonymous(int length, string request) =>
        Checked(LibC.mmap(0, (nuint)length, LibC.PROT_READ | LibC.PROT_WRITE, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS, -1, 0), length,
            request);

    /// <summary>Where it lies in this process: for the kernel, not for reading.</summary>
    internal ulong Address
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, this);
            return (ulong)handle;
        }
    }

    /// <summary>The bytes. The caller keeps this object alive while it uses them.</summary>
    internal unsafe Span<byte> Bytes
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, this);
            return new Span<byte>((void*)handle, _length);
        }
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => LibC.munmap(handle, (nuint)_length) == 0;

    private static MappedMemory Checked(nint address, int length, string request)
    {
        return address == -1 ? throw new LinuxException(request, (Errno)Marshal.GetLastPInvokeError()) : new MappedMemory(address, length);
    }
}
