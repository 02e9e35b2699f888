using Xstate.Hypervisors;

namespace Xstate.Linux;

/// <summary>The kernel refused a request.</summary>
/// <threadsafety>Immutable.</threadsafety>
public class LinuxException : Exception
{
    /// <summary>A refusal of one request.</summary>
    /// <param name="request">The request as the kernel's manual spells it, such as <c>open /dev/kvm</c>.</param>
    /// <param name="errno">The error number.</param>
    /// <param name="why">What the error number does not say, or null.</param>
    public LinuxException(string request, Errno errno, string? why = null)
        : base($"{request}: {errno} ({(int)errno}){(why is null ? "" : $": {why}")}")
    {
        Request = request;
        Errno = errno;
    }

    /// <summary>What was asked.</summary>
    public string Request { get; }

    /// <summary>What the kernel answered.</summary>
    public Errno Errno { get; }
}

/// <summary>
/// KVM refused a request. The bare error number is all that it says; the model in <c>Xstate.Hypervisors.Kvm</c> explains it.
/// </summary>
/// <threadsafety>Immutable.</threadsafety>
public sealed class KvmException : LinuxException
{
    /// <summary>A refusal of one KVM request.</summary>
    public KvmException(string request, Errno errno)
        : base(request, errno)
    {
    }
}
