using System.Buffers.Text;
using Xstate.Architecture;
using Xstate.Artifacts.Text;
using Xstate.Captures;

namespace Xstate.Artifacts.InstLatx64;

/// <summary>
/// Reads the CPUID text of AIDA64 and of the InstLatx64 collection: lines of <c>CPUID 0000000D: 000002E7-00000980-00000988-00000000 [SL 00]
/// [text]</c> among much else. Separators vary between versions, older ones do not tell the sub-leaf, and processors are separated by one
/// of four kinds of heads or by nothing.
/// </summary>
internal static class InstLatx64Reader
{
    /// <summary>The format's name.</summary>
    public const string Format = "instlatx64";

    private static ReadOnlySpan<byte> Keyword => "CPUID "u8;

    /// <summary>Whether a line of the head begins as an answer does.</summary>
    internal static bool Recognizes(ReadOnlySpan<byte> head)
    {
        LineCursor lines = new(head, Format, ArtifactLimits.Default with { MaxLine = int.MaxValue });
        while (lines.MoveNext())
        {
            if (IsAnswer(lines.Line, out _))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Reads the text. Lines that are not CPUID answers or heads (MSRs, caches, clocks) are none of its business.</summary>
    /// <exception cref="MalformedArtifactException">An answer has not four registers, there is none at all, or a limit is
    /// exceeded.</exception>
    public static CpuidDump Read(ReadOnlySpan<byte> text, ArtifactLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        CpuidDumpBuilder dump = new(Format, limits);
        LineCursor lines = new(text, Format, limits);
        uint? announced = null;
        while (lines.MoveNext())
        {
            if (IsAnswer(lines.Line, out uint leaf))
            {
                (uint? subleaf, CpuidRegisters registers) = ReadAnswer(in lines);
                if (dump.Count == 0 || announced is not null || (leaf == 0 && dump.Has(0, 0)))
                {
                    dump.StartProcessor($"CPU {announced ?? (uint)dump.Count}", lines.Offset);
                    announced = null;
                }

                dump.Add(leaf, subleaf, registers, lines.Offset);
            }
            else if (TryReadHead(lines.Line, out uint number))
            {
                announced = number;
            }
        }

        return dump.Build();
    }

    private static bool IsAnswer(ReadOnlySpan<byte> line, out uint leaf)
    {
        const int LeafDigits = 8;
        FieldCursor fields = new(line);
        leaf = 0;
        return fields.TrySkip(Keyword)
            && fields.TryHex(out leaf, LeafDigits)
            && (fields.AtEnd || fields.Rest[0] is (byte)':' or (byte)' ' or (byte)'\t');
    }

    private static (uint? Subleaf, CpuidRegisters Registers) ReadAnswer(in LineCursor lines)
    {
        const int RegisterDigits = 8;
        FieldCursor fields = new(lines.Line);
        fields.TrySkip(Keyword);
        fields.TryHex(out _);
        fields.SkipBlanks();
        fields.TrySkip(":"u8);
        Span<uint> registers = stackalloc uint[4];
        foreach (ref uint register in registers)
        {
            fields.SkipBlanks();
            fields.TrySkip("-"u8);
            fields.SkipBlanks();
            if (!fields.TryHex(out register, RegisterDigits))
            {
                throw lines.Malformed("\"CPUID LLLLLLLL: EAX-EBX-ECX-EDX\" with four registers of eight hexadecimal digits");
            }
        }

        fields.SkipBlanks();
        uint? subleaf = null;
        if (fields.TrySkip("[SL "u8))
        {
            if (!fields.TryHex(out uint told) || !fields.TrySkip("]"u8))
            {
                throw lines.Malformed("a sub-leaf such as \"[SL 0B]\"");
            }

            subleaf = told;
        }

        return (subleaf, new CpuidRegisters(registers[0], registers[1], registers[2], registers[3]));
    }

    // "------[ CPUID Registers / Logical CPU #0 ]------", "------[ Logical CPU #0 ]------", "CPUID Registers (CPU #0):", "CPU#000 AffMask:
    // 0x…". The heads of MSR sections look alike but no answer follows them before the next head.
    private static bool TryReadHead(ReadOnlySpan<byte> line, out uint number)
    {
        number = 0;
        int mark = line.IndexOf("CPU #"u8);
        if (mark >= 0)
        {
            bool isHead = line.StartsWith("------["u8) || line.StartsWith("CPUID Registers ("u8);
            return isHead && Utf8Parser.TryParse(line[(mark + "CPU #".Length)..], out number, out _);
        }

        return line.StartsWith("CPU#"u8) && line.IndexOf(" AffMask"u8) > 0 && Utf8Parser.TryParse(line["CPU#".Length..], out number, out _);
    }
}
