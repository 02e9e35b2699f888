using System.CommandLine;
using Xstate.Hypervisors;

namespace Xstate.Cli.Input;

/// <summary>
/// KERNEL on the command line: a name, or the text of /proc/version, and behind it <c>,ID=yes|no</c> for what is set by hand.
/// </summary>
internal static class KernelArgument
{
    private const string VmmPrefix = "vmm-";
    private const int MaxFileLength = 4_096;

    /// <summary>The option that names a kernel.</summary>
    public static Option<string?> CreateOption() => new("--kernel")
    {
        Description = "The kernel of a HOST that names none: linux-6.12, what uname -r prints, the text of /proc/version or "
            + "/proc/version_signature, or @FILE with one of them; ,ID=yes or ,ID=no behind it sets a behaviour by hand.",
    };

    /// <summary>Reads what stands behind <c>@</c>, or a name given with an option.</summary>
    /// <param name="text">The name, and what is set by hand.</param>
    /// <param name="isPvm">Whether the host's KVM is kvm_pvm.</param>
    public static KernelBehavior Parse(string text, bool isPvm = false)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.StartsWith(VmmPrefix, StringComparison.Ordinal))
        {
            throw new UsageException($"@{text} is an OpenBSD hypervisor; this verb restores with KVM");
        }

        return KernelBehavior.TryParse(text, isPvm, out KernelBehavior? kernel, out string error)
            ? kernel
            : throw new UsageException(error);
    }

    /// <summary>Reads an option's value: a name, a text, or <c>@FILE</c> with one in it.</summary>
    public static KernelBehavior ParseOption(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Parse(text.StartsWith('@') ? ReadFile(text[1..]) : text);
    }

    private static string ReadFile(string path)
    {
        using FileStream file = File.OpenRead(path);
        byte[] bytes = new byte[MaxFileLength];
        int length = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        return length < MaxFileLength
            ? System.Text.Encoding.UTF8.GetString(bytes, 0, length).Trim()
            : throw new UsageException($"{path} is longer than {MaxFileLength - 1} bytes, which no kernel's name is");
    }
}
