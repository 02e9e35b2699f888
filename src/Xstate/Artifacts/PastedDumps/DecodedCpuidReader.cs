using System.Text;
using Xstate.Architecture;
using Xstate.Artifacts.CpuidRaw;
using Xstate.Artifacts.Text;
using Xstate.Captures;

namespace Xstate.Artifacts.PastedDumps;

/// <summary>
/// Reads what the <c>cpuid</c> command prints without <c>-r</c>: <c>feature information (1/ecx):</c> with a line <c>XSAVE/XSTOR states =
/// true</c> for each bit, and leaf 0xD field by field. Leaves 1, 7, 0xD and 8000_0001h are taken from it, and those that the program prints
/// undecoded.
/// </summary>
internal static class DecodedCpuidReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "cpuid-text";

    internal static bool Recognizes(ReadOnlySpan<byte> head)
    {
        return PastedLines.Any(head, Format, static line => TryReadSection(line, out string section) && section is "1/ecx" or "0xd/0");
    }

    /// <summary>Reads the text. Lines around it are passed over and counted; a label that is not known is said.</summary>
    /// <exception cref="MalformedArtifactException">A field of leaf 0xD is broken, there is no leaf that matters, or a limit is
    /// exceeded.</exception>
    public static CpuidDump Read(ReadOnlySpan<byte> text, ArtifactLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        CpuidDumpBuilder dump = new(Format, limits);
        PastedLines lines = new(text, Format, limits);
        DecodedProcessor processor = new();
        string section = "";
        while (lines.MoveNext())
        {
            ReadOnlySpan<byte> line = lines.Line.Trim(" \t"u8);
            if (CpuidRawReader.TryReadHead(line, out string label))
            {
                processor.AddTo(dump);
                processor = new DecodedProcessor { Label = label, Start = lines.Offset };
                section = "";
            }
            else if (CpuidRawReader.TryReadAnswer(lines.Line, out uint leaf, out uint subleaf, out CpuidRegisters registers))
            {
                processor.Undecoded(leaf, subleaf, registers, lines, limits);
            }
            else if (TryReadSection(line, out string named))
            {
                section = named;
                processor.Begin(section, lines);
            }
            else if (TryReadField(line, out string field, out ReadOnlySpan<byte> value))
            {
                processor.Take(section, field, value, lines);
            }
            else if (!line.StartsWith("---"u8) && !line.EndsWith(":"u8))
            {
                lines.Skip();
            }
        }

        processor.AddTo(dump);
        dump.Skipped = lines.Skipped;
        return dump.Build();
    }

    // "feature information (1/ecx):". The same numbers stand in other lines too, behind a value.
    private static bool TryReadSection(ReadOnlySpan<byte> line, out string section)
    {
        const int Longest = 20;
        section = "";
        line = line.Trim(" \t"u8);
        int open = line.LastIndexOf((byte)'(');
        if (open <= 0 || !line.EndsWith("):"u8) || line.IndexOf(" = "u8) >= 0 || line.Length - open > Longest)
        {
            return false;
        }

        section = Encoding.ASCII.GetString(line[(open + 1)..^2]);
        return true;
    }

    // "label    = value".
    private static bool TryReadField(ReadOnlySpan<byte> line, out string field, out ReadOnlySpan<byte> value)
    {
        const int LongestName = 80;
        field = "";
        value = default;
        int equals = line.LastIndexOf(" = "u8);
        if (equals is <= 0 or > LongestName)
        {
            return false;
        }

        field = Encoding.UTF8.GetString(line[..equals].TrimEnd(" "u8));
        value = line[(equals + 3)..];
        return true;
    }
}
