using System.Text;
using Xstate.Architecture;
using Xstate.Artifacts.Text;
using Xstate.Captures;

namespace Xstate.Artifacts.CpuidRaw;

/// <summary>
/// Reads what the <c>cpuid -r</c> command prints: <c>CPU 0:</c> (with <c>-1</c> only <c>CPU:</c>), then lines of
/// <c>0x0000000d 0x00: eax=0x… ebx=0x… ecx=0x… edx=0x…</c>.
/// </summary>
public static class CpuidRawReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "cpuid-r";

    /// <summary>Whether the first line that is not blank is a processor's head or an answer.</summary>
    internal static bool Recognizes(ReadOnlySpan<byte> head)
    {
        LineCursor lines = new(head, Format, ArtifactLimits.Default with { MaxLine = int.MaxValue });
        while (lines.MoveNext())
        {
            if (!IsBlank(lines.Line))
            {
                return TryReadHead(lines.Line, out _) || TryReadAnswer(lines.Line, out _, out _, out _);
            }
        }

        return false;
    }

    /// <summary>Reads the text. Every line has to be a head, an answer, or blank.</summary>
    /// <exception cref="MalformedArtifactException">A line is none of these, or a limit is exceeded.</exception>
    public static CpuidDump Read(ReadOnlySpan<byte> text, ArtifactLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        CpuidDumpBuilder dump = new(Format, limits);
        LineCursor lines = new(text, Format, limits);
        while (lines.MoveNext())
        {
            if (IsBlank(lines.Line))
            {
                continue;
            }

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
            else
            {
                throw lines.Malformed("\"CPU n:\" or \"0xLEAF 0xSUB: eax=0x… ebx=0x… ecx=0x… edx=0x…\"");
            }
        }

        return dump.Build();
    }

    private static bool IsBlank(ReadOnlySpan<byte> line) => !line.ContainsAnyExcept((byte)' ', (byte)'\t');

    /// <summary>Whether the reader takes a line with this name and a colon for the head of a processor.</summary>
    internal static bool IsLabel(string label) => TryReadHead(Encoding.UTF8.GetBytes(label + ":"), out string read) && read == label;

    private static bool TryReadHead(ReadOnlySpan<byte> line, out string label)
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

    private static bool TryReadAnswer(ReadOnlySpan<byte> line, out uint leaf, out uint subleaf, out CpuidRegisters registers)
    {
        FieldCursor fields = new(line);
        fields.SkipBlanks();
        subleaf = 0;
        registers = default;
        if (!TryNumber(ref fields, "0x"u8, out leaf)
            || !fields.SkipBlanks()
            || !TryNumber(ref fields, "0x"u8, out subleaf)
            || !fields.TrySkip(":"u8)
            || !TryNumber(ref fields, " eax=0x"u8, out uint eax)
            || !TryNumber(ref fields, " ebx=0x"u8, out uint ebx)
            || !TryNumber(ref fields, " ecx=0x"u8, out uint ecx)
            || !TryNumber(ref fields, " edx=0x"u8, out uint edx))
        {
            return false;
        }

        fields.SkipBlanks();
        registers = new CpuidRegisters(eax, ebx, ecx, edx);
        return fields.AtEnd;
    }

    private static bool TryNumber(ref FieldCursor fields, ReadOnlySpan<byte> prefix, out uint value)
    {
        value = 0;
        return fields.TrySkip(prefix) && fields.TryHex(out value);
    }
}
