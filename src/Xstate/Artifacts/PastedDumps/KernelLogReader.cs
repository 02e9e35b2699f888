using Xstate.Architecture;
using Xstate.Artifacts.Text;
using Xstate.Captures;

namespace Xstate.Artifacts.PastedDumps;

/// <summary>
/// Reads leaf 0xD from the log of a Linux kernel that found it inconsistent: below <c>XSAVE consistency problem</c> it prints <c>CPUID[0d,
/// 00]: eax=… ebx=… ecx=… edx=…</c> for each sub-leaf (since 4.3, arch/x86/kernel/fpu/xstate.c). Nothing of the other leaves is in the log.
/// </summary>
internal static class KernelLogReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "kernel-log";

    internal static bool Recognizes(ReadOnlySpan<byte> head)
    {
        return PastedLines.Any(head, Format, static line =>
            TryReadAnswer(line, out _, out _, out _));
    }

    /// <summary>Reads the text. Everything else in the log is none of its business.</summary>
    /// <exception cref="MalformedArtifactException">An answer is incomplete, there is none, or a limit is exceeded.</exception>
    public static CpuidDump Read(ReadOnlySpan<byte> text, ArtifactLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        CollectedDump dump = new(Format, limits);
        PastedLines lines = new(text, Format, limits);
        int boot = 0;
        while (lines.MoveNext())
        {
            if (TryReadAnswer(lines.Line, out uint leaf, out uint subleaf, out CpuidRegisters registers))
            {
                // A kernel prints its table once. A second one in the same text is another boot's.
                boot += subleaf == 0 ? 1 : 0;
                dump.Add($"boot {Math.Max(boot, 1)}", leaf, subleaf, registers, lines.Offset);
            }
            else if (lines.Line.IndexOf("CPUID[0"u8) >= 0)
            {
                throw lines.Malformed("\"CPUID[0d, SS]: eax=… ebx=… ecx=… edx=…\"");
            }
        }

        return dump.Build(first: null, skipped: null);
    }

    private static bool TryReadAnswer(ReadOnlySpan<byte> line, out uint leaf, out uint subleaf, out CpuidRegisters registers)
    {
        (leaf, subleaf, registers) = (0, 0, default);
        int start = line.IndexOf("CPUID["u8);
        if (start < 0)
        {
            return false;
        }

        FieldCursor fields = new(line[start..]);
        return fields.TryHexAfter("CPUID["u8, out leaf)
            && fields.TryHexAfter(", "u8, out subleaf)
            && AnswerFields.TryRead(ref fields, "]: eax="u8, " ebx="u8, " ecx="u8, " edx="u8, out registers);
    }
}
