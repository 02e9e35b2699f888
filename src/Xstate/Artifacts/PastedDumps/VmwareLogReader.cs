using Xstate.Architecture;
using Xstate.Artifacts.Text;
using Xstate.Captures;

namespace Xstate.Artifacts.PastedDumps;

/// <summary>
/// Reads the answers of CPUID in a <c>vmware.log</c>. <c>hostCPUID level 0000000d, 2: 0x… 0x… 0x… 0x…</c> is the host's, <c>guest vs. host
/// CPUID guest level 0000000d, 2:</c> the guest's; below it
/// <c>guest vs. host CPUID *host level</c> says the host's where the two differ. Sub-leaves are hexadecimal. Host and guest are two tables.
/// </summary>
internal static class VmwareLogReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "vmware-log";

    private const string Host = "host";
    private const string Guest = "guest";

    internal static bool Recognizes(ReadOnlySpan<byte> head)
    {
        return PastedLines.Any(head, Format, static line =>
            line.IndexOf("Log for VMware "u8) >= 0
            || (IsAnswerLike(line, out ReadOnlySpan<byte> answer, out _) && TryReadAnswer(answer, out _, out _, out _)));
    }

    /// <summary>Reads the text: the host's table first. Everything else in the log is none of its business.</summary>
    /// <exception cref="MalformedArtifactException">An answer is incomplete, there is none, or a limit is exceeded.</exception>
    public static CpuidDump Read(ReadOnlySpan<byte> text, ArtifactLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        Dictionary<(uint Leaf, uint Subleaf), (CpuidRegisters Registers, long Offset)> guest = [];
        Dictionary<(uint Leaf, uint Subleaf), (CpuidRegisters Registers, long Offset)> host = [];
        PastedLines lines = new(text, Format, limits);
        while (lines.MoveNext())
        {
            if (!IsAnswerLike(lines.Line, out ReadOnlySpan<byte> answer, out Source source))
            {
                continue;
            }

            if (!TryReadAnswer(answer, out uint leaf, out uint subleaf, out CpuidRegisters registers))
            {
                throw lines.Malformed("\"level LLLLLLLL, S: 0xEAX 0xEBX 0xECX 0xEDX\"");
            }

            // The block of the guest comes once each time that the machine is powered on; the last is the one that it runs with.
            if (source == Source.Guest)
            {
                guest[(leaf, subleaf)] = (registers, lines.Offset);
                host.TryAdd((leaf, subleaf), (registers, lines.Offset));
            }
            else
            {
                host[(leaf, subleaf)] = (registers, lines.Offset);
            }

            if (host.Count > limits.MaxCpuidEntries)
            {
                throw lines.Malformed($"at most {limits.MaxCpuidEntries} answers");
            }
        }

        CollectedDump dump = new(Format, limits);
        Add(dump, Host, host);
        Add(dump, Guest, guest);
        return dump.Build(Host, skipped: null);
    }

    private static void Add(CollectedDump dump, string label,
        Dictionary<(uint Leaf, uint Subleaf), (CpuidRegisters Registers, long Offset)> answers)
    {
        foreach (((uint leaf, uint subleaf), (CpuidRegisters registers, long offset)) in answers.OrderBy(answer => answer.Key))
        {
            dump.Add(label, leaf, subleaf, registers, offset);
        }
    }

    private enum Source
    {
        Host,
        Guest,
        Difference,
    }

    private static bool IsAnswerLike(ReadOnlySpan<byte> line, out ReadOnlySpan<byte> answer, out Source source)
    {
        answer = default;
        source = Source.Host;
        return Follows(line, "hostCPUID level "u8, ref answer)
            || (Follows(line, "guest vs. host CPUID guest level "u8, ref answer) && (source = Source.Guest) == Source.Guest)
            || (Follows(line, "guest vs. host CPUID *host level "u8, ref answer) && (source = Source.Difference) == Source.Difference);

        static bool Follows(ReadOnlySpan<byte> line, ReadOnlySpan<byte> words, ref ReadOnlySpan<byte> rest)
        {
            int at = line.IndexOf(words);
            rest = at < 0 ? rest : line[(at + words.Length)..];
            return at >= 0 && rest.Length > 0 && char.IsAsciiHexDigit((char)rest[0]);
        }
    }

    private static bool TryReadAnswer(ReadOnlySpan<byte> answer, out uint leaf, out uint subleaf, out CpuidRegisters registers)
    {
        FieldCursor fields = new(answer);
        (subleaf, registers) = (0, default);
        return fields.TryHex(out leaf, 8)
            && fields.TrySkip(","u8)
            && fields.SkipBlanks()
            && fields.TryHex(out subleaf)
            && AnswerFields.TryRead(ref fields, ": 0x"u8, " 0x"u8, " 0x"u8, " 0x"u8, out registers);
    }
}
