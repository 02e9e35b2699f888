using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Xstate.Linux.Interop;

namespace Xstate.Linux.NativeCode;

/// <summary>Pages below 4 GiB, which 64-bit and 32-bit code can both reach. Unmapped when released.</summary>
[SupportedOSPlatform("linux")]
internal sealed unsafe class LowMemory : SafeHandle
{
    public const int PageLength = 4096;

    public LowMemory(int length)
        : base(-1, ownsHandle: true)
    {
        Length = (length + PageLength - 1) & -PageLength;
        nint address = NativeCodeCalls.mmap(
            0,
            (nuint)Length,
            NativeCodeCalls.ProtRead | NativeCodeCalls.ProtWrite,
            NativeCodeCalls.MapPrivate | NativeCodeCalls.MapAnonymous | NativeCodeCalls.Map32Bit,
            -1,
            0);
        if (address == -1)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError(), $"mmap of {Length} bytes below 4 GiB");
        }

        SetHandle(address);
    }

    public int Length { get; }

    public override bool IsInvalid => handle == -1;

    public byte* Pointer => (byte*)handle;

    public ulong Address => (ulong)handle;

    public Span<byte> Bytes(int offset, int length)
    {
        ObjectDisposedException.ThrowIf(IsClosed, this);
        return new Span<byte>((byte*)handle, Length).Slice(offset, length);
    }

    /// <summary>Makes written code executable and no longer writable.</summary>
    public void MakeExecutable() => Protect(0, Length, NativeCodeCalls.ProtRead | NativeCodeCalls.ProtExec);

    /// <summary>Makes pages executable that stay writable: for code that changes from case to case.</summary>
    public void MakeChangeableCode(int offset, int length) =>
        Protect(offset, length, NativeCodeCalls.ProtRead | NativeCodeCalls.ProtWrite | NativeCodeCalls.ProtExec);

    /// <summary>Makes pages inaccessible.</summary>
    public void Forbid(int offset, int length) => Protect(offset, length, NativeCodeCalls.ProtNone);

    protected override bool ReleaseHandle() => NativeCodeCalls.munmap(handle, (nuint)Length) == 0;

    private void Protect(int offset, int length, int protection)
    {
        if (NativeCodeCalls.mprotect(handle + offset, (nuint)length, protection) != 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError(), $"mprotect of {length} bytes");
        }
    }
}
