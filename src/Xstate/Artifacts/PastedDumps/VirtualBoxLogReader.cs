using Xstate.Architecture;
using Xstate.Artifacts.Text;
using Xstate.Captures;

namespace Xstate.Artifacts.PastedDumps;

/// <summary>
/// Reads the answers of CPUID in a <c>VBox.log</c>: <c>Gst: 0000000d/0000 eax ebx ecx edx</c> is what the guest gets, and <c>Hst:</c> in
/// the line below what the host answered for the same leaf and sub-leaf. Host and guest are two tables.
/// </summary>
internal static class VirtualBoxLogReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "vbox-log";

    private const string Host = "host";
    private const string Guest = "guest";

    internal static bool Recognizes(ReadOnlySpan<byte> head)
    {
        return PastedLines.Any(head, Format, static line =>
            line.TrimStart((byte)' ').StartsWith("VirtualBox VM "u8) || TryReadGuest(line, out _, out _, out _));
    }

    /// <summary>Reads the text: the host's table first. Everything else in the log is none of its business.</summary>
    /// <exception cref="MalformedArtifactException">An answer is incomplete, there is none, or a limit is exceeded.</exception>
    public static CpuidDump Read(ReadOnlySpan<byte> text, ArtifactLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        CollectedDump dump = new(Format, limits);
        PastedLines lines = new(text, Format, limits);
        (uint Leaf, uint Subleaf)? last = null;
        while (lines.MoveNext())
        {
            if (TryReadGuest(lines.Line, out uint leaf, out uint subleaf, out CpuidRegisters registers))
            {
                last = (leaf, subleaf);
                dump.Add(Guest, leaf, subleaf, registers, lines.Offset);
            }
            else if (TryReadHost(lines.Line, out registers))
            {
                (uint Leaf, uint Subleaf) place = last ?? throw lines.Malformed("\"Gst: LLLLLLLL/SSSS  EAX EBX ECX EDX\" above it");
                last = null;
                dump.Add(Host, place.Leaf, place.Subleaf, registers, lines.Offset);
            }
            else if (IsAnswerLike(lines.Line))
            {
                throw lines.Malformed("\"Gst: LLLLLLLL/SSSS  EAX EBX ECX EDX\" or \"Hst: EAX EBX ECX EDX\"");
            }
        }

        return dump.Build(Host, skipped: null);
    }

    private static bool IsAnswerLike(ReadOnlySpan<byte> line)
    {
        FieldCursor fields = new(line);
        fields.SkipBlanks();
        return (fields.TrySkip("Gst: "u8) || fields.TrySkip("Hst: "u8)) && fields.SkipBlanks() is var _ && fields.TryHex(out _, 8);
    }

    private static bool TryReadGuest(ReadOnlySpan<byte> line, out uint leaf, out uint subleaf, out CpuidRegisters registers)
    {
        FieldCursor fields = new(line);
        fields.SkipBlanks();
        (leaf, subleaf, registers) = (0, 0, default);
        return fields.TrySkip("Gst: "u8) && fields.TryHex(out leaf, 8) && fields.TrySkip("/"u8) && fields.TryHex(out subleaf)
            && TryReadRegisters(ref fields, out registers);
    }

    private static bool TryReadHost(ReadOnlySpan<byte> line, out CpuidRegisters registers)
    {
        FieldCursor fields = new(line);
        fields.SkipBlanks();
        registers = default;
        return fields.TrySkip("Hst:"u8) && TryReadRegisters(ref fields, out registers);
    }

    // A mark may follow the registers.
    private static bool TryReadRegisters(ref FieldCursor fields, out CpuidRegisters registers)
    {
        const int RegisterDigits = 8;
        Span<uint> read = stackalloc uint[4];
        registers = default;
        foreach (ref uint register in read)
        {
            if (!fields.SkipBlanks() || !fields.TryHex(out register, RegisterDigits))
            {
                return false;
            }
        }

        registers = new CpuidRegisters(read[0], read[1], read[2], read[3]);
        return fields.AtEnd || fields.Rest[0] == (byte)' ';
    }
}
