using System.Text;
using Xstate.Architecture;
using Xstate.Artifacts.PastedDumps;
using Xstate.Artifacts.Text;
using Xstate.Captures;

namespace Xstate.Artifacts.CpuidRaw;

/// <summary>
/// Reads what the <c>cpuid -r</c> command prints: <c>CPU 0:</c> (with <c>-1</c> only <c>CPU:</c>), then lines of
/// <c>0x0000000d 0x00: eax=0x… ebx=0x… ecx=0x… edx=0x…</c>.
/// </summary>
internal static class CpuidRawReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "cpuid-r";

    /// <summary>Whether a line of the head is an answer. A head of a processor alone says nothing: other dumps have the same.</summary>
    internal static bool Recognizes(ReadOnlySpan<byte> head)
    {
        return PastedLines.Any(head, Format, static line =>
            TryReadAnswer(line, out _, out _, out _));
    }

    /// <summary>Reads the text. Lines around the answers are passed over and counted; one that begins as an answer has to be one.</summary>
    /// <exception cref="MalformedArtifactException">An answer is incomplete, there is none, or a limit is exceeded.</exception>
    public static CpuidDump Read(ReadOnlySpan<byte> text, ArtifactLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        CpuidDumpBuilder dump = new(Format, limits);
        PastedLines lines = new(text, Format, limits);
        while (lines.MoveNext())
        {
            if (TryReadHead(lines.Line, out string label))
            {
                dump.StartProcessor(label, lines.Offset);
            }
            else if (TryReadAnswer(lines.Line, out uint leaf, out uint subleaf, out CpuidRegisters registers))
            {
                if (dump.Count == 0)
                {
                    dump.StartProcessor("CPU", lines.Offset);
                }

                dump.Add(leaf, subleaf, registers, lines.Offset);
            }
            else if (lines.Line.IndexOf("eax="u8) >= 0)
            {
                throw lines.Malformed("\"0xLEAF 0xSUB: eax=0x… ebx=0x… ecx=0x… edx=0x…\"");
            }
            else
            {
                lines.Skip();
            }
        }

        dump.Skipped = lines.Skipped;
        return dump.Build();
    }

    /// <summary>Whether the reader takes a line with this name and a colon for the head of a processor.</summary>
    internal static bool IsLabel(string label) => TryReadHead(Encoding.UTF8.GetBytes(label + ":"), out string read) && read == label;

    internal static bool TryReadHead(ReadOnlySpan<byte> line, out string label)
    {
        label = "";
        ReadOnlySpan<byte> head = line.TrimEnd((byte)' ');
        if (!head.StartsWith("CPU"u8) || !head.EndsWith(":"u8))
        {
            return false;
        }

        ReadOnlySpan<byte> number = head["CPU".Length..^1];
        if (number.Length > 10 || number.TrimStart((byte)' ').ContainsAnyExceptInRange((byte)'0', (byte)'9'))
        {
            return false;
        }

        label = Encoding.ASCII.GetString(head[..^1]);
        return true;
    }

    internal static bool TryReadAnswer(ReadOnlySpan<byte> line, out uint leaf, out uint subleaf, out CpuidRegisters registers)
    {
        FieldCursor fields = new(line);
        fields.SkipBlanks();
        (subleaf, registers) = (0, default);
        return fields.TryHexAfter("0x"u8, out leaf)
            && fields.SkipBlanks()
            && fields.TryHexAfter("0x"u8, out subleaf)
            && AnswerFields.TryRead(ref fields, ": eax=0x"u8, " ebx=0x"u8, " ecx=0x"u8, " edx=0x"u8, out registers);
    }
}
