using System.CommandLine;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kernels;

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

        // The text of /proc/version has commas of its own; what is set by hand comes last and has an equals sign.
        string[] parts = text.Split(',');
        int names = parts.Length;
        while (names > 1 && parts[names - 1].Contains('=', StringComparison.Ordinal))
        {
            names--;
        }

        string name = string.Join(',', parts[..names]);
        if (name.StartsWith(VmmPrefix, StringComparison.Ordinal))
        {
            throw new UsageException($"@{name} is an OpenBSD hypervisor; this verb restores with KVM");
        }

        return KernelNames.TryRead(name, KernelEvidence.None, out KernelBehavior? kernel, out string error)
            ? parts[names..].Aggregate(kernel.Set(KernelDifference.KvmPvmHostCpuid, isPvm), Set)
            : throw new UsageException($"{Quotation.Cut(name)} is not a kernel: {error}");
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

    private static KernelBehavior Set(KernelBehavior kernel, string setting)
    {
        string[] sides = setting.Split('=');
        if (sides is not [var id, "yes" or "no"])
        {
            throw new UsageException($"{Quotation.Cut(setting)} is not ID=yes or ID=no");
        }

        KernelDifference difference = KernelDifference.Find(id)
            ?? throw new UsageException($"there is no behaviour {Quotation.Cut(id)}; xstate rules lists them");
        return kernel.Set(difference, sides[1] == "yes");
    }
}
