using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Xstate.Linux.Interop;

namespace Xstate.Linux.Kvm;

/// <summary>struct kvm_run, the page that a virtual CPU shares with its VMM.</summary>
[SupportedOSPlatform("linux")]
internal sealed class VcpuRunPage : IDisposable
{
    private const int ImmediateExitOffset = 1;
    private const int ExitReasonOffset = 8;
    private const int ExitUnionOffset = 32;

    private readonly MappedMemory _mapping;

    internal VcpuRunPage(SafeHandle vcpu, int length)
    {
        _mapping = MappedMemory.OfFile(vcpu, length, "mmap of kvm_run");
    }

    public void Dispose() => _mapping.Dispose();

    internal void SetImmediateExit(bool value) => _mapping.Bytes[ImmediateExitOffset] = value ? (byte)1 : (byte)0;

    /// <summary>For KVM_EXIT_IO with the direction in: what the instruction will read.</summary>
    internal void FillPortData(byte value)
    {
        Span<byte> union = _mapping.Bytes[ExitUnionOffset..];
        if (union[0] == 0)
        {
            PortData().Fill(value);
        }
    }

    internal KvmExit ReadExit()
    {
        Span<byte> page = _mapping.Bytes;
        Span<byte> union = page[ExitUnionOffset..];
        KvmExitReason reason = (KvmExitReason)BinaryPrimitives.ReadUInt32LittleEndian(page[ExitReasonOffset..]);
        switch (reason)
        {
            case KvmExitReason.Io:
                // direction, size, port, count, offset of the data from the start of the page.
                return new KvmExit(reason)
                {
                    IsOut = union[0] == 1,
                    Port = BinaryPrimitives.ReadUInt16LittleEndian(union[2..]),
                    Data = PortData().ToArray(),
                };
            case KvmExitReason.InternalError:
                return new KvmExit(reason) { Detail = BinaryPrimitives.ReadUInt32LittleEndian(union) };
            case KvmExitReason.FailEntry:
                return new KvmExit(reason) { Detail = BinaryPrimitives.ReadUInt64LittleEndian(union) };
            default:
                return new KvmExit(reason);
        }
    }

    private Span<byte> PortData()
    {
        Span<byte> page = _mapping.Bytes;
        Span<byte> union = page[ExitUnionOffset..];
        int length = union[1] * BinaryPrimitives.ReadInt32LittleEndian(union[4..]);
        return page.Slice((int)BinaryPrimitives.ReadUInt64LittleEndian(union[8..]), length);
    }
}
