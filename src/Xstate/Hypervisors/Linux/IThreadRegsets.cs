using Xstate.Hypervisors.Kvm;

namespace Xstate.Hypervisors.Linux;

/// <summary>
/// The extended state of a stopped thread as a debugger moves it: the same operations on the model and through ptrace. Calls never throw
/// for what a kernel refuses.
/// </summary>
public interface IThreadRegsets
{
    /// <summary>PTRACE_GETREGSET with NT_X86_XSTATE; <paramref name="image"/> is empty when refused.</summary>
    KvmReply GetXstate(out byte[] image);

    /// <summary>PTRACE_SETREGSET with NT_X86_XSTATE.</summary>
    KvmReply SetXstate(ReadOnlySpan<byte> image);

    /// <summary>PTRACE_GETREGSET with NT_PRFPREG: the FXSAVE image.</summary>
    KvmReply GetFpregs(out byte[] image);

    /// <summary>PTRACE_SETREGSET with NT_PRFPREG.</summary>
    KvmReply SetFpregs(ReadOnlySpan<byte> image);

    /// <summary>
    /// PTRACE_GETREGSET with NT_X86_SHSTK (Linux 6.6): the shadow-stack pointer. A thread without a shadow stack, and a kernel without
    /// them, answers ENODEV.
    /// </summary>
    KvmReply GetShadowStack(out ulong pointer)
    {
        pointer = 0;
        return new KvmReply(Errno.ENODEV);
    }

    /// <summary>PTRACE_SETREGSET with NT_X86_SHSTK.</summary>
    KvmReply SetShadowStack(ulong pointer) => new(Errno.ENODEV);
}
