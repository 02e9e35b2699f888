using System.Runtime.Versioning;
using Xstate.Linux.Interop;

namespace Xstate.Linux.Kvm;

/// <summary>Zeroed pages of this process that a guest can be given as its memory.</summary>
/// <threadsafety>As its bytes: whoever shares them orders the accesses; a running guest is one more.</threadsafety>
[SupportedOSPlatform("linux")]
public sealed class GuestMemory : IDisposable
{
    private const int PageLength = 4096;
    private readonly MappedMemory _mapping;

    /// <summary>Maps zeroed pages.</summary>
    /// <param name="length">Bytes, a multiple of 4096.</param>
    /// <exception cref="ArgumentOutOfRangeException">Not a positive multiple of 4096.</exception>
    /// <exception cref="LinuxException">The kernel has no memory left.</exception>
    public GuestMemory(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        ArgumentOutOfRangeException.ThrowIfNotEqual(length % PageLength, 0, nameof(length));
        _mapping = MappedMemory.Anonymous(length, "mmap of guest memory");
        Length = length;
    }

    /// <summary>Bytes.</summary>
    public int Length { get; }

    /// <summary>The memory as the guest sees it. Not to be used after <see cref="Dispose"/>.</summary>
    public Span<byte> Bytes => _mapping.Bytes;

    internal ulong Address => _mapping.Address;

    /// <summary>Unmaps the pages.</summary>
    public void Dispose() => _mapping.Dispose();
}
