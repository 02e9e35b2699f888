namespace Xstate.Linux.Kvm;

/// <summary>struct kvm_regs.</summary>
internal sealed class KvmRegisters : KvmStructure
{
    /// <summary>All zero.</summary>
    public KvmRegisters()
        : base(18 * sizeof(ulong))
    {
    }

    /// <summary>RAX.</summary>
    public ulong Rax { get => ReadUInt64(0); set => WriteUInt64(0, value); }

    /// <summary>RBX.</summary>
    public ulong Rbx { get => ReadUInt64(8); set => WriteUInt64(8, value); }

    /// <summary>RCX.</summary>
    public ulong Rcx { get => ReadUInt64(16); set => WriteUInt64(16, value); }

    /// <summary>RDX.</summary>
    public ulong Rdx { get => ReadUInt64(24); set => WriteUInt64(24, value); }

    /// <summary>RSI.</summary>
    public ulong Rsi { get => ReadUInt64(32); set => WriteUInt64(32, value); }

    /// <summary>RDI.</summary>
    public ulong Rdi { get => ReadUInt64(40); set => WriteUInt64(40, value); }

    /// <summary>RSP.</summary>
    public ulong Rsp { get => ReadUInt64(48); set => WriteUInt64(48, value); }

    /// <summary>RBP.</summary>
    public ulong Rbp { get => ReadUInt64(56); set => WriteUInt64(56, value); }

    /// <summary>RIP.</summary>
    public ulong Rip { get => ReadUInt64(128); set => WriteUInt64(128, value); }

    /// <summary>RFLAGS; bit 1 is always set.</summary>
    public ulong Rflags { get => ReadUInt64(136); set => WriteUInt64(136, value); }
}
