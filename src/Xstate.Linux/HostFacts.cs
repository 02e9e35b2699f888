using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.Versioning;
using System.Text.RegularExpressions;

namespace Xstate.Linux;

/// <summary>
/// What this machine tells of its kernel in files: its texts, its distribution, the words of its command line and the parameters of KVM
/// that concern extended state.
/// </summary>
[SupportedOSPlatform("linux")]
internal static partial class HostFacts
{
    private const int MaxText = 1_024;
    private const int MaxParameter = 64;

    // ignore_msrs lets KVM take MSRs that it does not know; the others decide which guests there are.
    private static readonly ImmutableArray<string> Parameters =
    [
        "kvm.ignore_msrs", "kvm.force_emulation_prefix", "kvm_intel.nested", "kvm_intel.ept", "kvm_intel.unrestricted_guest",
            "kvm_intel.tdx",
        "kvm_amd.nested", "kvm_amd.npt", "kvm_amd.sev", "kvm_amd.sev_es", "kvm_amd.sev_snp", "kvm_pvm.force", "kvm_pvm.pvm_native",
    ];

    /// <summary>The first line of a file, or null for none.</summary>
    public static string? Line(string path)
    {
        try
        {
            using StreamReader file = new(path);
            string? line = file.ReadLine()?.Trim();
            return string.IsNullOrEmpty(line) ? null : line[..Math.Min(line.Length, MaxText)];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>What os-release says, without the quotes.</summary>
    public static IReadOnlyDictionary<string, string> OsRelease()
    {
        foreach (string path in new[] { "/etc/os-release", "/usr/lib/os-release" })
        {
            if (Lines(path) is { Length: > 0 } lines)
            {
                return ParseOsRelease(lines);
            }
        }

        return ImmutableDictionary<string, string>.Empty;
    }

    /// <summary>The assignments of an os-release file; the last one of a name counts.</summary>
    internal static Dictionary<string, string> ParseOsRelease(IEnumerable<string> lines)
    {
        Dictionary<string, string> values = new(StringComparer.Ordinal);
        foreach (string line in lines)
        {
            int equals = line.IndexOf('=', StringComparison.Ordinal);
            string value = equals > 0 ? line[(equals + 1)..].Trim().Trim('"', '\'') : "";
            if (value.Length is > 0 and <= MaxText)
            {
                values[line[..equals].Trim()] = value;
            }
        }

        return values;
    }

    /// <summary>Revision of the first processor's microcode; null where /proc/cpuinfo has none.</summary>
    public static uint? Microcode() => ParseMicrocode(Lines("/proc/cpuinfo"));

    internal static uint? ParseMicrocode(IEnumerable<string> lines)
    {
        string? line = lines.FirstOrDefault(line => line.StartsWith("microcode", StringComparison.Ordinal));
        int at = line?.IndexOf("0x", StringComparison.Ordinal) ?? -1;
        return at > 0 && uint.TryParse(line.AsSpan(at + 2), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out uint revision)
            ? revision : null;
    }

    /// <summary>
    /// The words of the command line that change what the kernel makes of extended state, and no others: it can hold secrets.
    /// </summary>
    public static ImmutableArray<string> BootWords() => ParseBootWords(Line("/proc/cmdline") ?? "");

    internal static ImmutableArray<string> ParseBootWords(string commandLine) =>
        [.. commandLine.Split(' ', StringSplitOptions.RemoveEmptyEntries).Where(word => BootWord().IsMatch(word))];

    /// <summary>Parameters of KVM's modules that are there.</summary>
    public static ImmutableArray<string> KvmParameters()
    {
        ImmutableArray<string>.Builder found = ImmutableArray.CreateBuilder<string>();
        foreach (string parameter in Parameters)
        {
            string[] parts = parameter.Split('.');
            if (Line($"/sys/module/{parts[0]}/parameters/{parts[1]}") is { Length: <= MaxParameter } value)
            {
                found.Add($"{parameter}={value}");
            }
        }

        return found.ToImmutable();
    }

    private static string[] Lines(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    [GeneratedRegex(
        @"^(no387|nofxsr|noxsave|noxsaveopt|noxsaves|nopku|nousershstk|eagerfpu=[a-z]{1,8}|(clear|set)cpuid=[A-Za-z0-9_,:]{1,256})\z",
        RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex BootWord();
}
