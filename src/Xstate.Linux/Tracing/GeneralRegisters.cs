using System.Buffers.Binary;

namespace Xstate.Linux.Tracing;

/// <summary>struct user_regs_struct of x86-64, carried as bytes: the registers that the tracer of a child needs.</summary>
internal sealed class GeneralRegisters(byte[] bytes)
{
    public byte[] Bytes { get; } = bytes;

    public ulong Rax { get => Read(10); set => Write(10, value); }

    public ulong Rcx { get => Read(11); set => Write(11, value); }

    public ulong Rdx { get => Read(12); set => Write(12, value); }

    public ulong Rsi { get => Read(13); set => Write(13, value); }

    public ulong Rdi { get => Read(14); set => Write(14, value); }

    public ulong R10 { get => Read(7); set => Write(7, value); }

    /// <summary>The system call that the thread is in, or -1: then the kernel restarts none.</summary>
    public ulong OriginalRax { get => Read(15); set => Write(15, value); }

    public ulong Rip { get => Read(16); set => Write(16, value); }

    public ulong Rsp { get => Read(19); set => Write(19, value); }

    private ulong Read(int index) => BinaryPrimitives.ReadUInt64LittleEndian(Bytes.AsSpan(index * sizeof(ulong)));

    private void Write(int index, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(Bytes.AsSpan(index * sizeof(ulong)), value);
}
