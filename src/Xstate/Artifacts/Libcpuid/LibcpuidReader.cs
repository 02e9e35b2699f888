using System.Buffers.Text;
using Xstate.Architecture;
using Xstate.Artifacts.Text;
using Xstate.Captures;

namespace Xstate.Artifacts.Libcpuid;

/// <summary>
/// Reads libcpuid's own raw dumps and <c>.test</c> files: <c>basic_cpuid[13]=00000007 00000340 00000340 00000000</c>, one answer for each
/// leaf of two ranges whether the processor has it or not, and tables of a few leaves with sub-leaves (<c>intel_fn4[1]=</c>). Of leaf 0xD
/// there is sub-leaf 0 alone. What follows the line of dashes is what libcpuid made of it, and is passed over. The other form of these
/// files is <see cref="InstLatx64.InstLatx64Reader"/>'s.
/// </summary>
internal static class LibcpuidReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "libcpuid";

    private const uint ExtendedLeaves = 0x8000_0000;

    // Name in the file, first leaf, and whether the index counts leaves or sub-leaves.
    private static readonly (string Name, uint Leaf, bool CountsLeaves)[] Tables =
    [
        ("basic_cpuid", 0, true), ("ext_cpuid", ExtendedLeaves, true), ("intel_fn4", 4, false), ("intel_fn11", 0xB, false),
            ("intel_fn12h", 0x12, false), ("intel_fn14h", 0x14, false),
        ("amd_fn8000001dh", 0x8000_001D, false), ("amd_fn80000026h", 0x8000_0026, false),
    ];

    /// <summary>Whether the first line that is not blank or a remark is an answer, or the version that newer files begin with.</summary>
    internal static bool Recognizes(ReadOnlySpan<byte> head)
    {
        LineCursor lines = new(head, Format, ArtifactLimits.Default with { MaxLine = int.MaxValue });
        while (lines.MoveNext())
        {
            if (!IsPreamble(lines.Line))
            {
                return lines.Line.StartsWith("basic_cpuid["u8);
            }
        }

        return false;
    }

    /// <summary>Reads the text up to the line of dashes.</summary>
    /// <exception cref="MalformedArtifactException">A line is no answer, there is none at all, or a limit is exceeded.</exception>
    public static CpuidDump Read(ReadOnlySpan<byte> text, ArtifactLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        CpuidDumpBuilder dump = new(Format, limits);
        LineCursor lines = new(text, Format, limits);
        while (lines.MoveNext() && !lines.Line.StartsWith("-----"u8))
        {
            if (IsPreamble(lines.Line))
            {
                continue;
            }

            (uint leaf, uint subleaf, CpuidRegisters registers) = ReadAnswer(in lines);
            if (dump.Count == 0 || (leaf == 0 && dump.Has(0, 0)))
            {
                dump.StartProcessor($"CPU {dump.Count}", lines.Offset);
            }

            // Sub-leaf 0 of the tables was listed by leaf before. Where ECX was not set before CPUID, the two differ: the table, which sets
            // it, is right, but comes second and is told of.
            if (subleaf == 0 && dump.TryFind(leaf, 0, out CpuidRegisters before) && before == registers)
            {
                continue;
            }

            bool exists = dump.TryFind(0, 0, out CpuidRegisters last) && last.Eax >= leaf;
            if (leaf == CpuidTable.XsaveLeaf && exists && !IsFirstSubleaf(registers))
            {
                dump.LeaveOut(leaf, registers, "it does not look like sub-leaf 0, and the dump does not tell which one it is",
                    lines.Offset);
                continue;
            }

            dump.Add(leaf, subleaf, registers, lines.Offset);
        }

        return dump.Build();
    }

    // 0xD.0 has x87 in its mask (SDM Vol. 1, 13.2) and sizes of at least the legacy region and the header; or it is zero, without XSAVE.
    private static bool IsFirstSubleaf(CpuidRegisters registers) =>
        registers.IsZero || ((registers.Eax & 1) != 0 && registers.Ebx >= XsaveFormat.ExtendedOffset && registers.Ecx >= registers.Ebx);

    private static bool IsPreamble(ReadOnlySpan<byte> line) =>
        !line.ContainsAnyExcept((byte)' ', (byte)'\t') || line[0] == '#' || line.StartsWith("____"u8) || line.StartsWith("version="u8)
        || line.StartsWith("build_date="u8) || line.StartsWith("delay="u8);

    private static (uint Leaf, uint Subleaf, CpuidRegisters Registers) ReadAnswer(in LineCursor lines)
    {
        const int RegisterDigits = 8;
        const uint MaxIndex = 0xFFFF;
        foreach ((string name, uint first, bool countsLeaves) in Tables)
        {
            FieldCursor fields = new(lines.Line);
            Span<byte> mark = stackalloc byte[32];
            int length = System.Text.Encoding.ASCII.GetBytes(name, mark);
            if (!fields.TrySkip(mark[..length]) || !fields.TrySkip("["u8))
            {
                continue;
            }

            if (!Utf8Parser.TryParse(fields.Rest, out uint index, out int digits) || index > MaxIndex)
            {
                break;
            }

            fields = new FieldCursor(fields.Rest[digits..]);
            bool ok = fields.TrySkip("]="u8);
            Span<uint> registers = stackalloc uint[4];
            foreach (ref uint register in registers)
            {
                fields.SkipBlanks();
                ok &= fields.TryHex(out register, RegisterDigits);
            }

            fields.SkipBlanks();
            if (!ok || !fields.AtEnd)
            {
                break;
            }

            CpuidRegisters answer = new(registers[0], registers[1], registers[2], registers[3]);
            return countsLeaves ? (first + index, 0, answer) : (first, index, answer);
        }

        throw lines.Malformed("\"basic_cpuid[n]=EAX EBX ECX EDX\" or another table with four registers of eight hexadecimal digits");
    }
}
