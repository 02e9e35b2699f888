
namespace Xstate.Hypervisors.Linux;

/// <summary>
/// The extended state of a stopped thread as a debugger moves it: the same operations on the model and through ptrace. Calls never throw
/// for what a kernel refuses.
/// </summary>
internal interface IThreadRegsets
{
    /// <summary>PTRACE_GETREGSET with NT_X86_XSTATE; <paramref name="image"/> is empty when refused.</summary>
    KernelReply GetXstate(out byte[] image);

    /// <summary>PTRACE_SETREGSET with NT_X86_XSTATE.</summary>
    KernelReply SetXstate(ReadOnlySpan<byte> image);

    /// <summary>PTRACE_GETREGSET with NT_PRFPREG: the FXSAVE image.</summary>
    KernelReply GetFpregs(out byte[] image);

    /// <summary>PTRACE_SETREGSET with NT_PRFPREG.</summary>
    KernelReply SetFpregs(ReadOnlySpan<byte> image);

    /// <summary>
    /// PTRACE_GETREGSET with NT_X86_SHSTK (Linux 6.6): the shadow-stack pointer. A thread without a shadow stack, and a kernel without
    /// them, answers ENODEV.
    /// </summary>
    KernelReply GetShadowStack(out ulong pointer)
    {
        pointer = 0;
        return new KernelReply(Errno.ENODEV);
    }

    /// <summary>PTRACE_SETREGSET with NT_X86_SHSTK.</summary>
    KernelReply SetShadowStack(ulong pointer) => new(Errno.ENODEV);
}
