using System.Globalization;
using System.Text;
using Xstate.Architecture;

namespace Xstate.Tests.Artifacts;

/// <summary>A CPUID table as other programs print it. Written after the programs' sources and public logs.</summary>
internal static class PastedSamples
{
    public static readonly string[] Formats = ["cpuid-r", "kcpuid", "xen-cpuid", "kernel-log", "vbox-log", "vmware-log", "cpuid-json"];

    /// <summary>The text of a format; <paramref name="guest"/> is the second table of those that have two.</summary>
    public static string Of(string format, CpuidTable table, CpuidTable guest) => format switch
    {
        "cpuid-r" => "CPU 0:\n" + Lines(table, e => $"   0x{e.Leaf:x8} 0x{e.Subleaf:x2}: eax=0x{Join(e, " ebx=0x", " ecx=0x", " edx=0x")}"),
        "kcpuid" => Kcpuid(table),
        "xen-cpuid" =>
            $"Raw policy: 34 leaves, 2 MSRs\n CPUID:\n  leaf     subleaf  -> eax      ebx      ecx      edx     \n{XenLines(table)} "
            + "MSRs:\n  index    -> value           \n"
            + $"  000000ce -> 0000000080000000\nHVM Max policy: 30 leaves, 2 MSRs\n CPUID:\n{XenLines(guest)}",
        "kernel-log" => "[    0.000000] XSAVE consistency problem: size 832 != kernel_size 0\n"
            + string.Concat(Enumerable.Range(0, 74)
                .Select(i => $"[    0.000000] CPUID[0d, {i:x2}]: eax={Join(table.Read(0xD, (uint)i), " ebx=", " ecx=", " edx=")}\n")),
        "vbox-log" =>
            "00:00:00.120056 VirtualBox VM 7.0.10 r158379 linux.amd64 (Jul 12 2026) release log\n00:00:02.193951          Raw Standard "
            + "CPUID Leaves\n"
            + string.Concat(guest.Entries.Select(e =>
                $"00:00:02.193952 Gst: {e.Leaf:x8}/{e.Subleaf:x4}  {Join(e, " ", " ", " ")}\n00:00:02.193953 Hst:                "
                + $"{Join(table.Read(e.Leaf, e.Subleaf), " ", " ", " ")}\n")),
        "vmware-log" => "2026-09-25T11:27:32.558Z In(05) vmx Log for VMware Workstation pid=1234 version=26.0.1\n"
            + Lines(table,
                e => $"2026-09-25T11:27:32.6Z| vmx| I005: hostCPUID level {e.Leaf:x8}, {e.Subleaf:x}: 0x{Join(e, " 0x", " 0x", " 0x")}")
            + Lines(guest,
                e =>
                $"2026-09-25T11:27:33.6Z| vmx| I005: guest vs. host CPUID guest level {e.Leaf:x8}, {e.Subleaf,2:x}: "
                + $"0x{Join(e, " 0x", " 0x", " 0x")}"
                + (table.Read(e.Leaf, e.Subleaf) == e.Registers
                    ? ""
                    : $"\n2026-09-25T11:27:33.6Z| vmx| I005: guest vs. host CPUID *host level {e.Leaf:x8}, {e.Subleaf,2:x}: "
                        + $"0x{Join(table.Read(e.Leaf, e.Subleaf), " 0x", " 0x", " 0x")}")),
        "cpuid-json" => "[" + string.Join(",\n", table.Entries.Select(e => string.Create(
            CultureInfo.InvariantCulture,
            $"{{\"function\":{e.Leaf},\"index\":{e.Subleaf},\"flags\":{(e.SubleafSignificant ? 1 : 0)},\"eax\":{e.Registers.Eax},"
            + $"\"ebx\":{e.Registers.Ebx},\"ecx\":\"0x{e.Registers.Ecx:x}\",\"edx\":{e.Registers.Edx}}}"))) + "]",
        _ => throw new ArgumentOutOfRangeException(nameof(format)),
    };

    private static string Kcpuid(CpuidTable table)
    {
        StringBuilder text = new("Basic Leafs :\n================\n");
        foreach (IGrouping<uint, CpuidEntry> leaf in table.Entries.GroupBy(e => e.Leaf))
        {
            bool hasSubleaves = CpuidLeaves.HasSubleaves(leaf.Key);
            text.Append(hasSubleaves ? $"0x{leaf.Key:x8}: subleafs:\n" : "");
            foreach (CpuidEntry e in leaf.Where(e => !hasSubleaves || (e.Subleaf < 32 && !e.Registers.IsZero)))
            {
                text.Append(hasSubleaves ? $" {e.Subleaf,2}" : $"0x{e.Leaf:x8}").Append(": EAX=0x")
                    .Append(Join(e, ", EBX=0x", ", ECX=0x", ", EDX=0x")).Append('\n');
            }
        }

        return text.ToString();
    }

    private static string XenLines(CpuidTable table) =>
        Lines(table, e => $"  {e.Leaf:x8}:{(CpuidLeaves.HasSubleaves(e.Leaf) ? e.Subleaf : uint.MaxValue):x8} -> {Join(e, ":", ":", ":")}");

    private static string Lines(CpuidTable table, Func<CpuidEntry, string> line) =>
        string.Concat(table.Entries.Select(entry => line(entry) + "\n"));

    private static string Join(CpuidEntry entry, string b, string c, string d) => Join(entry.Registers, b, c, d);

    private static string Join(CpuidRegisters r, string b, string c, string d) => $"{r.Eax:x8}{b}{r.Ebx:x8}{c}{r.Ecx:x8}{d}{r.Edx:x8}";
}
