using System.Globalization;
using System.Text;
using Xstate.Architecture;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts;

/// <summary>
/// A CPUID table as the program cpuid (20230120) prints it without -r. The labels were recorded from the program, for each bit alone.
/// </summary>
internal static class DecodedText
{
    /// <summary>Every bit that the program has a label for.</summary>
    public static readonly DecodedLabel[] Labels = [.. File.ReadLines(Repository.PathOf("tests", "Xstate.Tests", "Artifacts",
        "decoded-labels.txt")).Select(DecodedLabel.Parse)];

    public static string Of(CpuidTable table)
    {
        StringBuilder text = new("CPU 0:\n");
        CpuidRegisters leaf0 = table.Read(0);
        byte[] vendor = [.. BitConverter.GetBytes(leaf0.Ebx), .. BitConverter.GetBytes(leaf0.Edx), .. BitConverter.GetBytes(leaf0.Ecx)];
        Line(text, $"   vendor_id = \"{Encoding.ASCII.GetString(vendor)}\"");
        uint eax = table.Read(1).Eax;
        Line(text, $"   version information (1/eax):");
        foreach ((string name, int shift, uint mask) in ((string, int, uint)[])[("processor type", 12, 3), ("family", 8, 15),
            ("model", 4, 15), ("stepping id", 0, 15), ("extended family", 20, 255), ("extended model", 16, 15)])
        {
            Line(text, $"      {name,-15} = 0x{eax >> shift & mask:x} ({eax >> shift & mask})");
        }

        Line(text, $"      (family synth)  = 0x6 (6)");
        foreach ((string section, string head) in ((string, string)[])[("1/edx", "feature information"), ("1/ecx", "feature information"),
            ("7", "extended feature flags")])
        {
            Features(text, table, section, head);
        }

        Xsave(text, table);
        Features(text, table, "0x80000001/edx", "extended feature flags");
        Features(text, table, "0x80000001/ecx", "AMD feature flags");
        return text.ToString();
    }

    private static void Features(StringBuilder text, CpuidTable table, string section, string head)
    {
        DecodedLabel[] rows = [.. Labels.Where(row => row.Section == section
            && (row.Subleaf == 0 || table.TryRead(row.Leaf, row.Subleaf, out _)))
            .OrderBy(row => (row.Subleaf, row.Register, row.Bit))];
        Line(text, $"   {head} ({section}):");
        foreach (DecodedLabel row in rows)
        {
            bool isSet = (table.Read(row.Leaf, row.Subleaf)[row.Register] >> row.Bit & 1) != 0;
            Line(text, $"      {row.Label,-40} = {(isSet ? "true" : "false")}");
        }
    }

    private static void Xsave(StringBuilder text, CpuidTable table)
    {
        CpuidRegisters d0 = table.Read(0xD);
        CpuidRegisters d1 = table.Read(0xD, 1);
        Line(text, $"   XSAVE features (0xd/0):");
        Line(text, $"      XCR0 valid bit field mask               = 0x{d0.EdxEax:x16}");
        Line(text, $"         x87 state                            = {Word((d0.Eax & 1) != 0)}");
        Line(text, $"      bytes required by fields in XCR0        = 0x{d0.Ebx:x8} ({d0.Ebx})");
        Line(text, $"      bytes required by XSAVE/XRSTOR area     = 0x{d0.Ecx:x8} ({d0.Ecx})");
        string[] names = ["XSAVEOPT instruction", "XSAVEC instruction", "XGETBV instruction", "XSAVES/XRSTORS instructions",
            "XFD: extended feature disable supported"];
        for (int bit = 0; bit < names.Length; bit++)
        {
            Line(text, $"      {names[bit],-39} = {Word((d1.Eax >> bit & 1) != 0)}");
        }

        Line(text, $"      SAVE area size in bytes                 = 0x{d1.Ebx:x8} ({d1.Ebx})");
        Line(text, $"      IA32_XSS valid bit field mask           = 0x{d1.EdxEcx:x16}");
        foreach (CpuidEntry entry in table.Entries.Where(entry => entry.Leaf == 0xD && entry.Subleaf > 1 && !entry.Registers.IsZero))
        {
            CpuidRegisters r = entry.Registers;
            Line(text, $"   COMPONENT features (0xd/{(entry.Subleaf < 10 ? $"{entry.Subleaf}" : $"0x{entry.Subleaf:x}")}):");
            Line(text, $"      COMPONENT save state byte size           = 0x{r.Eax:x8} ({r.Eax})");
            Line(text, $"      COMPONENT save state byte offset         = 0x{r.Ebx:x8} ({r.Ebx})");
            string register = (r.Ecx & 1) != 0 ? "IA32_XSS (supervisor state)" : "XCR0 (user state)";
            Line(text, $"      supported in IA32_XSS or XCR0            = {register}");
            Line(text, $"      64-byte alignment in compacted XSAVE     = {Word((r.Ecx & 2) != 0)}");
            Line(text, $"      XFD faulting supported                   = {Word((r.Ecx & 4) != 0)}");
        }
    }

    private static string Word(bool value) => value ? "true" : "false";

    private static void Line(StringBuilder text, FormattableString line) => text.Append(line.ToString(CultureInfo.InvariantCulture))
        .Append('\n');
}
