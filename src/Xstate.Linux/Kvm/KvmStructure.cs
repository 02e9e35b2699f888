using System.Buffers.Binary;

namespace Xstate.Linux.Kvm;

/// <summary>A structure of the KVM interface: its bytes as the kernel has them, with named fields over them.</summary>
internal abstract class KvmStructure
{
    private readonly byte[] _bytes;

    private protected KvmStructure(int length)
    {
        _bytes = new byte[length];
    }

    /// <summary>All bytes, fields without a name included.</summary>
    public Span<byte> Bytes => _bytes;

    private protected ulong ReadUInt64(int offset) => BinaryPrimitives.ReadUInt64LittleEndian(_bytes.AsSpan(offset));

    private protected void WriteUInt64(int offset, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(_bytes.AsSpan(offset), value);

    private protected uint ReadUInt32(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(_bytes.AsSpan(offset));

    private protected void WriteUInt32(int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(_bytes.AsSpan(offset), value);


}
