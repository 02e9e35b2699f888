using System.Text;
using Xstate.Architecture;
using Xstate.Artifacts.Text;
using Xstate.Captures;

namespace Xstate.Artifacts.PastedDumps;

/// <summary>
/// Reads what <c>xen-cpuid -p</c> prints: under <c>Raw policy: 34 leaves, 2 MSRs</c> and the heads of Xen's other policies, lines of
/// <c>0000000d:00000001 -> eax:ebx:ecx:edx</c>, where sub-leaf ffffffff stands for none. The raw policy is the processor, the others are
/// what Xen uses and what it gives to guests.
/// </summary>
internal static class XenCpuidReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "xen-cpuid";

    private const string Raw = "Raw";
    private const uint None = uint.MaxValue;

    internal static bool Recognizes(ReadOnlySpan<byte> head)
    {
        return PastedLines.Any(head, Format, static line =>
            TryReadAnswer(line, out _, out _, out _));
    }

    /// <summary>Reads the text: a table for each policy.</summary>
    /// <exception cref="MalformedArtifactException">An answer is incomplete, there is none, or a limit is exceeded.</exception>
    public static CpuidDump Read(ReadOnlySpan<byte> text, ArtifactLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        CollectedDump dump = new(Format, limits);
        PastedLines lines = new(text, Format, limits);
        string policy = "policy";
        while (lines.MoveNext())
        {
            if (TryReadAnswer(lines.Line, out uint leaf, out uint? subleaf, out CpuidRegisters registers))
            {
                dump.Add(policy, leaf, subleaf ?? 0, registers, lines.Offset);
            }
            else if (PolicyOf(lines.Line) is { } name)
            {
                policy = name;
            }
            else if (IsAnswerLike(lines.Line))
            {
                throw lines.Malformed("\"LLLLLLLL:SSSSSSSS -> EAX:EBX:ECX:EDX\"");
            }
            else if (!IsFurniture(lines.Line))
            {
                lines.Skip();
            }
        }

        return dump.Build(Raw, lines.Skipped);
    }

    private static string? PolicyOf(ReadOnlySpan<byte> line)
    {
        const int LongestName = 40;
        int end = line.IndexOf(" policy: "u8);
        return end is > 0 and < LongestName && line[end..].IndexOf("leaves"u8) > 0 ? Encoding.UTF8.GetString(line[..end]).Trim() : null;
    }

    // Lines of the program that hold no answer of CPUID: its heads, and the MSRs of a policy.
    private static bool IsFurniture(ReadOnlySpan<byte> line) =>
        line.IndexOf("CPUID:"u8) >= 0 || line.IndexOf("MSRs:"u8) >= 0 || line.IndexOf("->"u8) >= 0
        || line.IndexOf("Xen reports there are maximum"u8) >= 0;

    private static bool IsAnswerLike(ReadOnlySpan<byte> line)
    {
        FieldCursor fields = new(line);
        fields.SkipBlanks();
        return fields.TryHex(out _, 8) && fields.TrySkip(":"u8) && fields.TryHex(out _, 8);
    }

    private static bool TryReadAnswer(ReadOnlySpan<byte> line, out uint leaf, out uint? subleaf, out CpuidRegisters registers)
    {
        FieldCursor fields = new(line);
        fields.SkipBlanks();
        (subleaf, registers) = (null, default);
        if (!fields.TryHex(out leaf, 8) || !fields.TrySkip(":"u8) || !fields.TryHex(out uint told, 8))
        {
            return false;
        }

        subleaf = told == None ? null : told;
        return AnswerFields.TryRead(ref fields, " -> "u8, ":"u8, ":"u8, ":"u8, out registers);
    }
}
