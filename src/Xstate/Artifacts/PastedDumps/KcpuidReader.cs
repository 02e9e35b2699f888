using Xstate.Architecture;
using Xstate.Artifacts.Text;
using Xstate.Captures;

namespace Xstate.Artifacts.PastedDumps;

/// <summary>
/// Reads what Linux's <c>kcpuid -r</c> prints: <c>0x00000001: EAX=0x…, EBX=0x…, ECX=0x…, EDX=0x…</c>, and for a leaf with sub-leaves
/// <c>0x0000000d: subleafs:</c> with a line
/// <c> 2: EAX=0x…</c> for each that is not zero. Sub-leaves are decimal, and none beyond 31 is printed.
/// </summary>
internal static class KcpuidReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "kcpuid";

    private const string Expected = "\"0xLEAF: EAX=0x…, EBX=0x…, ECX=0x…, EDX=0x…\", or the same behind a sub-leaf";

    internal static bool Recognizes(ReadOnlySpan<byte> head)
    {
        return PastedLines.Any(head, Format, static line =>
            TryReadAnswer(line, null, out _, out _, out _) || TryReadGroup(line, out _));
    }

    /// <summary>Reads the text. Lines around the answers are passed over and counted.</summary>
    /// <exception cref="MalformedArtifactException">An answer is incomplete, there is none, or a limit is exceeded.</exception>
    public static CpuidDump Read(ReadOnlySpan<byte> text, ArtifactLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        CollectedDump dump = new(Format, limits);
        PastedLines lines = new(text, Format, limits);
        uint? group = null;
        while (lines.MoveNext())
        {
            if (TryReadGroup(lines.Line, out uint leaf))
            {
                group = leaf;
            }
            else if (TryReadAnswer(lines.Line, group, out leaf, out uint? subleaf, out CpuidRegisters registers))
            {
                group = subleaf is null ? null : group;
                dump.Add("CPU", leaf, subleaf ?? 0, registers, lines.Offset);
            }
            else if (lines.Line.IndexOf("EAX=0x"u8) >= 0)
            {
                throw lines.Malformed(Expected);
            }
            else if (!IsFurniture(lines.Line))
            {
                lines.Skip();
            }
        }

        return dump.Build(first: null, lines.Skipped, areProcessors: true);
    }

    // "Basic Leafs :" and the line below it.
    private static bool IsFurniture(ReadOnlySpan<byte> line) => line.EndsWith(" Leafs :"u8) || !line.ContainsAnyExcept("="u8);

    private static bool TryReadGroup(ReadOnlySpan<byte> line, out uint leaf)
    {
        FieldCursor fields = new(line);
        fields.SkipBlanks();
        return fields.TryHexAfter("0x"u8, out leaf) && fields.TrySkip(": subleafs:"u8);
    }

    private static bool TryReadAnswer(ReadOnlySpan<byte> line, uint? group, out uint leaf, out uint? subleaf, out CpuidRegisters registers)
    {
        FieldCursor fields = new(line);
        fields.SkipBlanks();
        (subleaf, registers) = (null, default);
        if (!fields.TryHexAfter("0x"u8, out leaf))
        {
            if (group is not { } known || !fields.TryDecimal(out uint told))
            {
                return false;
            }

            (leaf, subleaf) = (known, told);
        }

        return AnswerFields.TryRead(ref fields, ": EAX=0x"u8, ", EBX=0x"u8, ", ECX=0x"u8, ", EDX=0x"u8, out registers);
    }
}
