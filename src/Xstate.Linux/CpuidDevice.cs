using System.Buffers.Binary;
using System.Runtime.Versioning;
using System.Text.RegularExpressions;
using Microsoft.Win32.SafeHandles;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Linux;

/// <summary>
/// CPUID of one chosen logical processor through the character device <c>/dev/cpu/N/cpuid</c> of Linux's cpuid module: 16 bytes at the
/// offset leaf + (sub-leaf &lt;&lt; 32) are EAX, EBX, ECX and EDX, read on that processor. The device is root's.
/// </summary>
[SupportedOSPlatform("linux")]
internal static partial class CpuidDevice
{
    /// <summary>The name under which the dumps of the device go.</summary>
    public const string Format = "cpuid-device";

    private const int AnswerLength = 16;

    /// <summary>Whether a path names such a device; gives the processor's number.</summary>
    public static bool IsPath(string path, out int processor)
    {
        ArgumentNullException.ThrowIfNull(path);
        Match match = DevicePath().Match(Path.GetFullPath(path));
        processor = 0;
        return match.Success && int.TryParse(match.Groups["processor"].ValueSpan, out processor);
    }

    /// <summary>All answers of one processor.</summary>
    /// <param name="path">The device.</param>
    /// <exception cref="IOException">The device is not there (module cpuid), or the processor is offline.</exception>
    /// <exception cref="UnauthorizedAccessException">The device may not be read.</exception>
    public static CpuidDump Read(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        string label = IsPath(path, out int processor) ? $"CPU {processor}" : "CPU";
        using SafeFileHandle device = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        return CpuidDump.Create(Format, [new CpuidProcessor(label, HostCpuid.Read((leaf, subleaf) => Ask(device, path, leaf, subleaf)))],
            []);
    }

    private static CpuidRegisters Ask(SafeFileHandle device, string path, uint leaf, uint subleaf)
    {
        Span<byte> answer = stackalloc byte[AnswerLength];
        int read = RandomAccess.Read(device, answer, (long)subleaf << 32 | leaf);
        return read == AnswerLength
            ? new CpuidRegisters(Word(answer, 0), Word(answer, 1), Word(answer, 2), Word(answer, 3))
            : throw new IOException($"{path} gave {read} bytes for leaf {CpuidLeaves.PlaceOf(leaf, subleaf)}, not {AnswerLength}");
    }

    private static uint Word(ReadOnlySpan<byte> bytes, int index) =>
        BinaryPrimitives.ReadUInt32LittleEndian(bytes[(index * sizeof(uint))..]);

    [GeneratedRegex(@"^/dev/cpu/(?<processor>\d{1,9})/cpuid$", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, 1000)]
    private static partial Regex DevicePath();
}
